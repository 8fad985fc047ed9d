package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// TestExplainOnce: the policy is read once, not for each subject: a long one costs little more than a short one.
func TestExplainOnce(t *testing.T) {
	var long strings.Builder
	long.WriteString("scopes:\n")
	for i := range 1000 {
		fmt.Fprintf(&long, "- {name: s%d, match: {namespaces: [n%d]}, profile: strict}\n", i, i)
	}
	long.WriteString("exemptions:\n")
	for i := range 1000 {
		fmt.Fprintf(&long, "- {rules: [bare-pod], match: {namespaces: [n%d]}, reason: r}\n", i)
	}
	cost := func(text string) float64 {
		source := policy.Source{File: "p.yaml", Text: []byte(header + text)}
		explainer, err := source.Explainer(catalogue.All, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s := podIn("n7", nil)
		return testing.AllocsPerRun(10, func() { explainer.Explain(s, nil) })
	}
	if short, of1000 := cost("profile: strict"), cost(long.String()); of1000-short > 20 {
		t.Errorf("%.0f allocations with a long policy, %.0f with a short one", of1000, short)
	}
}
