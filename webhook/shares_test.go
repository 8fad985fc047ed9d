package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// from posts a body as a caller of an address.
func from(ctx context.Context, h http.Handler, address, path string, body io.Reader, length int) int {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, body)
	r.RemoteAddr, r.ContentLength = address+":1234", int64(length)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// TestStalledStreamsTakeOnlyTheirs: however many streams of one caller stall in the middle of bodies of an ordinary or
// of a long length, others' pods are judged.
func TestStalledStreamsTakeOnlyTheirs(t *testing.T) {
	for name, part := range map[string]int{"ordinary": 60_000, "long": 6_000_000} {
		h := NewHandler(policy.Default(catalogue.All), 256, slog.New(slog.DiscardHandler))
		h.Within(256 << 20)
		until, text := make(chan struct{}), bytes.Repeat([]byte(" "), part)
		var stalled, ended sync.WaitGroup
		for range 2048 {
			stalled.Add(1)
			wait := blocking{httptest.NewRecorder(), &stalled, until}
			ended.Go(func() {
				body := io.MultiReader(bytes.NewReader(text), wait)
				if from(t.Context(), h, "192.0.2.9", "/validate", body, part+1000) == http.StatusTooManyRequests {
					stalled.Done() // refused: it does not stall
				}
			})
		}
		stalled.Wait()
		long := strings.Replace(badPod, "image: nginx", "image: nginx, args: ["+strings.Repeat("x", 20_000)+"]", 1)
		for range 20 {
			body := reviewOf(t, long)
			if code := from(t.Context(), h, "192.0.2.1", "/validate", bytes.NewReader(body), len(body)); code != 200 {
				t.Errorf("%s: meanwhile another's pod: HTTP %d", name, code)
			}
		}
		stalled.Add(2048) // for those that are told to go
		close(until)
		ended.Wait()
		if h.reviews.memory.Held() != 0 || h.reviews.places.Held() != 0 {
			t.Errorf("%s: something is not given back", name)
		}
	}
}

// TestPoliciesTakeNoPlace: policies that are judged, and wait for it, take none of the reviews' places.
func TestPoliciesTakeNoPlace(t *testing.T) {
	h := NewHandler(policy.Default(catalogue.All), 1, slog.New(slog.DiscardHandler))
	h.loading.one.Lock() // the cluster's is being loaded
	body := reviewOf(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p}\ndata: {policy.yaml: 'mode: x'}\n")
	codes := make(chan int)
	ask := func(address string) {
		go func() {
			codes <- from(t.Context(), h, address, "/validate-policy", bytes.NewReader(body), len(body))
		}()
	}
	ask("192.0.2.8")
	waitFor(t, func() bool { return h.policies.places.Held() == 1 })
	ask("192.0.2.8")
	if code := <-codes; code != http.StatusTooManyRequests {
		t.Errorf("a second one of the same caller: HTTP %d", code)
	}
	other := reviewOf(t, badPod)
	if code := from(t.Context(), h, "192.0.2.8", "/validate", bytes.NewReader(other), len(other)); code != 200 {
		t.Errorf("a pod of the same caller: HTTP %d", code)
	}
	h.loading.one.Unlock()
	if code := <-codes; code != http.StatusOK {
		t.Errorf("the first one: HTTP %d", code)
	}
}

// TestJudgingEndsWithItsCaller: a pod of very many containers is not judged on for a caller who has gone.
func TestJudgingEndsWithItsCaller(t *testing.T) {
	h := NewHandler(policy.Default(catalogue.All), 0, slog.New(slog.DiscardHandler))
	ctx, leave := context.WithCancel(t.Context())
	looked := 0
	judge := func(ctx context.Context, c *call) (verdict, error) {
		s, err := readNew(c.request)
		if err != nil {
			return verdict{}, err
		}
		ruling := bounded(ctx, h.policy.Load().For(s, nil), s)
		ruling.Plan = ruling.Plan.Exempting(func(*rules.Rule, *pod.Container) *rules.Exemption {
			if looked++; looked == 500 {
				leave()
			}
			return nil
		})
		return validate(s, ruling), nil
	}
	h.mux.Handle("POST /slow", h.endpoint("validate", &h.reviews, judge))
	body := expanding()["named containers"] // 20,000
	if code := from(ctx, h, "192.0.2.1", "/slow", bytes.NewReader(body), len(body)); code != 503 {
		t.Errorf("HTTP %d", code)
	}
	if looked < 500 || looked > 600 {
		t.Errorf("%d findings are looked at", looked)
	}
}

// asking counts how often its readiness is worked out.
type asking struct {
	Certificate
	asked atomic.Int32
}

func (c *asking) Ready() error { c.asked.Add(1); return nil }

func (c *asking) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }

// TestReadyzIsCheap: whoever asks /readyz makes podvet verify nothing.
func TestReadyzIsCheap(t *testing.T) {
	h, c := newTestHandler(t, ""), &asking{}
	ready := readiness{handler: h, certificate: c}
	ready.listening.Store(true)
	ready.look()
	mux := healthMux(&ready)
	for range 1000 {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("HTTP %d", w.Code)
		}
	}
	if n := c.asked.Load(); n != 1 {
		t.Errorf("the certificate is looked at %d times", n)
	}
}

// TestCallers: a caller is told by the name in his certificate, else by his address, whatever his port.
func TestCallers(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/validate", nil)
	r.RemoteAddr = "[2001:db8::1]:4711"
	if got := callerOf(r); got != "2001:db8::1" {
		t.Error(got)
	}
}
