package webhook

import (
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

type metrics struct {
	registry *prometheus.Registry
	reviews  *prometheus.CounterVec
	findings *prometheus.CounterVec
	fixes    *prometheus.CounterVec
	panics   prometheus.Counter
	duration *prometheus.HistogramVec

	lookups     *prometheus.CounterVec
	info        *prometheus.GaugeVec
	reloads     *prometheus.CounterVec
	bad         prometheus.Gauge
	lastSuccess prometheus.Gauge
	expired     prometheus.Gauge

	namespaces sync.Map // those that have series of their own
	counted    atomic.Int32
}

func newMetrics() *metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	auto := promauto.With(registry)
	m := &metrics{
		registry: registry,
		reviews: auto.NewCounterVec(prometheus.CounterOpts{Name: "podvet_reviews_total",
			Help: "AdmissionReviews by endpoint and decision: passed (not podvet's to judge), allowed, patched, warned, denied, error."}, []string{"endpoint", "decision"}),
		findings: auto.NewCounterVec(prometheus.CounterOpts{Name: "podvet_findings_total",
			Help: "Findings at admission, dry runs left out. level is what it would be in mode enforce: deny in another mode is what would be refused. object is pod or template. After 1,000 namespaces the others are counted as _other."},
			[]string{"namespace", "rule", "level", "mode", "object"}),
		fixes: auto.NewCounterVec(prometheus.CounterOpts{Name: "podvet_fixes_total",
			Help: "Fixes at admission, dry runs left out; applied is false where the mode is audit."}, []string{"rule", "applied"}),
		lookups: auto.NewCounterVec(prometheus.CounterOpts{Name: "podvet_namespace_lookups_total",
			Help: "Namespaces that were not known yet and were asked for during a review, by result: found, absent, failed."}, []string{"result"}),
		info: auto.NewGaugeVec(prometheus.GaugeOpts{Name: "podvet_policy_info",
			Help: "1 for the policy in force; source is configmap, last-good, default or file."}, []string{"hash", "source"}),
		reloads: auto.NewCounterVec(prometheus.CounterOpts{Name: "podvet_policy_reload_total",
			Help: "Changes of the policy that were seen, by result: good, bad (the last good one stays in force), missing (deleted, emptied or never there)."}, []string{"result"}),
		bad: auto.NewGauge(prometheus.GaugeOpts{Name: "podvet_policy_bad",
			Help: "1 while the policy in the ConfigMap has mistakes and another one is in force instead, else 0."}),
		lastSuccess: auto.NewGauge(prometheus.GaugeOpts{Name: "podvet_policy_last_success_timestamp_seconds",
			Help: "When a changed policy was last put in force."}),
		expired: auto.NewGauge(prometheus.GaugeOpts{Name: "podvet_policy_expired_exemptions",
			Help: "Exemptions of the policy in force that have expired: their findings are warnings until someone removes them."}),
		panics: auto.NewCounter(prometheus.CounterOpts{Name: "podvet_panics_total",
			Help: "Reviews that ended in a panic and were answered with HTTP 500."}),
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{Name: "podvet_review_duration_seconds",
			Help: "Time from the request's header to the answer.", Buckets: prometheus.ExponentialBuckets(0.00005, 2, 16)}, []string{"endpoint"}),
	}
	// A counter that is first seen at 1 has not increased, as Prometheus sees it: what alerts and sums ask for starts at 0.
	for _, result := range []string{"good", "bad", "missing"} {
		m.reloads.WithLabelValues(result)
	}
	for _, endpoint := range []string{"mutate", "validate", "validate-policy"} {
		m.reviews.WithLabelValues(endpoint, "error")
	}
	m.reviews.WithLabelValues("validate", "denied")
	return m
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
		object := "pod"
		if v.subject.Template {
			object = "template"
		}
		m.findings.WithLabelValues(m.namespace(r.Namespace), f.Rule.ID, f.Uncapped.String(), string(v.mode), object).Inc()
	}
	for _, f := range v.fixed {
		applied := "false"
		if v.applied {
			applied = "true"
		}
		m.fixes.WithLabelValues(f.Rule.ID, applied).Inc()
	}
}

// policyInForce tells which policy it is.
func (m *metrics) policyInForce(p *policy.Policy, source string) {
	m.info.Reset()
	m.info.WithLabelValues(p.Hash, source).Set(1)
	m.expired.Set(float64(p.Expired))
}

// maxNamespaces bounds the series: a cluster may make a namespace for every test.
const maxNamespaces = 1000

func (m *metrics) namespace(name string) string {
	if _, known := m.namespaces.Load(name); known {
		return name
	}
	if m.counted.Add(1) > maxNamespaces {
		m.counted.Add(-1)
		return "_other"
	}
	m.namespaces.Store(name, true)
	return name
}

func (v verdict) decision() string {
	switch {
	case v.refused:
		return "denied"
	case !v.judged && len(v.lines) == 0:
		return "passed"
	case len(v.patch) > 0:
		return "patched"
	case len(atLevel(v.findings, rules.Deny)) > 0:
		return "denied"
	case len(v.lines) > 0 || len(atLevel(v.findings, rules.Warn)) > 0:
		return "warned"
	}
	return "allowed"
}
