package webhook

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// TestCannotJudge: a plain HTTP error without a review, so that failurePolicy decides.
func TestCannotJudge(t *testing.T) {
	big := append([]byte(`{"x":"`), bytes.Repeat([]byte("x"), maxBody)...)
	v1beta1 := bytes.Replace(reviewOf(t, badPod), []byte("admission.k8s.io/v1"), []byte("admission.k8s.io/v1beta1"), 1)
	noObject := reviewOf(t, badPod, func(r *admissionv1.AdmissionRequest) { r.Object.Raw = nil })
	noPod := reviewOf(t, "{apiVersion: v1, kind: Pod, spec: {containers: 7}}")
	for _, c := range []struct {
		name string
		body []byte
		code int
		text string
	}{
		{"not JSON", []byte("hello"), 400, "is not an AdmissionReview"},
		{"empty", nil, 400, "is not an AdmissionReview"},
		{"cut off", reviewOf(t, badPod)[:200], 400, "is not an AdmissionReview"},
		{"another kind", []byte(`{"apiVersion":"v1","kind":"Pod"}`), 400, `"Pod" of "v1"`},
		{"no request", []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`), 400, "no request"},
		{"v1beta1", v1beta1, 400, "list v1 in the webhook's admissionReviewVersions"},
		{"too long", big, 413, "over 38797312 bytes"},
		{"no object", noObject, 400, "no object"},
		{"object of a wrong shape", noPod, 400, "cannot be read"},
	} {
		for _, path := range []string{"/mutate", "/validate"} {
			t.Run(c.name+path, func(t *testing.T) {
				h := newTestHandler(t, "")
				w := post(h, path, c.body)
				text := w.Body.String()
				if w.Code != c.code || !strings.Contains(text, c.text) || strings.Contains(text, "AdmissionReview\":") {
					t.Errorf("HTTP %d %s, want %d %s", w.Code, text, c.code, c.text)
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

// TestPanicIsOne500: a rule that panics costs one review, not the server.
func TestPanicIsOne500(t *testing.T) {
	var log bytes.Buffer
	h := NewHandler(policy.Default(catalogue.All), 1, slog.New(slog.NewTextHandler(&log, nil)))
	h.mux.Handle("POST /panic", h.endpoint("validate", &h.reviews, func(context.Context, *call) (verdict, error) {
		panic("a rule's bug")
	}))
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

// TestGenerateNameIsLogged: a pod that has no name yet is told by what it will be named from.
func TestGenerateNameIsLogged(t *testing.T) {
	var log bytes.Buffer
	h := NewHandler(policy.Default(catalogue.All), 0, slog.New(slog.NewTextHandler(&log, nil)))
	panics := func(*pod.Subject, policy.Ruling) verdict { panic("a rule's bug") }
	h.mux.Handle("POST /panic", h.endpoint("validate", &h.reviews, h.judging(readNew, panics)))
	post(h, "/panic", reviewOf(t, strings.Replace(badPod, "{name: bad}", "{generateName: bad-}", 1)))
	if !strings.Contains(log.String(), "name=bad-") {
		t.Errorf("the log: %s", log.String())
	}
}

func TestTooManyReviews(t *testing.T) {
	h := NewHandler(policy.Default(catalogue.All), 1, slog.New(slog.DiscardHandler))
	judging, goOn := make(chan bool), make(chan bool)
	h.mux.Handle("POST /slow", h.endpoint("validate", &h.reviews, func(context.Context, *call) (verdict, error) {
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

// TestNoPolicyYet is the API server's to decide, by failurePolicy.
func TestNoPolicyYet(t *testing.T) {
	h := NewHandler(nil, 0, slog.New(slog.DiscardHandler))
	if w := post(h, "/validate", reviewOf(t, badPod)); w.Code != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d: %s", w.Code, w.Body)
	}
}
