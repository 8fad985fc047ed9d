// Package webhook is the admission server: it decodes a review, chooses the plan, has the rules vet the object and
// answers. It serves metrics and readiness too, and drains. It must not know where its certificate, its policy and the
// labels of namespaces come from: it is handed them. Of I/O, a review does at most the look-up of a namespace.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/webhook/budget"
)

// writeTimeout is how long all of a call may take: a review takes milliseconds, and the API server waits for 30 s at
// most.
const writeTimeout = 20 * time.Second

// ownMemory is what podvet takes while nobody calls, in bytes, perConnection what one may take with what is in flight
// on it. The least are for those who give it next to nothing.
const (
	ownMemory        = 64 << 20
	perConnection    = 2 << 20
	leastMemory      = 16 << 20
	leastConnections = 32
)

// Handler answers AdmissionReviews at /mutate, /validate and /validate-policy.
type Handler struct {
	mux      *http.ServeMux
	log      *slog.Logger
	metrics  *metrics
	policy   atomic.Pointer[policy.Policy]
	reviews  lane
	policies lane
	loading  loading
	draining atomic.Bool
	cluster  Cluster

	connections int // at most
}

// NewHandler judges by the given policy until SetPolicy gives another; nil for none yet. At most maxConcurrent reviews
// of one caller are judged at once, 0 for no limit.
func NewHandler(p *policy.Policy, maxConcurrent int, log *slog.Logger) *Handler {
	h := &Handler{mux: http.NewServeMux(), log: log, metrics: newMetrics(), cluster: noCluster}
	if maxConcurrent > 0 {
		h.reviews.places = budget.ForOne(int64(maxConcurrent))
	}
	h.policies.places = budget.ForOne(1)
	h.Within(budget.Unlimited)
	if p != nil {
		h.SetPolicy(p, "default")
	}
	h.mux.Handle("POST /mutate", h.endpoint("mutate", &h.reviews, h.judging(readPod, mutate)))
	h.mux.Handle("POST /validate", h.endpoint("validate", &h.reviews, h.validating()))
	h.mux.Handle("POST /validate-policy", h.endpoint("validate-policy", &h.policies, h.vetPolicy))
	return h
}

// Within has the handler get by with so many bytes of memory, of which the collector may use four fifths
// (debug.SetMemoryLimit). Call it before the first review.
func (h *Handler) Within(memory int64) {
	all := max(memory*4/5-ownMemory, leastMemory)
	h.reviews.memory = budget.NewShares(all)
	h.policies.memory = h.reviews.memory.Part(all * 2 / 5)
	h.loading.memory = h.policies.memory
	h.connections = int(max(memory/perConnection, leastConnections))
}

// Loading is held while a policy is loaded: a long one takes much memory for a moment, so one after the other.
func (h *Handler) Loading() sync.Locker { return &h.loading }

// InCluster has the handler judge for a cluster. Call it before the first review.
func (h *Handler) InCluster(c Cluster) { h.cluster, h.metrics.known = c, c.NamespaceKnown }

// SetPolicy puts a policy in force that came from source. Each request sees one policy, whole.
func (h *Handler) SetPolicy(p *policy.Policy, source string) {
	h.policy.Store(p)
	h.metrics.policyInForce(p, source)
}

// PolicyChanged counts a change of the policy that was seen: good, bad or missing.
func (h *Handler) PolicyChanged(result string, at time.Time) { h.metrics.policyChanged(result, at) }

// PolicyBad tells whether the policy that should be in force has mistakes.
func (h *Handler) PolicyBad(bad bool) { h.metrics.policyBad(bad) }

// NamespaceLookup counts a namespace that was looked up during a review: found, absent, failed or limited.
func (h *Handler) NamespaceLookup(result string) { h.metrics.lookups.WithLabelValues(result).Inc() }

// Metrics serves the metrics in Prometheus' text format.
func (h *Handler) Metrics() http.Handler { return h.metrics.handler() }

// Registry is what Metrics serves, for others to register theirs.
func (h *Handler) Registry() prometheus.Registerer { return h.metrics.registry }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The server bounds the handshake and the headers only. A recorder in a test has no deadlines.
	control, now := http.NewResponseController(w), time.Now()
	_ = control.SetWriteDeadline(now.Add(writeTimeout))
	if h.draining.Load() {
		// Kept-alive connections of the API server would otherwise outlive the listener.
		w.Header().Set("Connection", "close")
	}
	h.mux.ServeHTTP(w, r)
}

// admission makes of a call, whose request is read, a verdict.
type admission func(context.Context, *call) (verdict, error)

// judging reads a subject of the request, asks the policy in force about it and judges it.
func (h *Handler) judging(
	read func(*request) (*pod.Subject, error), judge func(*pod.Subject, policy.Ruling) verdict,
) admission {
	return func(ctx context.Context, c *call) (_ verdict, err error) {
		p := h.policy.Load()
		if p == nil {
			return verdict{}, &fault{http.StatusServiceUnavailable, "no policy could be read yet"}
		}
		if c.subject, err = read(c.request); err != nil || c.subject == nil {
			return verdict{}, err
		}
		labels, err := h.cluster.labels(ctx, c.subject.Namespace, p)
		if err != nil {
			return verdict{}, err
		}
		v := judge(c.subject, bounded(ctx, p.For(c.subject, labels), c.subject))
		v.policy = p.Hash
		return v, nil
	}
}

// validating judges pods and workloads, and the pod templates of custom resources.
func (h *Handler) validating() admission {
	ownKinds := h.judging(readNew, validate)
	return func(ctx context.Context, c *call) (verdict, error) {
		if p := h.policy.Load(); p != nil {
			if rows := customTemplates(c.request, p); rows != nil {
				labels, err := h.cluster.labels(ctx, c.request.Namespace, p)
				if err != nil {
					return verdict{}, err
				}
				v := validateCustom(ctx, c.request, rows, p, labels)
				c.subject = v.subject
				return v, nil
			}
		}
		return ownKinds(ctx, c)
	}
}

func (h *Handler) vetPolicy(ctx context.Context, c *call) (verdict, error) {
	return vetPolicy(ctx, c.request, h.cluster, &h.loading.one, c.hold.take)
}

// endpoint answers reviews with admit. Whatever keeps it from judging is a plain HTTP error.
func (h *Handler) endpoint(name string, l *lane, admit admission) http.Handler {
	duration := h.metrics.duration.WithLabelValues(name)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		defer func() { duration.Observe(time.Since(start).Seconds()) }()
		c := &call{endpoint: name, hold: &hold{lane: l, caller: callerOf(r)}}
		defer c.hold.keep(0)
		answer, err := h.answer(w, r, c, admit)
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer) // the caller has gone: nobody is left to tell
		sent(answer)
	})
}

// callerOf is whoever calls: the name in his certificate where he has shown one, else his address.
func callerOf(r *http.Request) string {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return r.TLS.PeerCertificates[0].Subject.String()
	}
	return budget.Host(r.RemoteAddr)
}

// answer reads and judges a review. When it returns, the answer is all that the review holds: a caller who does not
// read it holds nobody up.
func (h *Handler) answer(
	w http.ResponseWriter, r *http.Request, c *call, admit admission,
) (answer []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = h.panicked(c, cause)
		} else if err != nil {
			h.failed(c, err)
		}
		c.hold.leave()
		c.hold.release()
		c.hold.keep(perCall + int64(len(answer)))
	}()
	if err := c.hold.take(perCall); err != nil {
		return nil, err
	}
	c.body, err = c.hold.read(w, r)
	if err != nil {
		return nil, err
	}
	// After the body, so that callers who stall hold nobody up.
	if err := c.hold.place(); err != nil {
		return nil, err
	}
	if err := c.decode(); err != nil {
		return nil, err
	}
	v, err := admit(r.Context(), c)
	if err != nil {
		return nil, err
	}
	if r.Context().Err() != nil {
		return nil, gone()
	}
	if answer, err = respond(c.request, v); err != nil {
		return nil, err
	}
	h.metrics.observe(c.endpoint, c.request, v)
	h.logBacklog(c.request, v)
	c.request.room.Leave()
	return answer, nil
}

// panicked logs a rule that panicked. The server goes on, and failurePolicy decides about the pod.
func (h *Handler) panicked(c *call, cause any) error {
	h.metrics.panics.Inc()
	h.metrics.reviews.WithLabelValues(c.endpoint, "error").Inc()
	h.log.Error("panic", append(c.about(), "cause", rules.Legible(fmt.Sprint(cause), maxError),
		"stack", string(debug.Stack()))...)
	return &fault{http.StatusInternalServerError, "internal error, the log has the details"}
}

// failed tells of a review that cannot be judged.
func (h *Handler) failed(c *call, err error) {
	h.metrics.reviews.WithLabelValues(c.endpoint, "error").Inc()
	h.log.Warn("cannot judge", append(c.about(), "code", codeOf(err), "error", words(err))...)
}

// fail answers without a review.
func fail(w http.ResponseWriter, err error) {
	code := codeOf(err)
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, "podvet: "+words(err), code)
}

func codeOf(err error) int {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.code
	}
	return http.StatusInternalServerError
}

// logBacklog logs a pod whose findings the mode keeps from having an effect: what a team has to fix before enforce.
func (h *Handler) logBacklog(r *request, v verdict) {
	if len(v.findings) == 0 || r.DryRun || v.subject.Template ||
		v.mode != policy.ModeAudit && v.mode != policy.ModeWarn {
		return
	}
	finding := func(f rules.Finding) string { return f.Uncapped.String() + " " + placeOf(f) }
	h.log.Info("findings", "namespace", legible(r.Namespace), "name", legible(v.subject.Name),
		"kind", legible(v.subject.OwnerKind), "mode", v.mode, "findings", listed(v.findings, finding, "%d more"))
}
