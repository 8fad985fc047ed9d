package webhook

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/podvet/podvet/rules"
)

type metrics struct {
	registry *prometheus.Registry
	reviews  *prometheus.CounterVec
	findings *prometheus.CounterVec
	fixes    *prometheus.CounterVec
	panics   prometheus.Counter
	duration *prometheus.HistogramVec
}

func newMetrics() *metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	auto := promauto.With(registry)
	return &metrics{
		registry: registry,
		reviews: auto.NewCounterVec(prometheus.CounterOpts{Name: "podvet_reviews_total",
			Help: "AdmissionReviews by endpoint and decision: passed (not podvet's to judge), allowed, patched, warned, denied, error."}, []string{"endpoint", "decision"}),
		findings: auto.NewCounterVec(prometheus.CounterOpts{Name: "podvet_findings_total",
			Help: "Findings at admission, dry runs left out."}, []string{"rule", "level"}),
		fixes: auto.NewCounterVec(prometheus.CounterOpts{Name: "podvet_fixes_total",
			Help: "Fixes at admission, dry runs left out; applied is false where the mode is audit."}, []string{"rule", "applied"}),
		panics: auto.NewCounter(prometheus.CounterOpts{Name: "podvet_panics_total",
			Help: "Reviews that ended in a panic and were answered with HTTP 500."}),
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{Name: "podvet_review_duration_seconds",
			Help: "Time from the request's header to the answer.", Buckets: prometheus.ExponentialBuckets(0.00005, 2, 16)}, []string{"endpoint"}),
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) observe(endpoint string, r *request, v verdict) {
	m.reviews.WithLabelValues(endpoint, v.decision()).Inc()
	if r.DryRun {
		return
	}
	for _, f := range v.findings {
		m.findings.WithLabelValues(f.Rule.ID, f.Level.String()).Inc()
	}
	for _, f := range v.fixed {
		applied := "false"
		if v.applied {
			applied = "true"
		}
		m.fixes.WithLabelValues(f.Rule.ID, applied).Inc()
	}
}

func (v verdict) decision() string {
	switch {
	case !v.judged:
		return "passed"
	case len(v.patch) > 0:
		return "patched"
	case len(atLevel(v.findings, rules.Deny)) > 0:
		return "denied"
	case len(atLevel(v.findings, rules.Warn)) > 0:
		return "warned"
	}
	return "allowed"
}
