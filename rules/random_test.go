package rules_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/test/randpod"
)

const randomPods = 8_000

// fixEverything turns on every fix there is, at the strictest profile.
const fixEverything = `
apiVersion: podvet.dev/v1alpha1
kind: Policy
profile: strict
rules:
  no-readiness-probe: {fix: true, params: {template: {portName: http, probe: {httpGet: {path: /ready, port: http}}}}}
  no-liveness-probe: {fix: true, params: {template: {portName: http, probe: {tcpSocket: {port: http}, timeoutSeconds: 2}}}}
  exec-probe-short-timeout: {fix: true}
  startup-budget-too-short: {fix: true}
  no-startup-probe: {fix: true}
  prestop-exceeds-grace: {fix: true}
`

func plans(t *testing.T) map[string]*rules.Plan {
	t.Helper()
	everything, err := policy.Load("test", []byte(fixEverything), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*rules.Plan{
		"minimal":     rules.ProfilePlan(rules.Minimal),
		"recommended": rules.ProfilePlan(rules.Recommended),
		"strict":      rules.ProfilePlan(rules.Strict),
		"everything":  everything.Plan(),
	}
}

// TestRandomPods: whatever the pod, valid or not, Vet does not panic, leaves its input alone, answers the
// same twice, and its fixes are idempotent, in order and at peace with the findings.
func TestRandomPods(t *testing.T) {
	for name, plan := range plans(t) {
		t.Run(name, func(t *testing.T) {
			generator := randpod.New(42)
			fixes, findings := 0, 0
			for i := range randomPods {
				generator.Valid = i%2 == 0
				pod := generator.Pod()
				if i%5 != 0 {
					rules.Default(pod) // a fifth without defaults, as nobody should send them
				}
				result := checkPod(t, pod, plan, name != "everything")
				fixes, findings = fixes+len(result.Fixed), findings+len(result.Findings)
				if t.Failed() {
					t.Fatalf("pod %d: %s", i, asJSON(t, pod))
				}
			}
			if findings < randomPods/10 || name != "minimal" && fixes < randomPods/100 {
				t.Errorf("only %d findings and %d fixes: the generator has lost its bite", findings, fixes)
			}
		})
	}
}

func checkPod(t *testing.T, pod *corev1.Pod, plan *rules.Plan, defaultFixesOnly bool) rules.Result {
	t.Helper()
	before := pod.DeepCopy()
	subject, _ := rules.SubjectOf(pod)
	result := rules.Vet(subject, plan)
	if diff := cmp.Diff(before, pod); diff != "" {
		t.Errorf("Vet changed its input:\n%s", diff)
	}
	again := rules.Vet(subject, plan)
	if diff := cmp.Diff(lines(result), lines(again)); diff != "" {
		t.Errorf("two answers:\n%s", diff)
	}
	for _, f := range result.Findings {
		if line := f.String(); utf8.RuneCountInString(line) > rules.MaxLine || strings.ContainsAny(line, "\n\r\t") || !strings.HasSuffix(line, "["+f.Rule.ID+"]") {
			t.Errorf("bad line %q", line)
		}
	}
	checkPatch(t, pod, subject, result)
	if len(result.Fixed) == 0 {
		if result.Spec != subject.Spec {
			t.Error("nothing fixed, but the spec is not the input's own")
		}
		return result
	}
	fixed := pod.DeepCopy()
	fixed.Spec = *result.Spec.DeepCopy()
	repaired, _ := rules.SubjectOf(fixed)
	if twice, _ := rules.Fix(repaired, plan); len(twice) > 0 {
		t.Errorf("fixed %v, then again %v", result.Fixed, twice)
	}
	if !slices.IsSortedFunc(result.Fixed, func(a, b rules.Fixed) int { return fixRank(t, a) - fixRank(t, b) }) {
		t.Errorf("fixes out of order: %v", result.Fixed)
	}
	if defaultFixesOnly {
		had := rules.Judge(subject, plan)
		for _, f := range result.Findings {
			if !slices.ContainsFunc(had, func(g rules.Finding) bool { return f.Rule == g.Rule && f.Container == g.Container }) {
				t.Errorf("the fixes %v brought %s", result.Fixed, f)
			}
		}
	}
	return result
}

// checkPatch applies the patch as the API server does and reads it back.
func checkPatch(t *testing.T, pod *corev1.Pod, subject *rules.Subject, result rules.Result) {
	t.Helper()
	raw := []byte(asJSON(t, pod))
	ops := rules.Patch(subject.Spec, result.Spec, subject.Meta, result.Fixed)
	if (len(ops) == 0) != (len(result.Fixed) == 0) {
		t.Errorf("fixed %v with the patch %v", result.Fixed, ops)
	}
	if len(ops) == 0 {
		return
	}
	patch, err := jsonpatch.DecodePatch([]byte(asJSON(t, ops)))
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply(raw)
	if err != nil {
		t.Fatalf("the patch %s does not apply: %v", asJSON(t, ops), err)
	}
	var got corev1.Pod
	if err := json.Unmarshal(patched, &got); err != nil {
		t.Fatal(err)
	}
	want := pod.DeepCopy()
	want.Spec = *result.Spec
	want.Annotations = map[string]string{}
	maps.Copy(want.Annotations, pod.Annotations)
	var entries []string
	if old := pod.Annotations[rules.FixedAnnotation]; old != "" {
		entries = append(entries, old)
	}
	for _, f := range result.Fixed {
		entries = append(entries, f.String())
	}
	want.Annotations[rules.FixedAnnotation] = strings.Join(entries, ",")
	if asJSON(t, want) != asJSON(t, &got) {
		t.Errorf("after the patch (-want +got):\n%s", cmp.Diff(asJSON(t, want), asJSON(t, &got)))
	}
}

// fixRank follows the order in rules.md.
func fixRank(t *testing.T, f rules.Fixed) int {
	t.Helper()
	order := []string{"no-readiness-probe", "no-liveness-probe", "exec-probe-short-timeout", "startup-budget-too-short",
		"liveness-too-aggressive", "no-startup-probe", "no-prestop-drain", "prestop-exceeds-grace"}
	rank := slices.Index(order, f.Rule.ID)
	if rank < 0 {
		t.Fatalf("%s is not in the order of fixes", f.Rule.ID)
	}
	return rank
}

func lines(r rules.Result) []string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Level.String()+" "+f.Path()+" "+f.String())
	}
	for _, f := range r.Fixed {
		all = append(all, "fixed "+f.String())
	}
	return all
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
