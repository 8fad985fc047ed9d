package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

func newTestHandler(t testing.TB, policyText string) *Handler {
	t.Helper()
	p := policy.Default(catalogue.All)
	if policyText != "" {
		var err error
		text := "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n" + policyText
		if p, err = policy.Load(catalogue.All, "test", []byte(text), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return NewHandler(p, 0, slog.New(slog.DiscardHandler))
}

// post sends a body and returns the HTTP answer.
func post(h http.Handler, path string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// ask sends a review and returns the response in it, decoded by the API server's own types.
func ask(t testing.TB, h http.Handler, path string, review []byte) *admissionv1.AdmissionResponse {
	t.Helper()
	w := post(h, path, review)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: HTTP %d: %s", path, w.Code, w.Body)
	}
	var answer admissionv1.AdmissionReview
	decoder := json.NewDecoder(w.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if answer.Kind != "AdmissionReview" || answer.APIVersion != "admission.k8s.io/v1" || answer.Response == nil {
		t.Fatalf("not a review of admission.k8s.io/v1: %s", w.Body)
	}
	return answer.Response
}

// reviewOf wraps an object (YAML or JSON) in a review as the API server would send it; edit may change it.
func reviewOf(t testing.TB, object string, edit ...func(*admissionv1.AdmissionRequest)) []byte {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(object))
	if err != nil {
		t.Fatal(err)
	}
	var head struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		t.Fatal(err)
	}
	request := &admissionv1.AdmissionRequest{
		UID: "the-uid", Operation: admissionv1.Create, Name: head.Name, Namespace: "default",
		Kind: metav1.GroupVersionKind(head.GroupVersionKind()), Object: runtime.RawExtension{Raw: raw},
	}
	for _, f := range edit {
		f(request)
	}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: request})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// corpus is every review and every object there is: the recorded reviews, the fixtures of the rules, the examples.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	reviews := map[string][]byte{}
	for _, pattern := range []string{"testdata/reviews/*.json",
		"../rules/catalogue/*/good*.yaml", "../rules/catalogue/*/bad*.yaml", "../examples/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: nothing there (%v)", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, ".yaml") {
				text = reviewOf(t, string(text))
			}
			reviews[file] = text
		}
	}
	return reviews
}

func objectOf(t testing.TB, review []byte) []byte {
	t.Helper()
	var r admissionv1.AdmissionReview
	if err := json.Unmarshal(review, &r); err != nil {
		t.Fatal(err)
	}
	return r.Request.Object.Raw
}

// TestEveryPatchApplies: the patch of every review, with the default policy and with every fix on, applies
// with the API server's patch library to the raw object, changes what it names to what it says and nothing
// else, and a second pass changes nothing.
func TestEveryPatchApplies(t *testing.T) {
	for name, text := range map[string]string{"default": "", "all fixes": allFixes} {
		h := newTestHandler(t, text)
		patches := 0
		for file, review := range corpus(t) {
			answer := ask(t, h, "/mutate", review)
			if !answer.Allowed || len(answer.Warnings) > 0 {
				t.Errorf("%s: /mutate refused or warned: %+v", file, answer)
			}
			if len(answer.Patch) == 0 {
				continue
			}
			patches++
			if answer.PatchType == nil || *answer.PatchType != admissionv1.PatchTypeJSONPatch {
				t.Errorf("%s: a patch of type %v", file, answer.PatchType)
			}
			raw := objectOf(t, review)
			patched := applyPatch(t, raw, answer.Patch)
			onlyTheNamedChanged(t, file, raw, patched, answer.Patch)
			second := ask(t, h, "/mutate", reviewOf(t, string(patched)))
			if len(second.Patch) > 0 {
				t.Errorf("%s: a second pass changes %s", file, second.Patch)
			}
		}
		if patches < 5 {
			t.Errorf("%s: only %d patches", name, patches)
		}
	}
}

const allFixes = `
profile: strict
rules:
  no-readiness-probe: {fix: true, params: {template: {portName: http, probe: {httpGet: {path: /ready, port: http}}}}}
  no-liveness-probe: {fix: true, params: {template: {portName: http, probe: {tcpSocket: {port: http}}}}}
  startup-budget-too-short: {fix: true}
`

func applyPatch(t testing.TB, raw, patch []byte) []byte {
	t.Helper()
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := decoded.Apply(raw)
	if err != nil {
		t.Fatalf("%s does not apply: %v", patch, err)
	}
	return patched
}

// onlyTheNamedChanged reads every operation's value back, then takes the named paths out of both objects
// and compares what is left.
func onlyTheNamedChanged(t testing.TB, file string, before, after, patch []byte) {
	t.Helper()
	var ops []rules.Operation
	if err := json.Unmarshal(patch, &ops); err != nil {
		t.Fatal(err)
	}
	var was, is any
	for raw, into := range map[*[]byte]*any{&before: &was, &after: &is} {
		if err := json.Unmarshal(*raw, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, op := range ops {
		if op.Op != "add" {
			t.Errorf("%s: operation %s", file, op.Op)
		}
		if got := take(is, op.Path); asJSON(t, got) != asJSON(t, op.Value) {
			t.Errorf("%s: %s is %s, want %s", file, op.Path, asJSON(t, got), asJSON(t, op.Value))
		}
		take(was, op.Path)
	}
	if asJSON(t, was) != asJSON(t, is) {
		t.Errorf("%s: something else changed:\n%s\n%s", file, asJSON(t, was), asJSON(t, is))
	}
}

// take removes the value at a JSON pointer and returns it.
func take(v any, pointer string) any {
	parts := strings.Split(pointer, "/")[1:]
	for i, part := range parts {
		part = strings.ReplaceAll(part, "~1", "/")
		switch node := v.(type) {
		case map[string]any:
			if i == len(parts)-1 {
				value := node[part]
				delete(node, part)
				return value
			}
			v = node[part]
		case []any:
			var index int
			if _, err := fmt.Sscan(part, &index); err != nil {
				return nil
			}
			v = node[index]
		}
	}
	return nil
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
