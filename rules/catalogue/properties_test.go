package catalogue_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
)

// What holds of every object and every plan.

func checkObject(t *testing.T, o pod.Object, subject *pod.Subject, way way) rules.Result {
	t.Helper()
	before := o.DeepCopyObject()
	result := rules.Vet(subject, way.plan)
	for _, f := range result.Findings {
		checkLine(t, f)
		// Each fix was tried on it already.
		if result.Fixable(f) && way.asked {
			t.Errorf("every fix is turned on, and this is left to fix: %s", f)
		}
	}
	again := rules.Vet(subject, way.plan)
	if diff := cmp.Diff(lines(result), lines(again)); diff != "" {
		t.Errorf("two answers:\n%s", diff)
	}
	written := rules.VetAsWritten(subject, way.plan)
	if subject.Mirror() && len(result.Findings)+len(result.Fixed) > 0 {
		t.Errorf("of a mirror pod %v is fixed and found %v", result.Fixed, result.Findings)
	}
	if !reflect.DeepEqual(before, o) {
		t.Errorf("Vet changed its input:\n%s", cmp.Diff(before, o))
	}
	checkNeverRuns(t, written.Findings)
	checkNeverRuns(t, result.Findings)
	checkPatch(t, o, subject, result)
	if len(result.Fixed) == 0 {
		if result.Subject != subject {
			t.Error("nothing fixed, but the spec is not the input's own")
		}
		return result
	}
	checkRepair(t, o, subject, result, way.plan)
	if !way.asked {
		checkDefaultFixes(t, subject, result, written.Findings)
	}
	return result
}

func checkLine(t *testing.T, f rules.Finding) {
	t.Helper()
	if line := f.String(); utf8.RuneCountInString(line) > rules.MaxLine || strings.ContainsAny(line, "\n\r\t") ||
		!strings.HasSuffix(line, "["+f.Rule.ID+"]") {
		t.Errorf("bad line %q", line)
	}
	if slices.Contains(rules.DefaultInjected, f.Container) && f.Level > rules.Audit && !f.Rule.AboutInjected {
		t.Errorf("about an injected container at %s: %s", f.Level, f)
	}
}

var probePath = regexp.MustCompile(`^.*\.(?:initC|c)ontainers\[\d+\]\.(?:liveness|readiness|startup)Probe\b`)

// checkNeverRuns: where one finding says that a probe can never run, no other is about that probe or compares another
// with it.
func checkNeverRuns(t *testing.T, findings []rules.Finding) {
	t.Helper()
	dead := map[string]rules.Finding{}
	for _, f := range findings {
		switch f.Rule.ID {
		case "inert-exec-probe-no-shell":
			if !strings.Contains(f.Text, "never acts") {
				continue
			}
		case "exec-probe-no-shell", "probe-port-unresolved", "inert-probe-port-unresolved":
		default:
			continue
		}
		dead[probePath.FindString(f.Path())] = f
	}
	compared := map[string]string{"liveness-equals-readiness": "readinessProbe",
		"startup-shorter-than-liveness": "livenessProbe", "startup-gate-late": "livenessProbe"}
	for _, f := range findings {
		probe := probePath.FindString(f.Path())
		if probe == "" {
			continue
		}
		if first, is := dead[probe]; is && (first.Rule != f.Rule || first.Path() != f.Path()) {
			t.Errorf("two about a probe that never runs: %s\n%s", first, f)
		}
		if kind := compared[f.Rule.ID]; kind != "" {
			other := probe[:strings.LastIndex(probe, ".")+1] + kind
			if first, is := dead[other]; is {
				t.Errorf("compared with a probe that never runs: %s\n%s", f, first)
			}
		}
	}
	for i, f := range findings {
		if i > 0 && f.Rule == findings[i-1].Rule && f.Path() == findings[i-1].Path() {
			t.Errorf("found twice: %s", f)
		}
	}
}

// checkRepair: what is fixed needs no second fix, and the API server takes it as it took the input.
func checkRepair(t *testing.T, o pod.Object, subject *pod.Subject, result rules.Result, plan *rules.Plan) {
	t.Helper()
	fixed := o.DeepCopyObject().(pod.Object)
	repaired, _ := pod.SubjectOf(fixed)
	*repaired.Spec = *result.Subject.Spec.DeepCopy()
	repaired, _ = pod.SubjectOf(fixed)
	twice := rules.Vet(repaired, plan)
	if len(twice.Fixed) > 0 {
		t.Errorf("fixed %v, then again %v", result.Fixed, twice.Fixed)
	}
	var left []string
	for _, f := range result.Findings {
		left = append(left, f.Level.String()+" "+f.Path()+" "+f.String())
	}
	if diff := cmp.Diff(left, lines(twice)); diff != "" {
		t.Errorf("what is left, and what a second pass says:\n%s", diff)
	}
	if !slices.IsSortedFunc(result.Fixed, func(a, b rules.Fixed) int { return fixRank(t, a) - fixRank(t, b) }) {
		t.Errorf("fixes out of order: %v", result.Fixed)
	}
	if diff := cmp.Diff(refused(subject), refused(repaired)); diff != "" {
		t.Errorf("%v changed what the API server refuses:\n%s", result.Fixed, diff)
	}
	for i := range subject.Containers {
		was, is := &subject.Containers[i], &repaired.Containers[i]
		if was.StartupProbe == nil && is.StartupProbe != nil && (is.Class != pod.App || is.ReadinessProbe == nil) {
			t.Errorf("a startupProbe is added to %s, and others wait for that", is.Name)
		}
		if subject.Refuses(was) && !reflect.DeepEqual(was.Container, is.Container) {
			t.Errorf("%s, which the API server refuses, is changed", was.Name)
		}
	}
}

// refused are the places that the API server refuses.
func refused(s *pod.Subject) (paths []string) {
	for _, problem := range s.Invalid() {
		paths = append(paths, problem.Path)
	}
	return paths
}

// checkDefaultFixes: a fix that nobody asked for brings no finding, moves no bound earlier, and touches only pods and
// containers whose author would want it.
func checkDefaultFixes(t *testing.T, subject *pod.Subject, result rules.Result, had []rules.Finding) {
	t.Helper()
	for _, f := range result.Findings {
		same := func(g rules.Finding) bool { return f.Rule == g.Rule && f.Container == g.Container }
		if !slices.ContainsFunc(had, same) {
			t.Errorf("the fixes %v brought %s", result.Fixed, f)
		}
	}
	if subject.Owner == pod.CustomOwners {
		t.Errorf("a custom owner's pod is fixed: %v", result.Fixed)
	}
	if result.Subject.Grace() < subject.Grace() {
		t.Errorf("SIGKILL comes at %d s instead of %d", result.Subject.Grace(), subject.Grace())
	}
	for i := range subject.Containers {
		checkBounds(t, &subject.Containers[i], &result.Subject.Containers[i])
		// The rest of it is as it was.
		rest := *result.Subject.Containers[i].Container
		rest.LivenessProbe = subject.Containers[i].LivenessProbe
		rest.ReadinessProbe = subject.Containers[i].ReadinessProbe
		rest.StartupProbe = subject.Containers[i].StartupProbe
		if !reflect.DeepEqual(&rest, subject.Containers[i].Container) {
			t.Errorf("more than probes is changed:\n%s", cmp.Diff(subject.Containers[i].Container, &rest))
		}
	}
}

// checkBounds: no probe ends or un-readies a container earlier, whichever way it fails.
func checkBounds(t *testing.T, before, after *pod.Container) {
	t.Helper()
	for _, kind := range pod.ProbeKinds {
		was, is := *kind.Field(before.Container), *kind.Field(after.Container)
		switch {
		case reflect.DeepEqual(was, is):
		case slices.Contains(rules.DefaultInjected, after.Name):
			t.Errorf("%s of an injected container is changed", kind)
		case was == nil:
			checkAddedStartup(t, kind, before, after)
		default:
			w, i := before.NewProbe(kind, was), after.NewProbe(kind, is)
			later := i.Guaranteed() >= w.Guaranteed() && i.Worst() >= w.Worst()
			for _, nodes := range []pod.Kubelets{{From: 37, To: 37}, {From: 38, To: 38}} {
				later = later && i.Refused(nodes) >= w.Refused(nodes)
			}
			if !later || !w.SameAs(i.Handler) || !reflect.DeepEqual(was.TerminationGracePeriodSeconds,
				is.TerminationGracePeriodSeconds) || is.SuccessThreshold != was.SuccessThreshold {
				t.Errorf("%s of %s acts earlier or on something else:\n%s", kind, after.Name, cmp.Diff(was, is))
			}
			// A startup that succeeds sooner lets liveness strike sooner.
			if kind == pod.Startup && before.LivenessProbe != nil {
				t.Errorf("startupProbe of %s is changed beside a livenessProbe", after.Name)
			}
		}
	}
}

// checkAddedStartup: an added startupProbe checks what liveness checks and kills no boot that liveness would let live.
func checkAddedStartup(t *testing.T, kind pod.ProbeKind, before, after *pod.Container) {
	t.Helper()
	live, ok := before.ProbeOf(pod.Liveness)
	startup, valid := after.ProbeOf(pod.Startup)
	switch {
	case kind != pod.Startup || !ok || !valid || before.Class != pod.App || before.ReadinessProbe == nil:
		t.Errorf("a %s is added to %s", kind, after.Name)
	case startup.Guaranteed() < live.Worst() || startup.Exec != nil || startup.Host() != "" ||
		!startup.SameAs(live.Handler) || !startup.ReachesTCP() || startup.SuccessThreshold != 1 ||
		!reflect.DeepEqual(startup.TerminationGracePeriodSeconds, live.TerminationGracePeriodSeconds):
		t.Errorf("%s gets a startupProbe that may hurt: %s", after.Name, asJSON(t, startup.Probe))
	}
}

// checkPatch applies the patch as the API server does and reads it back.
func checkPatch(t *testing.T, o pod.Object, subject *pod.Subject, result rules.Result) {
	t.Helper()
	ops := rules.Patch(subject, result.Subject)
	if (len(ops) == 0) != (len(result.Fixed) == 0) {
		t.Errorf("fixed %v with the patch %v", result.Fixed, ops)
	}
	if len(ops) == 0 {
		return
	}
	want := o.DeepCopyObject().(pod.Object)
	wanted, _ := pod.SubjectOf(want)
	*wanted.Spec = *result.Subject.Spec
	if !subject.Template {
		ops = append(ops, rules.Annotate(subject.Meta, result.Fixed))
		want.SetAnnotations(annotated(subject, result.Fixed))
	}
	patch, err := jsonpatch.DecodePatch([]byte(asJSON(t, ops)))
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply([]byte(asJSON(t, o)))
	if err != nil {
		t.Fatalf("the patch %s does not apply: %v", asJSON(t, ops), err)
	}
	kind := o.GetObjectKind().GroupVersionKind()
	got := pod.NewObject(kind.GroupVersion().String(), kind.Kind)
	if err := json.Unmarshal(patched, got); err != nil {
		t.Fatal(err)
	}
	if asJSON(t, want) != asJSON(t, got) {
		t.Errorf("after the patch (-want +got):\n%s", cmp.Diff(asJSON(t, want), asJSON(t, got)))
	}
}

// annotated are the pod's annotations once its fixes are recorded.
func annotated(subject *pod.Subject, fixed []rules.Fixed) map[string]string {
	all := map[string]string{}
	maps.Copy(all, subject.Meta.Annotations)
	var entries []string
	if old := all[rules.FixedAnnotation]; old != "" {
		entries = append(entries, old)
	}
	for _, f := range fixed {
		entries = append(entries, f.String())
	}
	all[rules.FixedAnnotation] = strings.Join(entries, ",")
	return all
}

func fixRank(t *testing.T, f rules.Fixed) int {
	t.Helper()
	rank := slices.Index(catalogue.All.Fixes(), f.Rule)
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
