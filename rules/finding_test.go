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

// TestLine: what has to be quoted, cut or left out is, and most lines have nothing of that.
func TestLine(t *testing.T) {
	long := strings.Repeat("x", 150)
	for _, test := range []struct{ container, text, want string }{
		{"app", "is wrong.", `podvet: container "app": is wrong. [a-rule]`},
		{"", "is wrong.", `podvet: is wrong. [a-rule]`},
		{`a"b`, "is wrong.", `podvet: container "a\"b": is wrong. [a-rule]`},
		{`a\b`, "is wrong.", `podvet: container "a\\b": is wrong. [a-rule]`},
		{"a\nb", "is wrong.", `podvet: container "a\nb": is wrong. [a-rule]`},
		{"a\u202eb", "is\nwrong.", `podvet: container "a\u202eb": iswrong. [a-rule]`},
		{"ü", "is wröng.", `podvet: container "ü": is wröng. [a-rule]`},
		{"app", long, `podvet: container "app": ` + long + ` [a-rule]`},
		{"app", long + "123456789", `podvet: container "app": ` + long + `123456789 [a-rule]`},
		{"app", long + long, `podvet: container "app": ` + long + strings.Repeat("x", 15) + `… [a-rule]`},
	} {
		f := rules.Finding{Rule: &rules.Rule{ID: "a-rule"}, Container: test.container, Text: test.text}
		if got := f.Line("podvet: "); got != test.want {
			t.Errorf("%q, %q:\n%s, want\n%s", test.container, test.text, got, test.want)
		}
	}
}
