package webhook

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// asRollout is a Deployment as a Rollout: what is below the two is the same.
var asRollout = strings.NewReplacer("apps/v1", "argoproj.io/v1alpha1", "kind: Deployment", "kind: Rollout")

const badRay = `
apiVersion: ray.io/v1
kind: RayCluster
metadata: {generateName: ray-}
spec:
  headGroupSpec:
    template: {spec: {containers: [{name: head, image: i, ports: [{containerPort: 80}]}]}}
  workerGroupSpecs:
  - groupName: fine
    template: {spec: {containers: [{name: fine, image: i}]}}
  - groupName: odd
    template: "{{ what is no template is left to the schema }}"
  - groupName: bad
    template:
      metadata: {labels: {team: a}}
      spec: {containers: [{name: bad, image: i, startupProbe: {httpGet: {path: /, port: nowhere}}}]}
`

const badJobSet = `
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: jobs}
spec:
  replicatedJobs:
  - name: a
    template: {spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: c, image: i}]}}}}
`

func updateFrom(t *testing.T, text string) func(*admissionv1.AdmissionRequest) {
	t.Helper()
	return func(r *admissionv1.AdmissionRequest) {
		r.Operation, r.OldObject = admissionv1.Update, runtime.RawExtension{Raw: objectOf(t, reviewOf(t, text))}
	}
}

// TestCustomResourcesAreWarnedAbout: whatever the policy says of workloads, a custom resource is not refused; that its
// pods will be is said where these belong to a kind of Kubernetes' own.
func TestCustomResourcesAreWarnedAbout(t *testing.T) {
	const denied = "podvet will refuse these pods: "
	rollout := asRollout.Replace(badDeployment)
	for _, c := range []struct {
		name, policy, object string
		warnings             []string // how they begin, and their rules
	}{
		{"as built in", "", rollout, []string{denied + "probe-port-unresolved"}},
		{"workloads: deny", "workloads: deny", rollout, []string{denied + "probe-port-unresolved"}},
		{"workloads: off", "workloads: off", rollout, nil},
		{"ownedPods: warn", "ownedPods: warn", rollout, []string{"podvet: probe-port-unresolved"}},
		// Its ReplicaSets are refused: they are workloads, and nobody else judges them.
		{"workloads: deny, ownedPods: warn", "workloads: deny\nownedPods: warn", rollout,
			[]string{denied + "probe-port-unresolved"}},
		{"mode: warn", "mode: warn", rollout, []string{"podvet: probe-port-unresolved"}},
		{"mode: audit", "mode: audit", rollout, nil},
		{"a scope of the kind", "scopes: [{match: {kinds: [Rollout]}, rules: {probe-port-unresolved: {level: audit}}}]",
			rollout, nil},
		{"a scope of another kind", "scopes: [{match: {kinds: [Deployment]}, mode: \"off\"}]",
			rollout, []string{denied + "probe-port-unresolved"}},
		{"a CloneSet", "",
			strings.NewReplacer("argoproj.io", "apps.kruise.io", "Rollout", "CloneSet").Replace(rollout),
			[]string{"podvet: probe-port-unresolved"}},
		{"several templates", "", badRay, []string{"podvet: probe-port-unresolved"}},
		{"a scope by the template's labels",
			"scopes: [{match: {podSelector: {matchLabels: {team: a}}}, mode: \"off\"}]",
			badRay, nil},
		{"of the policy", "templates: [{apiVersion: example.com/v1, kind: Shop, path: \"spec.*\", like: Deployment}]",
			strings.NewReplacer("argoproj.io/v1alpha1", "example.com/v1", "Rollout", "Shop").Replace(rollout),
			[]string{"podvet: probe-port-unresolved"}},
		// By what they are when they are created its pods are a Job's.
		{"a JobSet", "rules: {restart-policy-not-allowed: {params: {allowed: {JobSet: [Never]}}}}", badJobSet,
			[]string{"podvet: restart-policy-not-allowed"}},
		{"a JobSet and its Jobs",
			"rules: {restart-policy-not-allowed: {params: {allowed: {JobSet: [Never], Job: [Never]}}}}", badJobSet,
			[]string{denied + "restart-policy-not-allowed"}},
		{"a JobSet, and its Jobs in mode warn",
			"rules: {restart-policy-not-allowed: {params: {allowed: {JobSet: [Never], Job: [Never]}}}}\n" +
				"scopes: [{match: {kinds: [Job]}, mode: warn}]", badJobSet,
			[]string{"podvet: restart-policy-not-allowed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newTestHandler(t, c.policy)
			answer := ask(t, h, "/validate", reviewOf(t, c.object))
			var got []string
			for _, line := range answer.Warnings {
				begins := line[:strings.Index(line, ": ")+len(": ")]
				got = append(got, begins+line[strings.LastIndex(line, "[")+1:len(line)-1])
			}
			if diff := cmp.Diff(c.warnings, got); diff != "" || !answer.Allowed {
				t.Errorf("allowed %t (-want +got):\n%s", answer.Allowed, diff)
			}
			if mutated := ask(t, h, "/mutate", reviewOf(t, c.object)); mutated.Patch != nil || mutated.Warnings != nil {
				t.Errorf("/mutate: %+v", mutated)
			}
		})
	}
}

// TestCustomResourcesPassedUntouched: what has no new template is admitted in silence.
func TestCustomResourcesPassedUntouched(t *testing.T) {
	rollout := asRollout.Replace(badDeployment)
	deleted := strings.Replace(rollout, "{name: web}", "{name: web, deletionTimestamp: '2026-01-01T00:00:00Z'}", 1)
	for name, review := range map[string][]byte{
		"same template": reviewOf(t, strings.Replace(rollout, "replicas: 1", "replicas: 5", 1), updateFrom(t, rollout)),
		"same templates": reviewOf(t, strings.Replace(badRay, "groupName: fine", "groupName: good", 1),
			updateFrom(t, badRay)),
		"being deleted": reviewOf(t, deleted),
		"status":        reviewOf(t, rollout, func(r *admissionv1.AdmissionRequest) { r.SubResource = "status" }),
		"delete":        reviewOf(t, rollout, func(r *admissionv1.AdmissionRequest) { r.Operation = "DELETE" }),
		"workloadRef": reviewOf(t, "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: a}, "+
			"spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: a}}}"),
		"null":        reviewOf(t, "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, spec: {template: null}}"),
		"no template": reviewOf(t, "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, spec: [template]}"),
	} {
		t.Run(name, func(t *testing.T) {
			answer := ask(t, newTestHandler(t, ""), "/validate", review)
			if !answer.Allowed || len(answer.Warnings) > 0 {
				t.Errorf("%+v", answer)
			}
		})
	}
}

// TestOneNewTemplate: of several templates only the one that an update changes is judged.
func TestOneNewTemplate(t *testing.T) {
	before := strings.Replace(badRay, "name: fine, image: i", "name: fine, image: i, "+
		"startupProbe: {httpGet: {path: /, port: nowhere}}", 1)
	changed := strings.Replace(before, "name: bad, image: i", "name: bad, image: j", 1)
	answer := ask(t, newTestHandler(t, ""), "/validate", reviewOf(t, changed, updateFrom(t, before)))
	if len(answer.Warnings) != 1 || !strings.Contains(answer.Warnings[0], `container "bad"`) {
		t.Errorf("%q", answer.Warnings)
	}
}

// TestLargeCustomResource: of an object of thousands of templates, which nobody writes, the first are judged.
func TestLargeCustomResource(t *testing.T) {
	var text strings.Builder
	text.WriteString("apiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: r}\nspec: {workerGroupSpecs: [")
	for i := range 5000 {
		fmt.Fprintf(&text, "{template: {spec: {containers: [{name: c%d, image: i, "+
			"startupProbe: {httpGet: {path: /, port: nowhere}}}]}}},\n", i)
	}
	text.WriteString("]}")
	answer := ask(t, newTestHandler(t, ""), "/validate", reviewOf(t, text.String()))
	if last := answer.Warnings[len(answer.Warnings)-1]; last != "podvet: 990 more warnings" {
		t.Errorf("%q", last)
	}
	if n := len(answer.AuditAnnotations["findings"]); n > 10_000 {
		t.Errorf("an audit annotation of %d bytes", n)
	}
}

// TestValue: a value is read as encoding/json reads it, and what is asked of another form has nothing.
func TestValue(t *testing.T) {
	v := value(`{"a": "é", "n": null, "list": [1, {"b": []}, "x"], "a": "last"}`)
	if text := v.Text("a"); text != "last" {
		t.Errorf("a is %q", text)
	}
	if _, is := v.Field("n"); is {
		t.Error("null is a value")
	}
	list, _ := v.Field("list")
	var items []string
	for item := range list.Entries {
		items = append(items, string(item))
	}
	if want := []string{"1", `{"b": []}`, `"x"`}; !slices.Equal(items, want) {
		t.Errorf("%q", items)
	}
	for _, other := range []value{v, nil, value("7"), value("null")} {
		for item := range other.Entries {
			t.Errorf("%s has the entry %s", other, item)
		}
	}
	if list.Text("a") != "" {
		t.Error("a list has a field")
	}
}
