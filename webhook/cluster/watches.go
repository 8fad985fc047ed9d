package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// An open watch says nothing of rights that were taken since it began, nor of a connection that leads nowhere. So each
// is asked for this long, and made again; one that the API server does not end in time is given up.
const (
	watchRenewed = 15 * time.Second
	watchGivenUp = 20 * time.Second
)

// A watch follows while something was heard of it within heardWithin, and within failsWithin where the last attempt to
// make it failed: API servers restart, and most are back by then. With watchRenewed that makes less than 30 s.
const (
	heardWithin = 25 * time.Second
	failsWithin = 10 * time.Second
)

// Watches sees all watches that go through its transport, whoever makes them, and tells which no longer follow.
type Watches struct {
	log *slog.Logger

	mu  sync.Mutex
	all map[string]*watching // by what is watched, such as namespaces or configmaps/podvet-policy
}

// watching is what is known of one watch.
type watching struct {
	heard  time.Time // when the API server last answered or sent something; at first when it was first asked
	failed string    // why the last attempt failed, "" where it did not
	lost   bool      // it was said that it no longer follows
}

func (w *watching) follows(now time.Time) bool {
	silent := now.Sub(w.heard)
	return silent < failsWithin || silent < heardWithin && w.failed == ""
}

// NewWatches sees nothing yet.
func NewWatches(log *slog.Logger) *Watches { return &Watches{log: log, all: map[string]*watching{}} }

const followsHelp = "1 while podvet follows the objects that it watches in the API server, 0 at most 30 s after it " +
	"no longer does: what it knows of them may be old."

var followsDesc = prometheus.NewDesc("podvet_watch_follows", followsHelp, []string{"watched"}, nil)

// Describe is for Prometheus.
func (w *Watches) Describe(to chan<- *prometheus.Desc) { to <- followsDesc }

// Collect is for Prometheus.
func (w *Watches) Collect(to chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, watch := range w.all {
		value := 0.0
		if watch.follows(time.Now()) {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(followsDesc, prometheus.GaugeValue, value, what)
	}
}

// Run says in the log, once each, which watch no longer follows, and when it does again, until ctx ends.
func (w *Watches) Run(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			w.tell(now)
		}
	}
}

func (w *Watches) tell(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(w.all)) {
		watch := w.all[what]
		follows := watch.follows(now)
		if follows != watch.lost {
			continue
		}
		if watch.lost = !follows; follows {
			w.log.Info("followed again", "what", what)
			continue
		}
		reason := watch.failed
		if reason == "" {
			reason = "the API server sends nothing"
		}
		w.log.Error("no longer followed: what podvet knows of it may be old", "what", what, "reason", reason)
	}
}

// Transport is for rest.Config.Wrap.
func (w *Watches) Transport(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		query := r.URL.Query()
		if r.Method != http.MethodGet || query.Get("watch") != "true" {
			return next.RoundTrip(r)
		}
		what := watched(r.URL.Path, query.Get("fieldSelector"))
		w.note(what, func(watch *watching, now time.Time) {
			if watch.heard.IsZero() {
				watch.heard = now
			}
		})
		// The first watch also sends what there is, which may take longer: that is not cut while it is being sent.
		initial := query.Get("sendInitialEvents") == "true"
		if !initial {
			query.Set("timeoutSeconds", strconv.Itoa(int(watchRenewed.Seconds())))
			r = r.Clone(r.Context())
			r.URL.RawQuery = query.Encode()
		}
		answer, err := next.RoundTrip(r)
		if why := failure(answer, err); why != "" {
			w.note(what, func(watch *watching, _ time.Time) { watch.failed = why })
		}
		if err != nil || answer.StatusCode != http.StatusOK {
			return answer, err
		}
		heard := func() { w.note(what, func(watch *watching, now time.Time) { watch.heard, watch.failed = now, "" }) }
		heard()
		answer.Body = newStream(answer.Body, initial, heard)
		return answer, nil
	})
}

func (w *Watches) note(what string, note func(*watching, time.Time)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	watch := w.all[what]
	if watch == nil {
		watch = &watching{}
		w.all[what] = watch
	}
	note(watch, time.Now())
}

type roundTripper func(*http.Request) (*http.Response, error)

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// watched names what a request watches: the resource, and the object if it is one.
func watched(url, selector string) string {
	what := path.Base(url)
	if parsed, err := fields.ParseSelector(selector); err == nil {
		if name, one := parsed.RequiresExactMatch("metadata.name"); one {
			what += "/" + name
		}
	}
	return what
}

// failure says why a watch could not be made, "" where it could.
func failure(answer *http.Response, err error) string {
	switch {
	case errors.Is(err, context.Canceled): // podvet ends
		return ""
	case err != nil:
		return "the API server cannot be reached: " + err.Error()
	case answer.StatusCode == http.StatusForbidden:
		return "podvet has no right to watch it"
	case answer.StatusCode == http.StatusUnauthorized:
		return "the API server does not accept podvet's token"
	case answer.StatusCode != http.StatusOK:
		return fmt.Sprintf("the API server answers %d %s", answer.StatusCode,
			strings.TrimSpace(http.StatusText(answer.StatusCode)))
	}
	return ""
}

// stream is the body of a watch. It ends where it would last too long.
type stream struct {
	io.ReadCloser

	heard   func()
	initial bool // what there is is still being sent
	last    []byte
	timer   *time.Timer
	givenUp atomic.Bool
}

// initialEnd is in what the API server sends after all that there is, as JSON and as protobuf.
var initialEnd = []byte(metav1.InitialEventsAnnotationKey)

func newStream(body io.ReadCloser, initial bool, heard func()) *stream {
	s := &stream{ReadCloser: body, heard: heard, initial: initial}
	s.timer = time.AfterFunc(watchGivenUp, func() {
		s.givenUp.Store(true)
		_ = body.Close()
	})
	return s
}

func (s *stream) Read(into []byte) (int, error) {
	n, err := s.ReadCloser.Read(into)
	if n > 0 {
		s.heard()
		if s.initial {
			s.seen(into[:n])
		}
	}
	if err != nil {
		s.timer.Stop()
	}
	if err != nil && s.givenUp.Load() {
		err = io.EOF // as if the API server had ended it: what was heard so far is still good
	}
	return n, err
}

// seen looks for the end of what there is: from then on the watch lasts as long as any other.
func (s *stream) seen(text []byte) {
	s.last = append(s.last, text...)
	if bytes.Contains(s.last, initialEnd) {
		s.initial, s.last = false, nil
		s.timer.Reset(watchRenewed)
		return
	}
	s.timer.Reset(watchGivenUp)
	s.last = append([]byte(nil), s.last[max(len(s.last)-len(initialEnd), 0):]...) // it may come in two parts
}

func (s *stream) Close() error {
	s.timer.Stop()
	return s.ReadCloser.Close()
}
