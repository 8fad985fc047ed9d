package catalogue_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/test/randpod"
)

const randomObjects = 1_000 // each way

// A way is one to judge and fix.
type way struct {
	name  string
	plan  *rules.Plan
	asked bool // every fix is turned on, so that the promises of the fixes that are on by default do not hold
}

// ways are the profiles as they are, with every fix turned on, and with odd parameters, on old and new kubelets.
var ways = sync.OnceValue(func() (all []way) {
	load := func(text string) *policy.Policy {
		p, err := policy.Load(catalogue.All, "test", []byte(text), time.Now())
		if err != nil {
			panic(err)
		}
		return p
	}
	everyFix := load(randpod.EveryFix(catalogue.All))
	for _, profile := range []rules.Profile{rules.Minimal, rules.Recommended, rules.Strict} {
		all = append(all, way{profile.String(), profilePlan(profile), false},
			way{profile.String() + ", every fix", everyFix.WithProfile(profile).Plan(), true})
	}
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 8 {
		every := i%2 == 1
		all = append(all, way{fmt.Sprint("odd parameters ", i), load(oddPolicy(r, every)).Plan(), every})
	}
	newest := everyFix.WithKubernetes(pod.Kubelets{From: 38, To: 38})
	return append(all, way{"every fix, kubelets 1.38", newest.Plan(), true})
})

// oddPolicy has parameters from both ends of their ranges for the rules that fix numbers, and for those of which a fix
// may bring a finding.
func oddPolicy(r *rand.Rand, everyFix bool) string {
	var text strings.Builder
	text.WriteString("apiVersion: podvet.dev/v1alpha1\nkind: Policy\nprofile: strict\nrules:\n" +
		"  restart-policy-not-allowed: {params: {allowed: {Pod: [Always], Job: [Never]}}}\n")
	for _, id := range []string{"exec-probe-short-timeout", "no-startup-probe", "prestop-exceeds-grace",
		"startup-budget-too-long", "startup-budget-too-short", "liveness-long-grace", "termination-grace-too-long",
		"sidecar-startup-blocks-pod", "liveness-too-slow", "exec-probe-too-frequent", "liveness-too-aggressive",
		"no-prestop-drain", "prestop-exec-sleep", "startup-gate-late"} {
		rule := catalogue.All.Lookup(id)
		level := "warn"
		if !rule.FixByDefault && r.IntN(3) > 0 { // so that no finding of its own keeps a fix away
			level = "off"
		}
		fmt.Fprintf(&text, "  %s:\n    level: %s\n", id, level)
		if everyFix && rule.HasFix() {
			text.WriteString("    fix: true\n")
		}
		for i, p := range catalogue.Parameters(rule) {
			if i == 0 {
				text.WriteString("    params:\n")
			}
			values := []int{1, 2, 7, 30, 120, 900, 86400}
			if strings.Contains(strings.ToLower(p.Name), "budget") { // with a short one nothing is added
				values = values[4:]
			}
			fmt.Fprintf(&text, "      %s: %d\n", p.Name, values[r.IntN(len(values))])
		}
	}
	return text.String()
}

// TestRandomPods: whatever the object, valid or not, podvet does not panic, leaves its input alone, answers the same
// twice, and its fixes are idempotent, in order, move no bound earlier and are at peace with the findings.
func TestRandomPods(t *testing.T) {
	found := map[string]int{}
	for at, way := range ways() {
		generator := randpod.New(uint64(42 + at))
		for i := range randomObjects {
			generator.Valid = i%2 == 0
			// A fifth has no defaults, as nobody should send them.
			result, o := tryObject(t, way, generator, i%5 != 0)
			for _, f := range result.Findings {
				found[f.Rule.ID]++
			}
			for _, f := range result.Fixed {
				found["fix of "+f.Rule.ID]++
			}
			if t.Failed() {
				t.Fatalf("%s, object %d: %s", way.name, i, asJSON(t, o))
			}
		}
	}
	for _, rule := range catalogue.All.Rules() {
		if found[rule.ID] < 10 && rule != catalogue.UnknownField {
			t.Errorf("%s finds something %d times: the generator has lost its bite", rule.ID, found[rule.ID])
		}
		if rule.HasFix() && found["fix of "+rule.ID] < 10 {
			t.Errorf("%s is fixed %d times", rule.ID, found["fix of "+rule.ID])
		}
	}
}

// FuzzVet looks for an object of which one of the properties does not hold. The bytes are what the generator chooses.
func FuzzVet(f *testing.F) {
	generator := rand.New(rand.NewPCG(3, 3))
	for at := range ways() {
		choices := make([]byte, 16*at)
		for i := range choices {
			choices[i] = byte(generator.Uint32())
		}
		f.Add(choices, byte(at), at%2 == 0, at%5 != 0)
	}
	f.Fuzz(func(t *testing.T, choices []byte, at byte, valid, defaulted bool) {
		generator := randpod.FromBytes(choices)
		generator.Valid = valid
		way := ways()[int(at)%len(ways())]
		if _, o := tryObject(t, way, generator, defaulted); t.Failed() {
			t.Fatalf("%s: %s", way.name, asJSON(t, o))
		}
	})
}

// tryObject draws an object and holds it against all properties.
func tryObject(t *testing.T, way way, generator *randpod.Generator, defaulted bool) (rules.Result, pod.Object) {
	t.Helper()
	o := generator.Object()
	if defaulted {
		pod.Default(o)
	}
	subject, ok := pod.SubjectOf(o)
	if !ok {
		return rules.Result{}, o
	}
	return checkObject(t, o, subject, way), o
}
