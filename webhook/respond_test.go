package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

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
		{"009-Pod-CREATE", `[{"op":"add","path":"/spec/containers/0/startupProbe",` +
			`"value":{"httpGet":{"path":"/healthz","port":"admin","scheme":"HTTP"},` +
			`"timeoutSeconds":1,"periodSeconds":3,"successThreshold":1,"failureThreshold":101}},` +
			`{"op":"add","path":"/metadata/annotations","value":{"podvet.dev/fixed":"no-startup-probe/app"}}]`,
			[]string{"no-readiness-probe", "no-startup-probe"}},
		{"010-Pod-CREATE", "", []string{"no-readiness-probe"}}, // 009's pod with its patch, as /validate gets it
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

func TestDenialListsEveryDenyFinding(t *testing.T) {
	two := badPod + "  - name: other\n    image: i\n    readinessProbe: {tcpSocket: {port: web}}\n"
	answer := ask(t, newTestHandler(t, ""), "/validate", reviewOf(t, two))
	want := &metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden,
		Message: `container "app": startupProbe uses undeclared port "nowhere", so it is never ready. ` +
			`Declare it or use a number. [probe-port-unresolved]` + "\n" +
			`container "other": readinessProbe uses undeclared port "web", so it is never ready. ` +
			`Declare it or use a number. [probe-port-unresolved]`}
	if diff := cmp.Diff(want, answer.Result); answer.Allowed || diff != "" {
		t.Errorf("allowed %v (-want +got):\n%s", answer.Allowed, diff)
	}
	got := ids(answer.Warnings)
	if !slices.Contains(got, "prestop-exceeds-grace") || slices.Contains(got, "probe-port-unresolved") {
		t.Errorf("warnings %q", answer.Warnings)
	}
	wantAudit := map[string]string{"policy": policy.Default(catalogue.All).Hash,
		"findings": "deny probe-port-unresolved/app,deny probe-port-unresolved/other," +
			"warn exec-probe-short-timeout/app,warn prestop-exceeds-grace/app,audit bare-pod/"}
	if diff := cmp.Diff(wantAudit, answer.AuditAnnotations); diff != "" {
		t.Errorf("audit annotations (-want +got):\n%s", diff)
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

// TestAnswersAreJSON: what is written by hand is read as what it should say, whatever stands in it.
func TestAnswersAreJSON(t *testing.T) {
	odd := "a \"quoted\" \\ <b> \u2028 \x00 \t\n é 👍"
	for name, want := range map[string]*response{
		"allowed": {UID: "u", Allowed: true},
		"patched": {UID: "u", Allowed: true, Patch: []byte(`[{"op":"add","path":"/a","value":"<>"}]`)},
		"refused": {UID: "u", Status: refusal(odd), AuditAnnotations: &annotations{findings: odd}},
		"all": {UID: types.UID(odd), Allowed: true, Status: refusal(""), Patch: []byte{0, 255},
			Warnings: []string{odd, "", "b"}, AuditAnnotations: &annotations{policy: "p", findings: "f",
				fixed: odd}},
	} {
		var review admissionv1.AdmissionReview
		if err := json.Unmarshal(encode(want), &review); err != nil {
			t.Fatalf("%s: %v in %s", name, err, encode(want))
		}
		got := review.Response
		if review.APIVersion != reviewAPIVersion || review.Kind != "AdmissionReview" || got == nil {
			t.Fatalf("%s: %s", name, encode(want))
		}
		if (got.PatchType != nil) != (len(want.Patch) > 0) {
			t.Errorf("%s: patchType %v", name, got.PatchType)
		}
		is := &response{got.UID, got.Allowed, nil, got.Patch, nil, got.Warnings}
		if notes := got.AuditAnnotations; notes != nil {
			is.AuditAnnotations = &annotations{notes["findings"], notes["fixed"], notes["policy"]}
		}
		if got.Result != nil {
			is.Status = &status{got.Result.Message, got.Result.Reason, got.Result.Code}
		}
		if diff := cmp.Diff(want, is, cmp.AllowUnexported(annotations{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestPatchesAreJSON: a patch that is written by hand says what encoding/json would.
func TestPatchesAreJSON(t *testing.T) {
	grace := int64(70)
	hook := corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 5}}
	ops := []rules.Operation{
		{Op: "add", Path: "/spec/containers/0/livenessProbe/timeoutSeconds", Value: int32(7)},
		{Op: "add", Path: "/spec/terminationGracePeriodSeconds", Value: grace},
		{Op: "add", Path: "/metadata/annotations", Value: map[string]string{"podvet.dev/fixed": "a/\"b\""}},
		{Op: "add", Path: "/metadata/annotations/podvet.dev~1fixed", Value: "<\u2028>\n"},
		{Op: "add", Path: "/spec/containers/0/lifecycle", Value: &corev1.Lifecycle{PreStop: &hook}},
		{Op: "add", Path: "/spec/containers/0/lifecycle/preStop", Value: &hook},
		{Op: "add", Path: "/spec/containers/0/startupProbe", Value: &corev1.Probe{FailureThreshold: 101,
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("http")}}}},
	}
	for n := range len(ops) + 1 {
		written, err := encodePatch(ops[:n])
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(ops[:n])
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := errors.Join(json.Unmarshal(written, &a), json.Unmarshal(want, &b)); err != nil {
			t.Fatalf("%v: %s", err, written)
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Errorf("(-encoding/json +podvet):\n%s", diff)
		}
	}
}
