package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	gojson "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/test/randpod"
	"github.com/podvet/podvet/webhook/budget"
)

// apiDecoder is apimachinery's, as the API server and its clients use it.
var apiDecoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return serializer.NewCodecFactory(scheme).UniversalDeserializer()
}()

// sameDecoding compares podvet's decoding of an object with apimachinery's.
func sameDecoding(t *testing.T, raw []byte) {
	t.Helper()
	want, gvk, err := apiDecoder.Decode(raw, nil, nil)
	if err != nil {
		return // the API server would never have sent it
	}
	apiVersion, kind := gvk.ToAPIVersionAndKind()
	got := pod.NewObject(apiVersion, kind)
	if got == nil {
		return
	}
	if err := gojson.Unmarshal(raw, got, decodeOptions); err != nil {
		t.Fatalf("apimachinery reads it, podvet does not: %v\n%s", err, raw)
	}
	if !equality.Semantic.DeepEqual(want, got) {
		t.Errorf("(-apimachinery +podvet):\n%s", cmp.Diff(asJSON(t, want), asJSON(t, got)))
	}
}

func TestDecodingAgreesWithAPIMachinery(t *testing.T) {
	for file, review := range corpus(t) {
		t.Run(file, func(t *testing.T) {
			r, err := readReview(review)
			if err != nil {
				t.Fatal(err)
			}
			sameDecoding(t, r.Object)
		})
	}
	generator := randpod.New(7)
	for range 2000 {
		sameDecoding(t, []byte(asJSON(t, generator.Pod())))
	}
}

// odd are inputs that no client writes and that must not make the two decoders differ.
var odd = []string{
	`{"apiVersion":"v1","kind":"Pod","spec":null}`,
	`{"apiVersion":"v1","kind":"Pod","spec":{"containers":null}}`,
	`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[null,{"name":"a","livenessProbe":null}]}}`,
	`{"apiVersion":"v1","kind":"Pod","Spec":{"containers":[{"name":"wrong case"}]}}`,
	`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"NAME":"a"}],"futureField":{"a":[1,2]}}}`,
	`{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"a":null},"creationTimestamp":null}}`,
	`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"ports":[{"containerPort":1e2}],` +
		`"livenessProbe":{"httpGet":{"port":"1"}}}]}}`,
	`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"resources":{"limits":{"cpu":1,"memory":"1Gi"}},` +
		`"livenessProbe":{"tcpSocket":{"port":0}}}]}}`,
	`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"livenessProbe":{"tcpSocket":{"port":null}},` +
		`"readinessProbe":{"tcpSocket":{"port":""}},"startupProbe":{"httpGet":{"port":"\u0068ttp"}},` +
		`"lifecycle":{"preStop":{"httpGet":{"port":-2147483648}}}}]}}`,
	`{"apiVersion":"v1","kind":"Pod","spec":{"activeDeadlineSeconds":9223372036854775807,` +
		`"terminationGracePeriodSeconds":-1}}`,
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"\xff\"}}",
}

func TestOddInputs(t *testing.T) {
	for _, raw := range odd {
		t.Run(raw, func(t *testing.T) { sameDecoding(t, []byte(raw)) })
	}
}

// FuzzDecode looks for an object that podvet reads differently from apimachinery. Duplicate names are left
// out: the API server re-encodes what it sends, so it never sends them.
func FuzzDecode(f *testing.F) {
	for _, raw := range odd {
		f.Add([]byte(raw))
	}
	for _, review := range corpus(f) {
		f.Add(objectOf(f, review))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if jsontext.Value(raw).IsValid() && json.Valid(raw) { // strict: no duplicate names, no broken UTF-8
			sameDecoding(t, raw)
		}
	})
}

// FuzzReview: no body makes the server panic, every answer is one that the API server understands, and each patch
// applies.
func FuzzReview(f *testing.F) {
	for _, review := range corpus(f) {
		f.Add(review)
	}
	f.Add(policyReview(f, string(policy.DefaultText)))
	f.Add(policyReview(f, "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"+allFixes))
	handlers := []*Handler{newTestHandler(f, ""), newTestHandler(f, allFixes)}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/mutate", "/validate", "/validate-policy"} {
			for _, h := range handlers {
				checkAnswer(t, h, path, body)
			}
		}
	})
}

func checkAnswer(t *testing.T, h *Handler, path string, body []byte) {
	t.Helper()
	w := post(h, path, body)
	if w.Code != http.StatusOK {
		if w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s: HTTP %d: %s", path, w.Code, strings.TrimSpace(w.Body.String()))
		}
		return
	}
	sent, err := readReview(body)
	if err != nil {
		t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	var answer admissionv1.AdmissionReview
	err = gojson.Unmarshal(w.Body.Bytes(), &answer)
	if err != nil || answer.Response == nil || answer.Response.UID != sent.UID {
		t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	if path != "/mutate" && answer.Response.Patch != nil {
		t.Errorf("%s: patches: %s", path, answer.Response.Patch)
	}
	if path == "/mutate" && (!answer.Response.Allowed || answer.Response.Warnings != nil) {
		t.Errorf("%s: refuses or warns: %s", path, w.Body)
	}
	if answer.Response.Patch != nil {
		checkPatch(t, h, sent.Object)
	}
}

// checkPatch has a pod patched as the API server sends it: re-encoded, so with metadata, and without null, duplicate
// names and broken UTF-8.
func checkPatch(t *testing.T, h *Handler, raw []byte) {
	t.Helper()
	object, _, err := apiDecoder.Decode(raw, nil, nil)
	if err != nil {
		return // it would never be sent
	}
	text := asJSON(t, object)
	request := &admissionv1.AdmissionRequest{UID: "u", Operation: admissionv1.Create, Namespace: "default",
		Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Object: runtime.RawExtension{Raw: []byte(text)}}
	review := admissionv1.AdmissionReview{Request: request}
	review.APIVersion, review.Kind = reviewAPIVersion, "AdmissionReview"
	answer := ask(t, h, "/mutate", []byte(asJSON(t, review)))
	if answer.Patch == nil {
		return
	}
	patch, err := jsonpatch.DecodePatch(answer.Patch)
	if err == nil {
		_, err = patch.Apply([]byte(text))
	}
	if err != nil {
		t.Errorf("the patch %s does not apply to %s: %v", answer.Patch, text, err)
	}
}

// readReview reads a review as the handler does.
func readReview(body []byte) (*request, error) {
	left, _, at := budget.Weigh(bytes.Clone(body)) // which it changes
	return decodeReview(left, at)
}

// TestNothingReadIsLeftOut: what is taken out of a pod before it is decoded is what no rule reads. Each rule has bad
// fixtures: if it read something that is missing, its finding or its fix would be. Then budget's list of what is unread
// is too long.
func TestNothingReadIsLeftOut(t *testing.T) {
	p, all := newTestHandler(t, allFixes).policy.Load(), 0
	for file, review := range corpus(t) {
		whole := podFrom(t, objectOf(t, review))
		if whole == nil {
			continue
		}
		all++
		r, err := readReview(reviewOf(t, asJSON(t, whole)))
		if err != nil {
			t.Fatal(file, err)
		}
		got, err := readSubject(r, r.Object, decodeOptions)
		if err != nil {
			t.Fatal(file, err)
		}
		want, _ := pod.Read(whole)
		want.Namespace = got.Namespace
		plan := p.For(want, nil).Plan
		if diff := cmp.Diff(inWords(rules.Vet(want, plan)), inWords(rules.Vet(got, plan))); diff != "" {
			t.Errorf("%s (-whole +without what is unread):\n%s", file, diff)
		}
	}
	if all < 200 {
		t.Errorf("only %d pods", all)
	}
}

// podFrom is the pod of an object or of its template, nil where it has none.
func podFrom(t testing.TB, raw []byte) *corev1.Pod {
	t.Helper()
	object, _, err := apiDecoder.Decode(raw, nil, nil)
	if err != nil {
		return nil
	}
	typed, ok := object.(pod.Object)
	if !ok {
		return nil
	}
	s, ok := pod.Read(typed)
	if !ok {
		return nil
	}
	made := &corev1.Pod{ObjectMeta: *s.Meta, Spec: *s.Spec}
	made.APIVersion, made.Kind = "v1", "Pod"
	made.Spec.Volumes = append(made.Spec.Volumes, corev1.Volume{Name: "unread"})
	return made
}

// inWords are the findings and fixes in words.
func inWords(result rules.Result) []string {
	var lines []string
	for _, f := range result.Findings {
		lines = append(lines, f.String())
	}
	for _, f := range result.Fixed {
		lines = append(lines, "fixed "+f.String())
	}
	return lines
}
