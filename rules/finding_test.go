package rules_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/podvet/podvet/rules"
)

// TestWhole: admission has a bound for what it says of a finding, whoever has room sees all of it.
func TestWhole(t *testing.T) {
	reason, name := strings.Repeat("reason ", 40)+"end", strings.Repeat("name-", 30)+"end"
	f := rules.Finding{Rule: &rules.Rule{ID: "a-rule"}, Container: name, Text: "is wrong. Make it right.",
		Exempt: &rules.Exemption{Reason: reason}}
	want := `container "` + name + `": is wrong. Make it right. (exempt: ` + reason + ") [a-rule]"
	if got := f.Whole(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	short := f.String()
	if utf8.RuneCountInString(short) > rules.MaxLine || !strings.Contains(short, "(exempt: reason ") ||
		!strings.HasSuffix(short, "…) [a-rule]") {
		t.Errorf("%q", short)
	}
	f.Exempt.Expired = "2020-01-01"
	if f.Exempt.Whole() != f.Exempt.String() {
		t.Errorf("%q, %q", f.Exempt.Whole(), f.Exempt)
	}
}
