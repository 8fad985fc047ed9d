// Package webhook is the admission server: it decodes a review, chooses the plan, has the rules vet the
// object and answers. A review does no I/O.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// maxBody is the longest review in bytes, as in controller-runtime. The API server's own limit for an
// object is 3 MiB, and an update carries two.
const maxBody = 7 << 20

// A body is read into firstBuffer bytes, whatever its length is said to be, and into more as it comes. Up to ordinaryBody,
// which few pods are longer than, bodies share one maxHeld, and what goes beyond shares another: callers who stall must
// not fill the memory, and those with long bodies not hold up the others.
const (
	firstBuffer  = 4 << 10
	ordinaryBody = 64 << 10
	maxHeld      = 32 << 20
)

// readTimeout is how long a body may take, and writeTimeout how long all: a review takes milliseconds, and the API server
// waits for 30 s at most.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 20 * time.Second
)

// Handler answers AdmissionReviews at /mutate and /validate.
type Handler struct {
	mux      *http.ServeMux
	log      *slog.Logger
	metrics  *metrics
	policy   atomic.Pointer[policy.Policy]
	slots    chan struct{}       // nil: no limit
	ordinary *semaphore.Weighted // bytes of bodies up to ordinaryBody
	long     *semaphore.Weighted // and of what goes beyond
	draining atomic.Bool
	cluster  *Cluster   // nil without one
	loading  sync.Mutex // of policies: 1 MiB of one takes 100 MB for a moment, so one after the other
}

// NewHandler judges by the given policy until SetPolicy gives another; nil for none yet. At most maxConcurrent reviews are
// judged at once, 0 for no limit.
func NewHandler(p *policy.Policy, maxConcurrent int, log *slog.Logger) *Handler {
	h := &Handler{mux: http.NewServeMux(), log: log, metrics: newMetrics(), ordinary: semaphore.NewWeighted(maxHeld), long: semaphore.NewWeighted(maxHeld)}
	if maxConcurrent > 0 {
		h.slots = make(chan struct{}, maxConcurrent)
	}
	if p != nil {
		h.SetPolicy(p, fromDefault)
	}
	h.mux.Handle("POST /mutate", h.endpoint("mutate", h.mutate))
	h.mux.Handle("POST /validate", h.endpoint("validate", h.validate))
	h.mux.Handle("POST /validate-policy", h.endpoint("validate-policy", h.vetPolicy))
	return h
}

// SetPolicy puts a policy in force that came from source. Each request sees one policy, whole.
func (h *Handler) SetPolicy(p *policy.Policy, source string) {
	h.policy.Store(p)
	h.metrics.policyInForce(p, source)
}

// Metrics serves the metrics in Prometheus' text format.
func (h *Handler) Metrics() http.Handler { return h.metrics.handler() }

// Registry is what Metrics serves, for others to register theirs.
func (h *Handler) Registry() prometheus.Registerer { return h.metrics.registry }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// controller-runtime's server bounds the handshake and the headers only. A recorder in a test has no deadlines.
	control, now := http.NewResponseController(w), time.Now()
	_ = control.SetReadDeadline(now.Add(readTimeout))
	_ = control.SetWriteDeadline(now.Add(writeTimeout))
	if h.draining.Load() {
		// Kept-alive connections of the API server would otherwise outlive the listener.
		w.Header().Set("Connection", "close")
	}
	h.mux.ServeHTTP(w, r)
}

// endpoint answers reviews with admit. Whatever keeps it from judging is a plain HTTP error.
func (h *Handler) endpoint(name string, admit func(context.Context, *request, *policy.Policy) (verdict, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		var req *request
		defer func() {
			if cause := recover(); cause != nil {
				h.panicked(w, name, req, cause)
			}
			h.metrics.duration.WithLabelValues(name).Observe(time.Since(start).Seconds())
		}()
		body, release, err := h.readBody(w, r)
		defer release()
		if err != nil {
			h.fail(w, name, nil, err)
			return
		}
		// After the body, so that callers who stall hold nobody up.
		if !h.enter() {
			h.fail(w, name, nil, tooMany())
			return
		}
		leave := sync.OnceFunc(h.leave)
		defer leave()
		if req, err = decodeReview(body); err != nil {
			h.fail(w, name, nil, err)
			return
		}
		inForce := h.policy.Load()
		if inForce == nil && name != "validate-policy" {
			h.fail(w, name, req, &fault{http.StatusServiceUnavailable, "no policy could be read yet"})
			return
		}
		v, err := admit(r.Context(), req, inForce)
		if err != nil {
			h.fail(w, name, req, err)
			return
		}
		answer, err := respond(req, inForce, v)
		if err != nil {
			h.fail(w, name, req, err)
			return
		}
		h.metrics.observe(name, req, v)
		h.logBacklog(req, v)
		// A caller who does not read holds nobody up either, nor more than the answer.
		req = nil
		leave()
		release()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer) // the caller has gone: nobody is left to tell
	})
}

func (h *Handler) enter() bool {
	if h.slots == nil {
		return true
	}
	select {
	case h.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (h *Handler) leave() {
	if h.slots != nil {
		<-h.slots
	}
}

// readBody reads all of the body. release, which is never nil, gives back what the body takes of the two.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	var ordinary, long int64
	release = sync.OnceFunc(func() { h.ordinary.Release(ordinary); h.long.Release(long) })
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, release, &fault{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type is %q: send application/json", r.Header.Get("Content-Type"))}
	}
	if r.ContentLength > maxBody {
		return nil, release, tooLong()
	}
	limited := http.MaxBytesReader(w, r.Body, maxBody)
	buffer := make([]byte, 0, firstBuffer)
	for {
		n, err := limited.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case errors.Is(err, io.EOF):
			return buffer, release, nil
		case errors.As(err, new(*http.MaxBytesError)):
			return nil, release, tooLong()
		case err != nil:
			return nil, release, badRequest("reading the body: %v", err)
		}
		if len(buffer) < cap(buffer) {
			continue
		}
		// One byte more than is said lets the end be seen.
		longer := min(4*cap(buffer), maxBody+1)
		if said := int(r.ContentLength) + 1; said > cap(buffer) {
			longer = min(longer, said)
		}
		share, mine := h.ordinary, &ordinary
		if longer > ordinaryBody+1 {
			share, mine = h.long, &long
		}
		more := int64(longer) - *mine
		if !share.TryAcquire(more) {
			return nil, release, tooMany()
		}
		*mine += more
		buffer = append(make([]byte, 0, longer), buffer...)
	}
}

func tooMany() *fault {
	return &fault{http.StatusTooManyRequests, "too many reviews at once: try again"}
}

func tooLong() *fault {
	return &fault{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is over %d bytes", maxBody)}
}

// fail answers without a review.
func (h *Handler) fail(w http.ResponseWriter, endpoint string, r *request, err error) {
	code := http.StatusInternalServerError
	if f, ok := errors.AsType[*fault](err); ok {
		code = f.code
	}
	if code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	h.metrics.reviews.WithLabelValues(endpoint, "error").Inc()
	h.log.Warn("cannot judge", append(about(endpoint, r), "code", code, "error", err.Error())...)
	http.Error(w, "podvet: "+err.Error(), code)
}

// panicked answers for a rule that panicked: the server lives on, and failurePolicy decides about the pod.
func (h *Handler) panicked(w http.ResponseWriter, endpoint string, r *request, cause any) {
	h.metrics.panics.Inc()
	h.metrics.reviews.WithLabelValues(endpoint, "error").Inc()
	h.log.Error("panic", append(about(endpoint, r), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))...)
	http.Error(w, "podvet: internal error, the log has the details", http.StatusInternalServerError)
}

// logBacklog tells of a pod whose findings the mode keeps from biting: what a team has to mend before enforce.
func (h *Handler) logBacklog(r *request, v verdict) {
	if len(v.findings) == 0 || r.DryRun || v.subject.Template || v.mode != policy.ModeAudit && v.mode != policy.ModeWarn {
		return
	}
	list := listed(v.findings, func(f rules.Finding) string { return f.Uncapped.String() + " " + placeOf(f) }, "%d more")
	h.log.Info("findings", "namespace", r.Namespace, "name", r.Name, "kind", v.subject.OwnerKind, "mode", v.mode, "findings", list)
}

func about(endpoint string, r *request) []any {
	if r == nil {
		return []any{"endpoint", endpoint}
	}
	return []any{"endpoint", endpoint, "uid", string(r.UID), "kind", r.Kind.Kind, "namespace", r.Namespace, "name", r.Name}
}
