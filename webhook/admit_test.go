package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

const badPod = `
apiVersion: v1
kind: Pod
metadata: {name: bad}
spec:
  terminationGracePeriodSeconds: 30
  containers:
  - name: app
    image: i
    startupProbe: {httpGet: {path: /, port: nowhere}, failureThreshold: 9}
    readinessProbe: {exec: {command: [cat, /tmp/healthy]}}
    lifecycle: {preStop: {sleep: {seconds: 30}}}
`

const badDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: i
        startupProbe: {httpGet: {path: /, port: nowhere}, failureThreshold: 9}
        readinessProbe: {httpGet: {path: /, port: 80}}
`

// TestPassedUntouched: what is not podvet's to judge is admitted without patch, warning or audit annotation.
func TestPassedUntouched(t *testing.T) {
	operation := func(o admissionv1.Operation) func(*admissionv1.AdmissionRequest) {
		return func(r *admissionv1.AdmissionRequest) { r.Operation = o }
	}
	old := func(text string) func(*admissionv1.AdmissionRequest) {
		return func(r *admissionv1.AdmissionRequest) {
			r.Operation, r.OldObject = admissionv1.Update, runtime.RawExtension{Raw: objectOf(t, reviewOf(t, text))}
		}
	}
	sub := func(s string) func(*admissionv1.AdmissionRequest) {
		return func(r *admissionv1.AdmissionRequest) { r.SubResource = s }
	}
	none := func(r *admissionv1.AdmissionRequest) { r.Object.Raw = nil }
	owned := strings.Replace(badDeployment, "{name: web}", "{name: web, "+
		"ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: t, uid: u, controller: true}]}", 1)
	deleted := strings.Replace(badPod, "{name: bad}", "{name: bad, deletionTimestamp: '2026-01-01T00:00:00Z'}", 1)
	scaled := strings.Replace(badDeployment, "replicas: 1", "replicas: 5", 1)
	connect, update := operation(admissionv1.Connect), operation(admissionv1.Update)
	for name, review := range map[string][]byte{
		"delete":               reviewOf(t, badPod, operation(admissionv1.Delete), none),
		"connect":              reviewOf(t, "{apiVersion: v1, kind: PodExecOptions}", connect, sub("exec")),
		"unknown operation":    reviewOf(t, badPod, operation("PONDER")),
		"unknown kind":         reviewOf(t, "{apiVersion: v2, kind: Pod, spec: {containers: 7}}"),
		"ephemeral container":  reviewOf(t, badPod, old(badPod), sub("ephemeralcontainers")),
		"resize":               reviewOf(t, badPod, old(badPod), sub("resize")),
		"image-only update":    reviewOf(t, strings.Replace(badPod, "image: i", "image: j", 1), old(badPod)),
		"binding":              reviewOf(t, "{apiVersion: v1, kind: Binding}", sub("binding")),
		"eviction":             reviewOf(t, "{apiVersion: policy/v1, kind: Eviction}", sub("eviction")),
		"scale":                reviewOf(t, "{apiVersion: autoscaling/v1, kind: Scale}", update, sub("scale")),
		"same template":        reviewOf(t, scaled, old(badDeployment)),
		"template with owner":  reviewOf(t, owned),
		"pod being deleted":    reviewOf(t, deleted),
		"workload on /mutate":  nil,
		"controllerless RC":    reviewOf(t, "{apiVersion: v1, kind: ReplicationController, spec: {}}"),
		"custom kind, pod-ish": reviewOf(t, "{apiVersion: example.com/v1, kind: Pod}"),
	} {
		for _, path := range []string{"/mutate", "/validate"} {
			t.Run(name+path, func(t *testing.T) {
				if name == "workload on /mutate" {
					if path != "/mutate" {
						return
					}
					review = reviewOf(t, badDeployment)
				}
				want := &admissionv1.AdmissionResponse{UID: "the-uid", Allowed: true}
				if diff := cmp.Diff(want, ask(t, newTestHandler(t, ""), path, review)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestUpdateWithANewTemplateIsJudged(t *testing.T) {
	update := func(r *admissionv1.AdmissionRequest) {
		r.Operation, r.OldObject.Raw = admissionv1.Update, objectOf(t, reviewOf(t, badDeployment))
	}
	for _, change := range [][2]string{
		{"image: i", "image: j"},
		{"{app: web}}", "{app: web, v: \"2\"}}"},
		{"metadata: {labels: {app: web}}", "metadata: {labels: {app: web}, annotations: {a: b}}"},
	} {
		changed := strings.Replace(badDeployment, change[0], change[1], 1)
		answer := ask(t, newTestHandler(t, ""), "/validate", reviewOf(t, changed, update))
		if !slices.Contains(ids(answer.Warnings), "probe-port-unresolved") {
			t.Errorf("%s: warnings: %q", change[1], answer.Warnings)
		}
	}
}

func TestModesAndWorkloads(t *testing.T) {
	pod, deployment := reviewOf(t, badPod), reviewOf(t, badDeployment)
	const both = "exec-probe-short-timeout/app,prestop-exceeds-grace/app"
	for _, c := range []struct {
		policy            string
		patched           bool
		podAllowed        bool
		podWarned         bool
		deploymentAllowed bool
		deploymentWarned  bool
		fixed             string
	}{
		{"", true, false, true, true, true, both},
		{"mode: warn", true, true, true, true, true, both},
		{"mode: audit", false, true, false, true, false, "would fix " + both},
		{"mode: off", false, true, false, true, false, ""},
		{"fixes: false", false, false, true, true, true, ""},
		{"workloads: off", true, false, true, true, false, both},
		{"workloads: deny", true, false, true, false, false, both},
		{"profile: minimal\nrules: {prestop-exceeds-grace: {fix: true}}", true, false, false, true, true,
			"prestop-exceeds-grace/app"},
	} {
		t.Run(c.policy, func(t *testing.T) {
			h := newTestHandler(t, c.policy)
			mutated, validated := ask(t, h, "/mutate", pod), ask(t, h, "/validate", pod)
			template := ask(t, h, "/validate", deployment)
			fixed := mutated.AuditAnnotations["fixed"]
			if !mutated.Allowed || (len(mutated.Patch) > 0) != c.patched || fixed != c.fixed {
				t.Errorf("/mutate: patch %s, audit %v", mutated.Patch, mutated.AuditAnnotations)
			}
			if validated.Allowed != c.podAllowed || (len(validated.Warnings) > 0) != c.podWarned {
				t.Errorf("/validate of a pod: %+v", validated)
			}
			if template.Allowed != c.deploymentAllowed || (len(template.Warnings) > 0) != c.deploymentWarned {
				t.Errorf("/validate of a Deployment: %+v", template)
			}
		})
	}
}

// TestTemplatesAreJudgedAsFixed: a Deployment is not warned about what /mutate will repair in its pods.
func TestTemplatesAreJudgedAsFixed(t *testing.T) {
	sleepy := strings.NewReplacer("port: nowhere", "port: 80",
		"image: i\n", "image: i\n        lifecycle: {preStop: {sleep: {seconds: 30}}}\n").Replace(badDeployment)
	if answer := ask(t, newTestHandler(t, ""), "/validate", reviewOf(t, sleepy)); len(answer.Warnings) > 0 {
		t.Errorf("warned of %q", answer.Warnings)
	}
	answer := ask(t, newTestHandler(t, "fixes: false"), "/validate", reviewOf(t, sleepy))
	if !slices.Equal(ids(answer.Warnings), []string{"prestop-exceeds-grace"}) {
		t.Errorf("without fixes warned of %q", answer.Warnings)
	}
}

// TestInvalidPodsReachMutate: the API server's own validation comes after the mutating webhook.
func TestInvalidPodsReachMutate(t *testing.T) {
	const two = `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - {name: app, image: i, livenessProbe: %s, readinessProbe: {exec: {command: [x]}}}
  - {name: sound, image: i, readinessProbe: {exec: {command: [x]}}}
`
	for _, probe := range []string{
		"{}",
		"{httpGet: {port: 80}, tcpSocket: {port: 80}}",
		"{tcpSocket: {port: 80}, periodSeconds: -1}",
		"{tcpSocket: {port: 80}, failureThreshold: -2147483648}",
		"{exec: {command: []}, initialDelaySeconds: -5}",
		"{httpGet: {port: -7}}",
		"{grpc: {port: 0}}",
	} {
		answer := ask(t, newTestHandler(t, ""), "/mutate", reviewOf(t, fmt.Sprintf(two, probe)))
		patch := string(answer.Patch)
		if !answer.Allowed || !strings.Contains(patch, "/spec/containers/1/readinessProbe/timeoutSeconds") {
			t.Errorf("%s: %+v", probe, answer)
		}
		broken := !strings.Contains(probe, "port: -7") && !strings.Contains(probe, "port: 0")
		if broken && strings.Contains(patch, "/spec/containers/0") {
			t.Errorf("%s: patched the broken container: %s", probe, patch)
		}
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	pod := strings.Replace(badPod, "image: i", "image: i\n    fromTheFuture: {a: 1}", 1)
	pod = strings.Replace(pod, "failureThreshold: 9", "failureThreshold: 9, newKnob: true", 1) + "  futureField: [1]\n"
	raw := objectOf(t, reviewOf(t, pod))
	answer := ask(t, newTestHandler(t, ""), "/mutate", reviewOf(t, pod))
	if len(answer.Patch) == 0 {
		t.Fatal("no patch")
	}
	onlyTheNamedChanged(t, "unknown fields", raw, applyPatch(t, raw, answer.Patch), answer.Patch)
}

func TestGenerateName(t *testing.T) {
	pod := strings.Replace(badPod, "{name: bad}", "{generateName: bad-}", 1)
	answer := ask(t, newTestHandler(t, ""), "/mutate", reviewOf(t, pod))
	if !strings.Contains(string(answer.Patch), `{"op":"add","path":"/metadata/annotations",`+
		`"value":{"podvet.dev/fixed":"exec-probe-short-timeout/app,prestop-exceeds-grace/app"}}`) {
		t.Errorf("patch %s", answer.Patch)
	}
}

// TestReinvocation: the API server asks again when a later webhook has changed the pod; the record of the
// first pass stays.
func TestReinvocation(t *testing.T) {
	h := newTestHandler(t, "")
	first := ask(t, h, "/mutate", reviewOf(t, badPod))
	patched := applyPatch(t, objectOf(t, reviewOf(t, badPod)), first.Patch)
	injected := applyPatch(t, patched, []byte(`[{"op":"add","path":"/spec/containers/1",`+
		`"value":{"name":"late","image":"i","readinessProbe":{"exec":{"command":["x"]}}}}]`))
	second := ask(t, h, "/mutate", reviewOf(t, string(injected)))
	final := applyPatch(t, injected, second.Patch)
	var pod struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(final, &pod); err != nil {
		t.Fatal(err)
	}
	const want = "exec-probe-short-timeout/app,prestop-exceeds-grace/app,exec-probe-short-timeout/late"
	if got := pod.Metadata.Annotations[rules.FixedAnnotation]; got != want {
		t.Errorf("annotation %q", got)
	}
}

// TestScopesAtAdmission: the namespace of the request counts, whatever the object says.
func TestScopesAtAdmission(t *testing.T) {
	h := newTestHandler(t, `
scopes:
- match: {namespaces: [quiet], kinds: [Pod]}
  mode: "off"
- match: {kinds: [Deployment]}
  workloads: deny
`)
	inNamespace := func(name string) func(*admissionv1.AdmissionRequest) {
		return func(r *admissionv1.AdmissionRequest) { r.Namespace = name }
	}
	answer := ask(t, h, "/validate", reviewOf(t, badPod, inNamespace("quiet")))
	if !answer.Allowed || len(answer.Warnings) > 0 {
		t.Errorf("%+v", answer)
	}
	if answer := ask(t, h, "/mutate", reviewOf(t, badPod, inNamespace("quiet"))); answer.Patch != nil {
		t.Errorf("patched: %s", answer.Patch)
	}
	if answer := ask(t, h, "/validate", reviewOf(t, badPod, inNamespace("loud"))); answer.Allowed {
		t.Error("admitted")
	}
	if answer := ask(t, h, "/validate", reviewOf(t, badDeployment, inNamespace("quiet"))); answer.Allowed {
		t.Error("the Deployment is admitted")
	}
}

// TestNamespaceLabels are those of the request's namespace.
func TestNamespaceLabels(t *testing.T) {
	h := newTestHandler(t, "")
	cluster := noCluster
	cluster.NamespaceLabels = func(_ context.Context, name string, _ bool) (map[string]string, error) {
		if name == "unknown" {
			return nil, errors.New("nobody tells")
		}
		return map[string]map[string]string{"default": {policy.ModeLabel: "off"}}[name], nil
	}
	h.InCluster(cluster)
	if answer := ask(t, h, "/validate", reviewOf(t, badPod)); !answer.Allowed {
		t.Errorf("in a namespace with mode off: %+v", answer.Result)
	}
	elsewhere := func(r *admissionv1.AdmissionRequest) { r.Namespace = "elsewhere" }
	if answer := ask(t, h, "/validate", reviewOf(t, badPod, elsewhere)); answer.Allowed {
		t.Error("admitted in a namespace without labels")
	}
	for _, path := range []string{"/mutate", "/validate"} {
		unknown := func(r *admissionv1.AdmissionRequest) { r.Namespace = "unknown" }
		w := post(h, path, reviewOf(t, badPod, unknown))
		const says = "podvet: the labels of the namespace are not known: nobody tells\n"
		if w.Code != http.StatusServiceUnavailable || w.Body.String() != says {
			t.Errorf("%s in a namespace of unknown labels: HTTP %d: %s", path, w.Code, w.Body)
		}
	}
}

// TestLabelsThatAreNeeded: namespaces are asked for where the policy depends on their labels, and only there.
func TestLabelsThatAreNeeded(t *testing.T) {
	for text, want := range map[string]bool{
		"":                       true, // the label may set any mode
		"namespaceModes: false":  false,
		"namespaceModes: [warn]": true,
		"namespaceModes: false\nscopes: [{match: {namespaces: [a]}, namespaceModes: [audit]}]":              true,
		"namespaceModes: false\nscopes: [{match: {namespaces: [a]}, mode: audit}]":                          false,
		"namespaceModes: false\nscopes: [{match: {namespaceSelector: {matchLabels: {a: b}}}, mode: audit}]": true,
		"namespaceModes: false\nscopes: [{match: {podSelector: {matchLabels: {a: b}}}, mode: audit}]":       false,
		"namespaceModes: false\nexemptions: [{rules: [bare-pod], reason: r, match: {namespaceSelector: " +
			"{matchExpressions: [{key: a, operator: Exists}]}}}]": true,
	} {
		h := newTestHandler(t, text)
		var asked []bool
		cluster := noCluster
		cluster.NamespaceLabels = func(_ context.Context, _ string, needed bool) (map[string]string, error) {
			asked = append(asked, needed)
			return nil, nil
		}
		h.InCluster(cluster)
		ask(t, h, "/validate", reviewOf(t, badPod))
		if len(asked) != 1 || asked[0] != want {
			t.Errorf("%s: needed %v", text, asked)
		}
	}
}
