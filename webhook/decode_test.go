package webhook

import (
	"encoding/json"
	"strings"
	"testing"

	gojson "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/test/randpod"
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
	got := rules.NewObject(apiVersion, kind)
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
			r, err := decodeReview(review)
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
	`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"ports":[{"containerPort":1e2}],"livenessProbe":{"httpGet":{"port":"1"}}}]}}`,
	`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"resources":{"limits":{"cpu":1,"memory":"1Gi"}},"livenessProbe":{"tcpSocket":{"port":0}}}]}}`,
	`{"apiVersion":"v1","kind":"Pod","spec":{"activeDeadlineSeconds":9223372036854775807,"terminationGracePeriodSeconds":-1}}`,
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

// FuzzReview: no body makes the server panic, and every answer is one that the API server understands.
func FuzzReview(f *testing.F) {
	for _, review := range corpus(f) {
		f.Add(review)
	}
	h := newTestHandler(f, "")
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/mutate", "/validate"} {
			w := post(h, path, body)
			if w.Code != 200 {
				if w.Code < 400 || w.Code >= 500 {
					t.Errorf("%s: HTTP %d: %s", path, w.Code, strings.TrimSpace(w.Body.String()))
				}
				continue
			}
			sent, err := decodeReview(body)
			var answer review
			if err != nil || gojson.Unmarshal(w.Body.Bytes(), &answer) != nil || answer.Response == nil || answer.Response.UID != sent.UID {
				t.Errorf("%s: %v: %s", path, err, w.Body)
			}
		}
	})
}
