package webhook

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

func TestMetrics(t *testing.T) {
	h := newTestHandler(t, "")
	ask(t, h, "/mutate", reviewOf(t, badPod))
	ask(t, h, "/validate", reviewOf(t, badPod))
	w := httptest.NewRecorder()
	h.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`podvet_reviews_total{decision="patched",endpoint="mutate"} 1`,
		`podvet_reviews_total{decision="denied",endpoint="validate"} 1`,
		`podvet_findings_total{level="deny",mode="enforce",namespace="default",object="pod",` +
			`rule="probe-port-unresolved"} 1`,
		`podvet_policy_info{hash="` + policy.Default(catalogue.All).Hash + `",source="default"} 1`,
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

func TestDryRunLeavesNoTrace(t *testing.T) {
	h := newTestHandler(t, "")
	dry := func(r *admissionv1.AdmissionRequest) { yes := true; r.DryRun = &yes }
	for _, path := range []string{"/mutate", "/validate"} {
		sent := ask(t, newTestHandler(t, ""), path, reviewOf(t, badPod))
		if diff := cmp.Diff(sent, ask(t, h, path, reviewOf(t, badPod, dry))); diff != "" {
			t.Errorf("%s (-for real +dry run):\n%s", path, diff)
		}
	}
	if n := testutil.CollectAndCount(h.metrics.findings) + testutil.CollectAndCount(h.metrics.fixes); n != 0 {
		t.Errorf("%d findings and fixes counted", n)
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
				`","findings":["audit bare-pod/ (exempt: a test; no more)","warn exec-probe-short-timeout/app",` +
				`"deny probe-port-unresolved/app","warn prestop-exceeds-grace/app"]}` + "\n"
		}
		_, got, _ := strings.Cut(log.String(), ",")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the log (-want +got):\n%s", mode, diff)
		}
		// workloads: warn caps the template's.
		for object, level := range map[string]string{"pod": "deny", "template": "warn"} {
			counted := h.metrics.findings.WithLabelValues("default", "probe-port-unresolved", level, mode, object)
			if n := testutil.ToFloat64(counted); n != 1 {
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
