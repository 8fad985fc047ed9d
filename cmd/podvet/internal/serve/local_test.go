package serve

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/webhook"
)

// TestExpiryWhileServing: a policy is loaded again on the day that one of its exemptions expires.
func TestExpiryWhileServing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	text := []byte(`apiVersion: podvet.dev/v1alpha1
kind: Policy
exemptions: [{rules: [bare-pod], reason: r, expires: 2020-01-01}]
`)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	// Loaded the day before, as it seems.
	before, err := policy.Load(catalogue.All, file, text, time.Date(2019, 12, 31, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	handler := webhook.NewHandler(before, 0, slog.New(slog.DiscardHandler))
	expired := func() bool {
		w := httptest.NewRecorder()
		handler.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return strings.Contains(w.Body.String(), "podvet_policy_expired_exemptions 1\n")
	}
	if expired() {
		t.Fatal("expired before its day")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go followPolicy(ctx, file, text, before.Until, handler, slog.New(slog.DiscardHandler))
	for deadline := time.Now().Add(10 * time.Second); !expired(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the policy was not loaded again")
		}
	}
}
