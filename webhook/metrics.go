package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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

	known      func(namespace string) bool // whether there is one
	mu         sync.Mutex
	namespaces map[string]bool // those that have series of their own
	swept      time.Time       // when those that are gone last lost theirs
}

func newMetrics() *metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	auto := promauto.With(registry)
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return auto.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &metrics{
		registry: registry, known: noCluster.NamespaceKnown, namespaces: map[string]bool{},
		reviews: counters("podvet_reviews_total", "AdmissionReviews by endpoint and decision: passed (not podvet's to "+
			"judge), allowed, patched, warned, denied, error.", "endpoint", "decision"),
		findings: counters("podvet_findings_total", "Findings at admission, dry runs left out. level is what it would "+
			"be in mode enforce: deny in another mode is what would be refused. object is pod or template. "+
			"Namespaces that are not known yet, and those after 1,000, are counted as _other.",
			"namespace", "rule", "level", "mode", "object"),
		fixes: counters("podvet_fixes_total", "Fixes at admission, dry runs left out; applied is false where the mode "+
			"is audit.", "rule", "applied"),
		lookups: counters("podvet_namespace_lookups_total", "Namespaces that were not known yet and were looked up "+
			"during a review, by result: found, absent, failed, limited (too many at once, so not asked for).",
			"result"),
		info: auto.NewGaugeVec(prometheus.GaugeOpts{Name: "podvet_policy_info",
			Help: "1 for the policy in force; source is configmap, last-good, default or file."},
			[]string{"hash", "source"}),
		reloads: counters("podvet_policy_reload_total", "Changes of the policy that were seen, by result: good, bad "+
			"(the last good one stays in force), missing (deleted, emptied or never there).", "result"),
		bad: gauge("podvet_policy_bad", "1 while the policy in the ConfigMap has mistakes and another one is in force "+
			"instead, else 0."),
		lastSuccess: gauge("podvet_policy_last_success_timestamp_seconds",
			"When a changed policy was last put in force."),
		expired: gauge("podvet_policy_expired_exemptions", "Exemptions of the policy in force that have expired: "+
			"their findings are warnings until someone removes them."),
		panics: auto.NewCounter(prometheus.CounterOpts{Name: "podvet_panics_total",
			Help: "Reviews that ended in a panic and were answered with HTTP 500."}),
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{Name: "podvet_review_duration_seconds",
			Help:    "Time from the request's header to the answer.",
			Buckets: prometheus.ExponentialBuckets(0.00005, 2, 16)}, []string{"endpoint"}),
	}
	// A counter that is first seen at 1 has not increased, as Prometheus sees it: what alerts and sums ask for starts
	// at 0.
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
	namespace := ""
	for i, f := range v.findings {
		object := "pod"
		if v.subject.Template {
			object = "template"
		}
		if i == 0 {
			namespace = m.namespace(r.Namespace)
		}
		m.findings.WithLabelValues(namespace, f.Rule.ID, f.Uncapped.String(), string(v.mode), object).
			Inc()
	}
	for _, f := range v.fixed {
		m.fixes.WithLabelValues(f.Rule.ID, strconv.FormatBool(v.applied)).Inc()
	}
}

// policyInForce tells which policy it is.
func (m *metrics) policyInForce(p *policy.Policy, source string) {
	m.info.Reset()
	m.info.WithLabelValues(p.Hash, source).Set(1)
	m.expired.Set(float64(p.Expired))
}

func (m *metrics) policyChanged(result string, at time.Time) {
	m.reloads.WithLabelValues(result).Inc()
	if result == "good" {
		m.lastSuccess.Set(float64(at.Unix()))
	}
}

func (m *metrics) policyBad(bad bool) {
	m.bad.Set(0)
	if bad {
		m.bad.Set(1)
	}
}

// maxNamespaces bounds the series: a cluster may make a namespace for every test. The others share one.
const (
	maxNamespaces   = 1000
	otherNamespaces = "_other"
)

// namespace is the label of a namespace. Names that nobody has a namespace of take no place: callers may invent them.
func (m *metrics) namespace(name string) string {
	if !m.known(name) {
		return otherNamespaces
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.namespaces[name] {
		return name
	}
	if len(m.namespaces) >= maxNamespaces {
		m.sweep(time.Now())
	}
	if len(m.namespaces) >= maxNamespaces {
		return otherNamespaces
	}
	m.namespaces[strings.Clone(name)] = true // it is part of a request
	return name
}

// sweep takes the series of namespaces that are gone, at most once a minute.
func (m *metrics) sweep(now time.Time) {
	if now.Sub(m.swept) < time.Minute {
		return
	}
	m.swept = now
	for name := range m.namespaces {
		if !m.known(name) {
			delete(m.namespaces, name)
			m.findings.DeletePartialMatch(prometheus.Labels{"namespace": name})
		}
	}
}
