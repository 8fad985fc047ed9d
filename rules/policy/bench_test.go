package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// largePolicy has 1,000 scopes and 1,000 exemptions: each in namespaces of its own, or all of them everywhere.
func largePolicy(everywhere bool) string {
	var text strings.Builder
	namespaces := func(i int) string {
		if everywhere {
			return "*"
		}
		return fmt.Sprintf("team-%d-*", i)
	}
	text.WriteString(header + "scopes:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "- name: team-%d\n  match: {namespaces: [\"%s\"]}\n", i, namespaces(i))
		fmt.Fprintf(&text, "  rules: {startup-budget-too-long: {level: warn, params: {maxSeconds: %d}}}\n", 900+i)
	}
	text.WriteString("exemptions:\n")
	for i := range 1000 {
		text.WriteString("- rules: [no-readiness-probe, bare-pod, no-startup-probe]\n  reason: vendor\n")
		fmt.Fprintf(&text, "  match: {namespaces: [\"%s\"], images: [\"registry.example/vendor-%d/*\"]}\n",
			namespaces(i), i)
	}
	return text.String()
}

// BenchmarkFor is what a policy costs each review: a place that was asked about before, and one that was not.
func BenchmarkFor(b *testing.B) {
	texts := map[string]string{"default": string(policy.DefaultText), "elsewhere": largePolicy(false),
		"everywhere": largePolicy(true)}
	for _, name := range []string{"default", "elsewhere", "everywhere"} {
		p, err := policy.Load(catalogue.All, name, []byte(texts[name]), time.Now())
		if err != nil {
			b.Fatal(err)
		}
		s := podIn("shop", nil, corev1.Container{Name: "app", Image: "registry.example/app:1"})
		b.Run(name+"/known", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.For(s, nil)
			}
		})
		b.Run(name+"/new", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				other := *s
				other.Namespace = fmt.Sprint("shop-", i)
				p.For(&other, nil)
			}
		})
	}
}

// BenchmarkLoad is what a change of the policy costs.
func BenchmarkLoad(b *testing.B) {
	for name, text := range map[string]string{"default": string(policy.DefaultText), "large": largePolicy(false)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := policy.Load(catalogue.All, name, []byte(text), time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
