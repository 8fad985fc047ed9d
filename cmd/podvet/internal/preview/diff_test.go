package preview_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/preview"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

func TestDiff(t *testing.T) {
	for _, c := range []struct{ name, old, next, want string }{
		{"written otherwise", `rules: {bare-pod: {level: audit}, no-startup-probe: {params: {periodSeconds: 3}}}
scopes: [{match: {namespaces: [b, a, a], kinds: [Job, Pod]}, injectedContainers: [y, x]}]
exemptions: [{rules: [bare-pod, "*"], match: {namespaces: [b, "*"]}, reason: r}]`, `mode: enforce
scopes: [{match: {namespaces: [a, b], kinds: [Pod, Job]}, injectedContainers: [x, y], rules: {no-readiness-probe: {}}}]
exemptions: [{rules: ["*"], reason: r}]`, ""},
		{"what overrides another scope: a key", `
scopes:
- {name: everyone-audit, match: {namespaces: ["*"]}, mode: audit}
- {name: payments, match: {namespaces: [pay-*]}, mode: enforce}`, `
scopes:
- {name: everyone-audit, match: {namespaces: ["*"]}, mode: audit}
- {name: payments, match: {namespaces: [pay-*]}}`,
			"scope payments: mode: enforce -> not set here"},
		{"what overrides another scope: a level",
			`scopes: [{name: prod, profile: strict}, {name: pay, rules: {no-readiness-probe: {level: warn}}}]`,
			`scopes: [{name: prod, profile: strict}, {name: pay}]`,
			"scope pay: no-readiness-probe: warn -> not set here"},
		{"a fix and parameters",
			`scopes: [{name: a, rules: {no-startup-probe: {fix: true, params: {periodSeconds: 3}}}}]`,
			`scopes: [{name: a, injectedContainers: []}]`,
			"scope a: injectedContainers: not set here -> none; scope a: no-startup-probe: fix on -> not set here; " +
				"scope a: no-startup-probe: periodSeconds: 3 -> not set here"},
		{"a list in comments sets nothing", `scopes: [{name: a, injectedContainers: }]`, `scopes: [{name: a}]`, ""},
		{"of everyone once", `scopes: [{name: a, workloads: deny}]`,
			`mode: warn
rules: {bare-pod: {level: "off"}}
scopes: [{name: a, workloads: deny}]`,
			"everyone: mode: enforce -> warn; everyone: bare-pod: audit -> off"},
		{"of everyone, in a scope of another profile", "profile: strict\nscopes: [{name: a, profile: minimal}]",
			"profile: strict\nrules: {bare-pod: {level: warn}}\nscopes: [{name: a, profile: minimal}]",
			"everyone: bare-pod: not set -> warn; scope a: bare-pod: off -> warn"},
		{"a fix asked for", "", "rules: {no-startup-probe: {fix: true}}",
			"everyone: no-startup-probe: fix not set -> on"},
		{"under a mode that hides it", "mode: \"off\"", "mode: \"off\"\nrules: {bare-pod: {level: deny}}",
			"everyone: bare-pod: audit -> deny"},
		{"a new scope that says what everyone's does", "scopes: [{name: a, mode: audit}]",
			"scopes: [{name: a, mode: audit}, {name: b, mode: enforce, rules: {bare-pod: {level: warn}}}]",
			"scope b: is new: it means everything; scope b: mode: enforce, as for everyone; " +
				"scope b: bare-pod: audit -> warn"},
		{"an unnamed scope in front", `
scopes:
- {match: {namespaces: [a]}, mode: warn}
- {match: {namespaces: [b]}, profile: strict}
- {match: {kinds: [Job]}, fixes: false}`, `
scopes:
- {match: {namespaces: [z]}, mode: warn}
- {match: {namespaces: [a]}, mode: warn}
- {match: {namespaces: [c]}, profile: strict}
- {match: {kinds: [Job]}, fixes: true}`,
			"scope for namespaces z: is new: it means namespaces z; scope for namespaces z: mode: enforce -> warn; " +
				"scope for namespaces c: means namespaces c instead of namespaces b; " +
				"scope for kinds Job: fixes: false -> true; " +
				"scope for kinds Job: no-startup-probe: fix off -> on; " +
				"scope for kinds Job: exec-probe-short-timeout: fix off -> on; " +
				"scope for kinds Job: prestop-exceeds-grace: fix off -> on"},
		{"another name", `scopes: [{match: {namespaces: [a]}, mode: warn}]`,
			`scopes: [{name: b, match: {namespaces: [a]}, mode: warn}]`, "scope b: was called for namespaces a"},
		{"another order", `scopes: [{name: a, mode: warn}, {name: b, mode: audit}]`,
			`scopes: [{name: b, mode: audit}, {name: a, mode: warn}]`,
			"scopes: another order: b, a; the last one that matches wins"},
		{"an owner is no part of the reason", `exemptions: [{rules: [bare-pod], reason: r; o}]`,
			`exemptions: [{rules: [bare-pod], reason: r, owner: o}]`,
			"exemptions: no longer: bare-pod for everything (r; o); exemptions: new: bare-pod for everything (r; o)"},
		{"exemptions in another order", `exemptions: [{rules: [bare-pod], reason: r}, {rules: ["*"], reason: s}]`,
			`exemptions: [{rules: ["*"], reason: s}, {rules: [bare-pod], reason: r}]`,
			"exemptions: another order: the first that holds gives the reason"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if difference := cmp.Diff(c.want, changes(load(t, c.old), load(t, c.next))); difference != "" {
				t.Errorf("(-want +got):\n%s", difference)
			}
		})
	}
}

func load(t *testing.T, text string) *policy.Policy {
	t.Helper()
	text = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n" + text
	p, err := policy.Load(catalogue.All, "p.yaml", []byte(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func changes(old, next *policy.Policy) string {
	var lines []string
	for _, c := range preview.Policies(old, next) {
		lines = append(lines, c.Where+": "+c.What)
	}
	return strings.Join(lines, "; ")
}

// TestDiffMissesNothing: of two policies that rule otherwise about any pod something is said.
func TestDiffMissesNothing(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	differ := 0
	for range 100 {
		written := randomPolicy(r)
		old := load(t, written.text())
		for range 10 {
			other := written.mutated(r)
			next := load(t, other.text())
			said := changes(old, next)
			if changes(next, old) == "" != (said == "") {
				t.Fatalf("seed %d: one way %q, the other way %q:\n%s\n%s", seed, said, changes(next, old),
					written.text(), other.text())
			}
			if said != "" {
				continue
			}
			if place := rulesOtherwise(old, next); place != "" {
				t.Fatalf("seed %d: nothing is said, but %s differs:\n%s\n%s", seed, place, written.text(), other.text())
			}
			differ++
		}
	}
	if differ == 0 {
		t.Error("no two policies were alike: nothing was tested")
	}
}

// writtenPolicy is keys of the document, of its scopes, and its exemptions.
type writtenPolicy struct {
	document   []string
	scopes     [][]string
	exemptions []string
}

func (w writtenPolicy) text() string {
	lines := []string{grouped(w.document, "\n")}
	if len(w.scopes) > 0 {
		lines = append(lines, "scopes:")
	}
	for _, s := range w.scopes {
		lines = append(lines, "- {"+grouped(s, ", ")+"}")
	}
	if len(w.exemptions) > 0 {
		lines = append(lines, "exemptions:\n- "+strings.Join(w.exemptions, "\n- "))
	}
	return strings.Join(lines, "\n")
}

// grouped writes the last entry of each key; what is of a rule, as in "RULE {..", goes under the key rules.
func grouped(keys []string, separator string) string {
	last, entries := map[string]string{}, map[string]string{}
	for _, k := range keys {
		name, _, isKey := strings.Cut(k, ":")
		if rule, _, ok := strings.Cut(k, " {"); ok && !strings.Contains(rule, ":") {
			entries[rule] = rule + ": " + strings.TrimPrefix(k, rule+" ")
		} else if isKey {
			last[name] = k
		}
	}
	var all, ofRules []string
	for _, k := range last {
		all = append(all, k)
	}
	for _, e := range entries {
		ofRules = append(ofRules, e)
	}
	if ofRules != nil {
		all = append(all, "rules: {"+strings.Join(sorted(ofRules), ", ")+"}")
	}
	return strings.Join(sorted(all), separator)
}

func randomKey(r *rand.Rand) string {
	return pick(r, "profile: minimal", "profile: recommended", "profile: strict", "mode: enforce", "mode: warn",
		"mode: audit", `mode: "off"`, "fixes: true", "fixes: false",
		"workloads: deny", "workloads: warn", "ownedPods: enforce", "ownedPods: warn", "namespaceModes: true",
		"namespaceModes: false", "namespaceModes: [warn, audit]", "namespaceModes: [audit, warn]",
		"injectedContainers: [app]", "injectedContainers: []",
		"injectedContainers: ", "allowPodExemptions: true", "allowPodExemptions: false",
		"no-readiness-probe {level: warn}", "no-readiness-probe {level: deny}", `no-startup-probe {level: "off"}`,
		"no-startup-probe {fix: true}", "no-startup-probe {fix: false}",
		`no-startup-probe {level: "off", fix: true}`, "no-startup-probe {params: {periodSeconds: 3}}",
		"no-startup-probe {params: {periodSeconds: 7}}",
		"no-startup-probe {params: {budgetSeconds: 200, periodSeconds: 3}}", "bare-pod {level: audit}",
		"bare-pod {level: warn}", "bare-pod {}")
}

func randomMatch(r *rand.Rand) string {
	return pick(r, "match: {}", "match: {namespaces: [a]}", "match: {namespaces: [b, a]}", `match: {namespaces: ["*"]}`,
		"match: {namespaces: [a*]}",
		"match: {kinds: [Pod]}", "match: {podSelector: {matchLabels: {x: y}}}",
		"match: {namespaceSelector: {matchLabels: {team: a}}}")
}

func randomExemption(r *rand.Rand) string {
	return fmt.Sprintf("{rules: %s, %s, reason: %s%s}",
		pick(r, "[bare-pod]", `["*"]`, "[no-readiness-probe, bare-pod]", "[no-startup-probe]"), randomMatch(r),
		pick(r, "r", "s"), pick(r, "", ", expires: 2020-01-01", ", expires: 2100-01-01"))
}

func pick(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

func randomScope(r *rand.Rand) []string {
	s := []string{randomMatch(r)}
	for range r.IntN(4) {
		s = append(s, randomKey(r))
	}
	return s
}

func randomPolicy(r *rand.Rand) writtenPolicy {
	var w writtenPolicy
	for range r.IntN(4) {
		w.document = append(w.document, randomKey(r))
	}
	for range r.IntN(4) {
		w.scopes = append(w.scopes, randomScope(r))
	}
	for range r.IntN(3) {
		w.exemptions = append(w.exemptions, randomExemption(r))
	}
	return w
}

// mutated is the policy with something added, taken away or moved.
func (w writtenPolicy) mutated(r *rand.Rand) writtenPolicy {
	w.document, w.scopes, w.exemptions = slices.Clone(w.document), slices.Clone(w.scopes), slices.Clone(w.exemptions)
	i := r.IntN(max(1, len(w.scopes)))
	switch what := r.IntN(8); {
	case what == 0:
		w.document = append(w.document, randomKey(r))
	case what == 1 && len(w.document) > 0:
		w.document = w.document[1:]
	case what == 2:
		w.exemptions = append(w.exemptions, randomExemption(r))
	case what == 3:
		slices.Reverse(w.exemptions)
	case what == 4 || len(w.scopes) == 0:
		w.scopes = slices.Insert(w.scopes, i, randomScope(r))
	case what == 5:
		w.scopes[0], w.scopes[i] = w.scopes[i], w.scopes[0]
	case what == 6:
		w.scopes[i] = append(slices.Clone(w.scopes[i]), randomKey(r))
	default:
		w.scopes[i] = w.scopes[i][:max(1, len(w.scopes[i])-1)]
	}
	return w
}

// rulesOtherwise is a pod that another policy judges differently, "" for none.
func rulesOtherwise(a, b *policy.Policy) string {
	probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}, PeriodSeconds: 10,
		TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1}
	probe.TCPSocket.Port.IntVal = 80
	for _, namespace := range []string{"a", "b", "ab", "c"} {
		for _, kind := range []string{"Pod", "Job"} {
			for _, namespaceLabels := range []map[string]string{nil, {"team": "a"}, {policy.ModeLabel: "enforce"}} {
				for _, labels := range []map[string]string{nil, {"x": "y"}} {
					serves := []corev1.ContainerPort{{ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
					s, _ := pod.SubjectOf(&corev1.Pod{
						ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "p", Labels: labels},
						Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{
							{Name: "app", Image: "i", Ports: serves},
							{Name: "slow", Image: "i", Ports: serves, LivenessProbe: &probe, ReadinessProbe: &probe},
						}},
					})
					s.OwnerKind = kind
					s.Meta.Annotations = map[string]string{policy.ExemptAnnotation: "bare-pod: its own"}
					if ruledAs(a, s, namespaceLabels) != ruledAs(b, s, namespaceLabels) {
						return fmt.Sprint(namespace, " ", kind, " ", namespaceLabels, " ", labels)
					}
				}
			}
		}
	}
	return ""
}

func ruledAs(p *policy.Policy, s *pod.Subject, namespaceLabels map[string]string) string {
	r := p.For(s, namespaceLabels)
	result := rules.Vet(s, r.Plan)
	var found []string
	for _, f := range rules.Judge(s, r.Plan) {
		line := f.Level.String() + " " + f.Rule.ID + "/" + f.Container
		if f.Exempt != nil {
			line += " (" + f.Exempt.String() + ")"
		}
		found = append(found, line)
	}
	all := []any{r.Mode, r.Workloads, r.OwnedPods, r.Notes, !result.Applied, sorted(found)}
	for _, f := range result.Fixed {
		all = append(all, f.Rule.ID+"/"+f.Container)
	}
	for _, c := range result.Subject.Spec.Containers {
		all = append(all, c.StartupProbe)
	}
	return fmt.Sprint(all...)
}
