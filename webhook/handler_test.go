package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
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

func ids(lines []string) []string {
	var list []string
	for _, line := range lines {
		list = append(list, line[strings.LastIndex(line, "[")+1:len(line)-1])
	}
	return list
}

func TestRecordedReviews(t *testing.T) {
	for _, c := range []struct {
		file     string
		patch    string // of /mutate
		warnings []string
	}{
		{"001-Deployment-CREATE", "", []string{"liveness-without-readiness", "no-readiness-probe", "no-startup-probe"}},
		{"002-Job-CREATE", "", nil},
		{"003-Pod-CREATE", "", []string{"no-readiness-probe"}},
		{"004-Pod-CREATE", "", []string{"no-readiness-probe", "no-readiness-probe"}},
		{"005-Pod-CREATE", "", nil},
		{"006-ReplicaSet-CREATE", "", nil}, // its Deployment was judged
		{"007-Pod-CREATE", "", []string{"liveness-without-readiness", "no-readiness-probe", "no-startup-probe"}},
		{"008-Pod-CREATE", "", []string{"liveness-without-readiness", "no-readiness-probe", "no-startup-probe"}},
		{"009-Pod-CREATE", `[{"op":"add","path":"/spec/containers/0/startupProbe","value":{"httpGet":{"path":"/healthz","port":"admin","scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":3,"successThreshold":1,"failureThreshold":101}},` +
			`{"op":"add","path":"/metadata/annotations","value":{"podvet.dev/fixed":"no-startup-probe/app"}}]`, []string{"no-readiness-probe", "no-startup-probe"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			review, err := os.ReadFile("testdata/reviews/" + c.file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			h := newTestHandler(t, "")
			mutated := ask(t, h, "/mutate", review)
			if string(mutated.Patch) != c.patch {
				t.Errorf("patch %s, want %s", mutated.Patch, c.patch)
			}
			validated := ask(t, h, "/validate", review)
			if !validated.Allowed || len(validated.Patch) > 0 {
				t.Errorf("/validate: allowed %v, patch %s", validated.Allowed, validated.Patch)
			}
			if diff := cmp.Diff(c.warnings, ids(validated.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			var sent admissionv1.AdmissionReview
			if err := json.Unmarshal(review, &sent); err != nil {
				t.Fatal(err)
			}
			if mutated.UID != sent.Request.UID || validated.UID != sent.Request.UID {
				t.Errorf("uids %s and %s, want %s", mutated.UID, validated.UID, sent.Request.UID)
			}
		})
	}
}

// TestCannotJudge: a plain HTTP error without a review, so that failurePolicy decides.
func TestCannotJudge(t *testing.T) {
	big := append([]byte(`{"x":"`), bytes.Repeat([]byte("x"), maxBody)...)
	v1beta1 := bytes.Replace(reviewOf(t, badPod), []byte("admission.k8s.io/v1"), []byte("admission.k8s.io/v1beta1"), 1)
	for _, c := range []struct {
		name string
		body []byte
		code int
		text string
	}{
		{"not JSON", []byte("hello"), 400, "no AdmissionReview"},
		{"empty", nil, 400, "no AdmissionReview"},
		{"cut off", reviewOf(t, badPod)[:200], 400, "no AdmissionReview"},
		{"another kind", []byte(`{"apiVersion":"v1","kind":"Pod"}`), 400, `"Pod" of "v1"`},
		{"no request", []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`), 400, "no request"},
		{"v1beta1", v1beta1, 400, "list v1 in the webhook's admissionReviewVersions"},
		{"too long", big, 413, "over 7340032 bytes"},
		{"no object", reviewOf(t, badPod, func(r *admissionv1.AdmissionRequest) { r.Object.Raw = nil }), 400, "no object"},
		{"object of a wrong shape", reviewOf(t, "{apiVersion: v1, kind: Pod, spec: {containers: 7}}"), 400, "cannot be read"},
	} {
		for _, path := range []string{"/mutate", "/validate"} {
			t.Run(c.name+path, func(t *testing.T) {
				h := newTestHandler(t, "")
				w := post(h, path, c.body)
				if w.Code != c.code || !strings.Contains(w.Body.String(), c.text) || strings.Contains(w.Body.String(), "AdmissionReview\":") {
					t.Errorf("HTTP %d %s, want %d %s", w.Code, w.Body, c.code, c.text)
				}
				if got := testutil.ToFloat64(h.metrics.reviews.WithLabelValues(path[1:], "error")); got != 1 {
					t.Errorf("%v errors counted", got)
				}
			})
		}
	}
	t.Run("length unknown and too long", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodPost, "/mutate", bytes.NewReader(big))
		r.ContentLength = -1
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		w := httptest.NewRecorder()
		newTestHandler(t, "").ServeHTTP(w, r)
		if w.Code != 413 {
			t.Errorf("HTTP %d", w.Code)
		}
	})
	t.Run("length unknown", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodPost, "/validate", bytes.NewReader(reviewOf(t, badPod)))
		r.ContentLength = -1
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		newTestHandler(t, "").ServeHTTP(w, r)
		if w.Code != 200 || !strings.Contains(w.Body.String(), "probe-port-unresolved") {
			t.Errorf("HTTP %d: %s", w.Code, w.Body)
		}
	})
	t.Run("content type", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodPost, "/mutate", strings.NewReader("{}"))
		w := httptest.NewRecorder()
		newTestHandler(t, "").ServeHTTP(w, r)
		if w.Code != 415 {
			t.Errorf("HTTP %d", w.Code)
		}
	})
	t.Run("GET", func(t *testing.T) {
		w := httptest.NewRecorder()
		newTestHandler(t, "").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/validate", nil))
		if w.Code != 405 {
			t.Errorf("HTTP %d", w.Code)
		}
	})
}

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
	owned := strings.Replace(badDeployment, "{name: web}", "{name: web, ownerReferences: [{apiVersion: x/v1, kind: Thing, name: t, uid: u, controller: true}]}", 1)
	for name, review := range map[string][]byte{
		"delete":               reviewOf(t, badPod, operation(admissionv1.Delete), func(r *admissionv1.AdmissionRequest) { r.Object.Raw = nil }),
		"connect":              reviewOf(t, "{apiVersion: v1, kind: PodExecOptions}", operation(admissionv1.Connect), sub("exec")),
		"unknown operation":    reviewOf(t, badPod, operation("PONDER")),
		"unknown kind":         reviewOf(t, "{apiVersion: v2, kind: Pod, spec: {containers: 7}}"),
		"ephemeral container":  reviewOf(t, badPod, old(badPod), sub("ephemeralcontainers")),
		"resize":               reviewOf(t, badPod, old(badPod), sub("resize")),
		"image-only update":    reviewOf(t, strings.Replace(badPod, "image: i", "image: j", 1), old(badPod)),
		"binding":              reviewOf(t, "{apiVersion: v1, kind: Binding}", sub("binding")),
		"eviction":             reviewOf(t, "{apiVersion: policy/v1, kind: Eviction}", sub("eviction")),
		"scale":                reviewOf(t, "{apiVersion: autoscaling/v1, kind: Scale}", operation(admissionv1.Update), sub("scale")),
		"same template":        reviewOf(t, strings.Replace(badDeployment, "replicas: 1", "replicas: 5", 1), old(badDeployment)),
		"template with owner":  reviewOf(t, owned),
		"pod being deleted":    reviewOf(t, strings.Replace(badPod, "{name: bad}", "{name: bad, deletionTimestamp: '2026-01-01T00:00:00Z'}", 1)),
		"workload on /mutate":  nil,
		"controllerless RC":    reviewOf(t, "{apiVersion: v1, kind: ReplicationController, metadata: {name: x}, spec: {}}"),
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
	for _, change := range [][2]string{{"image: i", "image: j"}, {"{app: web}}", "{app: web, v: \"2\"}}"}, {"metadata: {labels: {app: web}}", "metadata: {labels: {app: web}, annotations: {a: b}}"}} {
		changed := strings.Replace(badDeployment, change[0], change[1], 1)
		answer := ask(t, newTestHandler(t, ""), "/validate", reviewOf(t, changed, func(r *admissionv1.AdmissionRequest) {
			r.Operation, r.OldObject.Raw = admissionv1.Update, objectOf(t, reviewOf(t, badDeployment))
		}))
		if !slices.Contains(ids(answer.Warnings), "probe-port-unresolved") {
			t.Errorf("%s: warnings: %q", change[1], answer.Warnings)
		}
	}
}

func TestDenialListsEveryDenyFinding(t *testing.T) {
	two := badPod + "  - name: other\n    image: i\n    readinessProbe: {tcpSocket: {port: web}}\n"
	answer := ask(t, newTestHandler(t, ""), "/validate", reviewOf(t, two))
	want := `container "app": startupProbe names port "nowhere", which is not declared: it errs for ever and is never started: declare it here or write a number [probe-port-unresolved]` + "\n" +
		`container "other": readinessProbe names port "web", which is not declared: it errs for ever and is never ready: declare it here or write a number [probe-port-unresolved]`
	if answer.Allowed || answer.Result.Message != want || answer.Result.Code != 403 || answer.Result.Reason != metav1.StatusReasonForbidden {
		t.Errorf("%v %+v", answer.Allowed, answer.Result)
	}
	if got := ids(answer.Warnings); !slices.Contains(got, "prestop-exceeds-grace") || slices.Contains(got, "probe-port-unresolved") {
		t.Errorf("warnings %q", answer.Warnings)
	}
	wantAudit := map[string]string{"policy": policy.Default().Hash,
		"findings": "deny probe-port-unresolved/app,deny probe-port-unresolved/other,warn exec-probe-short-timeout/app,warn prestop-exceeds-grace/app,audit bare-pod/"}
	if diff := cmp.Diff(wantAudit, answer.AuditAnnotations); diff != "" {
		t.Errorf("audit annotations (-want +got):\n%s", diff)
	}
}

func TestModesAndWorkloads(t *testing.T) {
	pod, deployment := reviewOf(t, badPod), reviewOf(t, badDeployment)
	for _, c := range []struct {
		policy            string
		patched           bool
		podAllowed        bool
		podWarned         bool
		deploymentAllowed bool
		deploymentWarned  bool
		fixed             string
	}{
		{"", true, false, true, true, true, "exec-probe-short-timeout/app,prestop-exceeds-grace/app"},
		{"mode: warn", true, true, true, true, true, "exec-probe-short-timeout/app,prestop-exceeds-grace/app"},
		{"mode: audit", false, true, false, true, false, "would fix exec-probe-short-timeout/app,prestop-exceeds-grace/app"},
		{"mode: off", false, true, false, true, false, ""},
		{"fixes: false", false, false, true, true, true, ""},
		{"workloads: off", true, false, true, true, false, "exec-probe-short-timeout/app,prestop-exceeds-grace/app"},
		{"workloads: deny", true, false, true, false, false, "exec-probe-short-timeout/app,prestop-exceeds-grace/app"},
		{"{profile: minimal, rules: {prestop-exceeds-grace: {fix: true}}}", true, false, false, true, true, "prestop-exceeds-grace/app"},
	} {
		t.Run(c.policy, func(t *testing.T) {
			h := newTestHandler(t, strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(c.policy, ", rules", "\nrules"), "{"), "}"))
			mutated, validated, template := ask(t, h, "/mutate", pod), ask(t, h, "/validate", pod), ask(t, h, "/validate", deployment)
			if !mutated.Allowed || (len(mutated.Patch) > 0) != c.patched || mutated.AuditAnnotations["fixed"] != c.fixed {
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
	sleepy := strings.Replace(strings.Replace(badDeployment, "port: nowhere", "port: 80", 1), "image: i\n", "image: i\n        lifecycle: {preStop: {sleep: {seconds: 30}}}\n", 1)
	if answer := ask(t, newTestHandler(t, ""), "/validate", reviewOf(t, sleepy)); len(answer.Warnings) > 0 {
		t.Errorf("warned of %q", answer.Warnings)
	}
	if answer := ask(t, newTestHandler(t, "fixes: false"), "/validate", reviewOf(t, sleepy)); !slices.Equal(ids(answer.Warnings), []string{"prestop-exceeds-grace"}) {
		t.Errorf("without fixes warned of %q", answer.Warnings)
	}
}

// TestInvalidPodsReachMutate: the API server's own validation comes after the mutating webhook.
func TestInvalidPodsReachMutate(t *testing.T) {
	for _, probe := range []string{"{}", "{httpGet: {port: 80}, tcpSocket: {port: 80}}", "{tcpSocket: {port: 80}, periodSeconds: -1}",
		"{tcpSocket: {port: 80}, failureThreshold: -2147483648}", "{exec: {command: []}, initialDelaySeconds: -5}", "{httpGet: {port: -7}}", "{grpc: {port: 0}}"} {
		pod := fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: app, image: i, livenessProbe: %s, readinessProbe: {exec: {command: [x]}}}\n"+
			"  - {name: sound, image: i, readinessProbe: {exec: {command: [x]}}}\n", probe)
		answer := ask(t, newTestHandler(t, ""), "/mutate", reviewOf(t, pod))
		if !answer.Allowed || !strings.Contains(string(answer.Patch), "/spec/containers/1/readinessProbe/timeoutSeconds") {
			t.Errorf("%s: %+v", probe, answer)
		}
		if broken := !strings.Contains(probe, "port: -7") && !strings.Contains(probe, "port: 0"); broken && strings.Contains(string(answer.Patch), "/spec/containers/0") {
			t.Errorf("%s: patched the broken container: %s", probe, answer.Patch)
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
	if !strings.Contains(string(answer.Patch), `{"op":"add","path":"/metadata/annotations","value":{"podvet.dev/fixed":"exec-probe-short-timeout/app,prestop-exceeds-grace/app"}}`) {
		t.Errorf("patch %s", answer.Patch)
	}
}

// TestReinvocation: the API server asks again when a later webhook has changed the pod; the record of the
// first pass stays.
func TestReinvocation(t *testing.T) {
	h := newTestHandler(t, "")
	first := ask(t, h, "/mutate", reviewOf(t, badPod))
	patched := applyPatch(t, objectOf(t, reviewOf(t, badPod)), first.Patch)
	injected := applyPatch(t, patched, []byte(`[{"op":"add","path":"/spec/containers/1","value":{"name":"late","image":"i","readinessProbe":{"exec":{"command":["x"]}}}}]`))
	second := ask(t, h, "/mutate", reviewOf(t, string(injected)))
	final := applyPatch(t, injected, second.Patch)
	var pod struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(final, &pod); err != nil {
		t.Fatal(err)
	}
	if got := pod.Metadata.Annotations[rules.FixedAnnotation]; got != "exec-probe-short-timeout/app,prestop-exceeds-grace/app,exec-probe-short-timeout/late" {
		t.Errorf("annotation %q", got)
	}
}

func TestDryRunLeavesNoTrace(t *testing.T) {
	h := newTestHandler(t, "")
	dry := func(r *admissionv1.AdmissionRequest) { yes := true; r.DryRun = &yes }
	for _, path := range []string{"/mutate", "/validate"} {
		if diff := cmp.Diff(ask(t, newTestHandler(t, ""), path, reviewOf(t, badPod)), ask(t, h, path, reviewOf(t, badPod, dry))); diff != "" {
			t.Errorf("%s (-for real +dry run):\n%s", path, diff)
		}
	}
	if n := testutil.CollectAndCount(h.metrics.findings) + testutil.CollectAndCount(h.metrics.fixes); n != 0 {
		t.Errorf("%d findings and fixes counted", n)
	}
}

func TestWarningsAreFewAndClean(t *testing.T) {
	var pod strings.Builder
	pod.WriteString("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n")
	for i := range 14 {
		fmt.Fprintf(&pod, "  - {name: %q, image: i}\n", strings.Repeat("x", 60)+fmt.Sprintf("\n\t%d", i))
	}
	answer := ask(t, newTestHandler(t, ""), "/validate", reviewOf(t, pod.String()))
	if len(answer.Warnings) != maxWarnings+1 || answer.Warnings[maxWarnings] != "podvet: 4 more warnings" {
		t.Fatalf("%d warnings, last %q", len(answer.Warnings), answer.Warnings[len(answer.Warnings)-1])
	}
	for _, warning := range answer.Warnings {
		if len(warning) > 256 || strings.ContainsFunc(warning, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%d bytes: %q", len(warning), warning)
		}
	}
}

// TestPanicIsOne500: a rule that panics costs one review, not the server.
func TestPanicIsOne500(t *testing.T) {
	var log bytes.Buffer
	h := NewHandler(policy.Default(), 1, slog.New(slog.NewTextHandler(&log, nil)))
	h.mux.Handle("POST /panic", h.endpoint("validate", func(context.Context, *request, *policy.Policy) (verdict, error) { panic("a rule's bug") }))
	for range 2 { // the slot must be given back
		w := post(h, "/panic", reviewOf(t, badPod))
		if w.Code != 500 || strings.Contains(w.Body.String(), "AdmissionReview") {
			t.Fatalf("HTTP %d: %s", w.Code, w.Body)
		}
	}
	if got := testutil.ToFloat64(h.metrics.panics); got != 2 {
		t.Errorf("%v panics counted", got)
	}
	for _, want := range []string{"a rule's bug", "name=bad", "handler_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, log.String())
		}
	}
	if answer := ask(t, h, "/validate", reviewOf(t, badPod)); answer.Allowed {
		t.Error("the next review is not judged")
	}
}

func TestTooManyReviews(t *testing.T) {
	h := NewHandler(policy.Default(), 1, slog.New(slog.DiscardHandler))
	judging, goOn := make(chan bool), make(chan bool)
	h.mux.Handle("POST /slow", h.endpoint("validate", func(context.Context, *request, *policy.Policy) (verdict, error) {
		judging <- true
		<-goOn
		return verdict{}, nil
	}))
	done := make(chan int)
	go func() { done <- post(h, "/slow", reviewOf(t, badPod)).Code }()
	<-judging
	w := post(h, "/validate", reviewOf(t, badPod))
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("HTTP %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	goOn <- true
	if code := <-done; code != 200 {
		t.Errorf("the one that was judged: HTTP %d", code)
	}
	if answer := ask(t, h, "/validate", reviewOf(t, badPod)); answer.Allowed {
		t.Error("not judged once there is room")
	}
}

// TestPolicyChangesUnderLoad: each review sees one policy, whole. Run with -race.
func TestPolicyChangesUnderLoad(t *testing.T) {
	strict, off := newTestHandler(t, "profile: strict").policy.Load(), newTestHandler(t, "mode: off").policy.Load()
	h := newTestHandler(t, "mode: off")
	review := reviewOf(t, badPod)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				answer := ask(t, h, "/validate", review)
				switch answer.AuditAnnotations["policy"] {
				case strict.Hash:
					if answer.Allowed {
						t.Error("strict admits")
					}
				case off.Hash:
					if !answer.Allowed || len(answer.Warnings) > 0 {
						t.Error("off judges")
					}
				default:
					t.Errorf("unknown policy %v", answer.AuditAnnotations)
				}
			}
		})
	}
	for i := range 200 {
		h.SetPolicy([]*policy.Policy{strict, off}[i%2], "file")
	}
	wg.Wait()
}

// TestGenerateNameIsLogged: a pod that has no name yet is told by what it will be named from.
func TestGenerateNameIsLogged(t *testing.T) {
	var log bytes.Buffer
	h := NewHandler(policy.Default(), 0, slog.New(slog.NewTextHandler(&log, nil)))
	h.mux.Handle("POST /panic", h.endpoint("validate", func(ctx context.Context, r *request, p *policy.Policy) (verdict, error) {
		_, err := h.validate(ctx, r, p)
		panic(err)
	}))
	post(h, "/panic", reviewOf(t, strings.Replace(badPod, "{name: bad}", "{generateName: bad-}", 1)))
	if !strings.Contains(log.String(), "name=bad-") {
		t.Errorf("the log: %s", log.String())
	}
}

// TestBacklog: in warn and audit mode the log and the metrics say what would be refused, once for each pod.
func TestBacklog(t *testing.T) {
	for mode, counted := range map[string]string{"warn": "warn", "audit": "audit", "enforce": ""} {
		var log bytes.Buffer
		h := newTestHandler(t, "mode: "+mode+"\nexemptions: [{rules: [bare-pod], reason: \"a test, no more\"}]")
		h.log = slog.New(slog.NewJSONHandler(&log, nil))
		ask(t, h, "/mutate", reviewOf(t, badPod))
		ask(t, h, "/validate", reviewOf(t, badPod))
		ask(t, h, "/validate", reviewOf(t, badDeployment)) // its pods will tell
		want := ""
		if counted != "" {
			want = `"level":"INFO","msg":"findings","namespace":"default","name":"bad","kind":"Pod","mode":"` + mode +
				`","findings":["audit bare-pod/ (exempt: a test; no more)","warn exec-probe-short-timeout/app","deny probe-port-unresolved/app","warn prestop-exceeds-grace/app"]}` + "\n"
		}
		_, got, _ := strings.Cut(log.String(), ",")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the log (-want +got):\n%s", mode, diff)
		}
		for object, level := range map[string]string{"pod": "deny", "template": "warn"} { // workloads: warn caps the template's
			if n := testutil.ToFloat64(h.metrics.findings.WithLabelValues("default", "probe-port-unresolved", level, mode, object)); n != 1 {
				t.Errorf("%s: %v findings of a %s would be %s", mode, n, object, level)
			}
		}
	}
}

// TestNamespacesAreBounded: a cluster that makes a namespace for each test fills no memory.
func TestNamespacesAreBounded(t *testing.T) {
	m := newMetrics()
	for range 2 {
		for i := range maxNamespaces {
			if name := fmt.Sprint("n-", i); m.namespace(name) != name {
				t.Fatalf("%s has no series of its own", name)
			}
		}
	}
	if got := m.namespace("one-more"); got != "_other" {
		t.Errorf("%s", got)
	}
}

// TestScopesAtAdmission: the namespace of the request counts, whatever the object says.
func TestScopesAtAdmission(t *testing.T) {
	h := newTestHandler(t, "scopes:\n- match: {namespaces: [quiet], kinds: [Pod]}\n  mode: \"off\"\n- match: {kinds: [Deployment]}\n  workloads: deny\n")
	inNamespace := func(name string) func(*admissionv1.AdmissionRequest) {
		return func(r *admissionv1.AdmissionRequest) { r.Namespace = name }
	}
	if answer := ask(t, h, "/validate", reviewOf(t, badPod, inNamespace("quiet"))); !answer.Allowed || len(answer.Warnings) > 0 {
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

// TestNoPolicyYet is the API server's to decide, by failurePolicy.
func TestNoPolicyYet(t *testing.T) {
	h := NewHandler(nil, 0, slog.New(slog.DiscardHandler))
	if w := post(h, "/validate", reviewOf(t, badPod)); w.Code != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d: %s", w.Code, w.Body)
	}
}

func policyReview(t *testing.T, text string) []byte {
	t.Helper()
	return reviewOf(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: podvet-policy}\ndata:\n  policy.yaml: |\n    "+strings.ReplaceAll(text, "\n", "\n    ")+"\n")
}

func TestVetPolicy(t *testing.T) {
	h := newTestHandler(t, "")
	const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"
	for _, c := range []struct {
		name, text string
		refusal    string
		warnings   []string
	}{
		{"good", header + "profile: strict", "", nil},
		{"mistakes", header + "profil: strict\nmode: on", "policy.yaml:3: profil: unknown key (did you mean profile?)\npolicy.yaml:4: mode: is \"on\": write enforce, warn, audit or off", nil},
		{"unknown rule", header + "rules: {bare-pots: {level: warn}}", "", []string{"policy.yaml:3: rules.bare-pots: there is no such rule (did you mean bare-pod?): podvet rules lists them"}},
		{"worth a second look", header + "rules: {bare-pod: {level: audit}}\nexemptions:\n- {rules: [bare-pod], reason: r, expires: 2020-01-01}", "",
			[]string{"policy.yaml:3: rules.bare-pod.level: audit is already its level in the profile recommended: remove this",
				"policy.yaml:5: exemptions[0].expires: has expired on 2020-01-01: its findings are warnings now: remove the exemption, or write a later day"}},
		{"empty", "", "policy.yaml: is empty: write apiVersion: podvet.dev/v1alpha1 and kind: Policy", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := ask(t, h, "/validate-policy", policyReview(t, c.text))
			message := ""
			if answer.Result != nil {
				message = answer.Result.Message
			}
			if answer.Allowed != (c.refusal == "") || message != c.refusal {
				t.Errorf("allowed %v: %s", answer.Allowed, message)
			}
			if diff := cmp.Diff(c.warnings, answer.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
	if answer := ask(t, h, "/validate-policy", reviewOf(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {policy: x}\n")); answer.Allowed || answer.Result.Message != "the ConfigMap has no key policy.yaml: write the policy under it" {
		t.Errorf("%+v", answer)
	}
	if answer := ask(t, h, "/validate-policy", reviewOf(t, badPod)); !answer.Allowed {
		t.Errorf("a pod: %+v", answer)
	}
}

func TestMetrics(t *testing.T) {
	h := newTestHandler(t, "")
	ask(t, h, "/mutate", reviewOf(t, badPod))
	ask(t, h, "/validate", reviewOf(t, badPod))
	w := httptest.NewRecorder()
	h.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`podvet_reviews_total{decision="patched",endpoint="mutate"} 1`,
		`podvet_reviews_total{decision="denied",endpoint="validate"} 1`,
		`podvet_findings_total{level="deny",mode="enforce",namespace="default",object="pod",rule="probe-port-unresolved"} 1`,
		`podvet_policy_info{hash="` + policy.Default().Hash + `",source="default"} 1`,
		`podvet_policy_expired_exemptions 0`,
		`podvet_fixes_total{applied="true",rule="prestop-exceeds-grace"} 1`,
		`podvet_panics_total 0`,
		`podvet_policy_bad 0`,
		`podvet_policy_reload_total{result="bad"} 0`,
		`podvet_reviews_total{decision="error",endpoint="mutate"} 0`,
		`podvet_review_duration_seconds_count{endpoint="validate"} 1`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no line %s", want)
		}
	}
}
