package policy_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// TestPlansAreMadeWhenLoaded: a first review in a place finds its plan made, where no scope matches but those that
// match everywhere, where one more does, and where the namespace has a mode.
func TestPlansAreMadeWhenLoaded(t *testing.T) {
	var text strings.Builder
	text.WriteString("scopes:\n- {name: all, match: {namespaces: [\"*\"]}, rules: {bare-pod: {level: deny}}}\n")
	for i := range 100 {
		fmt.Fprintf(&text, "- {name: s%d, match: {namespaces: [n%d-*]}, "+
			"rules: {startup-budget-too-long: {params: {maxSeconds: %d}}}}\n", i, i, 100+i)
	}
	p := load(t, text.String(), time.Now())
	made := allocations(func() { p.Plan() })
	for _, c := range []struct{ namespace, mode string }{
		{"shop", ""}, {"shop-audited", "audit"}, {"shop-off", "off"}, {"n7-x", ""}, {"n99-x", ""},
	} {
		labels := map[string]string{}
		if c.mode != "" {
			labels[policy.ModeLabel] = c.mode
		}
		s := podIn(c.namespace, nil)
		if first := allocations(func() { p.For(s, labels) }); first > made/2 {
			t.Errorf("%s: %d allocations, a plan takes %d", c.namespace, first, made)
		}
	}
}

func allocations(of func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	of()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// TestSamePlans: scopes that say the same share what the engine runs.
func TestSamePlans(t *testing.T) {
	p := load(t, `scopes:
- {match: {namespaces: [a]}, mode: warn}
- {match: {namespaces: [b]}, mode: warn, workloads: deny}
- {match: {namespaces: [c]}, mode: audit}
- {match: {namespaces: [d]}, mode: warn, rules: {no-readiness-probe: {params: {ignorePortNames: [x y]}}}}
- {match: {namespaces: [e]}, mode: warn, rules: {no-readiness-probe: {params: {ignorePortNames: [x, y]}}}}
`, time.Now())
	plans := map[any]string{}
	for _, namespace := range []string{"a", "c", "d", "e"} {
		r := ruling(p, namespace, "Pod", nil, nil)
		if other, shared := plans[r.Plan]; shared {
			t.Errorf("%s and %s have one plan", namespace, other)
		}
		plans[r.Plan] = namespace
	}
	a, b := ruling(p, "a", "Pod", nil, nil), ruling(p, "b", "Pod", nil, nil)
	if a.Plan != b.Plan || a.Workloads != policy.WorkloadsWarn || b.Workloads != policy.WorkloadsDeny {
		t.Errorf("%+v and %+v", a, b)
	}
}

// TestManyReviewsAtOnce: whoever works a place out first, all get the same answer.
func TestManyReviewsAtOnce(t *testing.T) {
	text := header + `scopes:
- {match: {namespaces: [a*]}, profile: strict}
- {match: {podSelector: {matchLabels: {x: y}}}, rules: {bare-pod: {level: deny}}}
- {match: {namespaces: ["*a"]}, mode: warn}
exemptions: [{rules: [no-readiness-probe], match: {namespaces: [ab]}, reason: r}]
`
	labels := []map[string]string{nil, {"x": "y"}}
	answers := func(p *policy.Policy) []string {
		var all []string
		for _, namespace := range []string{"a", "ab", "ba", "c"} {
			for _, l := range labels {
				all = append(all, fmt.Sprint(namespace, l, found(p, podIn(namespace, l), nil)))
			}
		}
		return all
	}
	var all [8][]string
	for range 20 {
		p, err := policy.Load(catalogue.All, "p.yaml", []byte(text), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range all {
			group.Go(func() { all[i] = answers(p) })
		}
		group.Wait()
		for i := range all {
			if diff := cmp.Diff(answers(p), all[i]); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	}
}
