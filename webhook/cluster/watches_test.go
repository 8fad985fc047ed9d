package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// apiServer answers watches with a status, or not at all, and keeps them open for as long as they ask for.
type apiServer struct {
	status int
	err    error
	hangs  bool // it never ends a watch

	mu    sync.Mutex
	asked []string
}

func (a *apiServer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.URL.RawQuery)
	if a.err != nil {
		return nil, a.err
	}
	out, in := io.Pipe()
	context.AfterFunc(r.Context(), func() { _ = in.Close() })
	if a.status != http.StatusOK {
		_ = in.Close()
	} else if limit, err := time.ParseDuration(r.URL.Query().Get("timeoutSeconds") + "s"); err == nil && !a.hangs {
		time.AfterFunc(limit, func() { _ = in.Close() })
	}
	return &http.Response{StatusCode: a.status, Body: out}, nil
}

// change makes it answer otherwise from now on.
func (a *apiServer) change(change func(*apiServer)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *apiServer) asksFor() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

const (
	namespacesURL = "https://api/api/v1/namespaces?watch=true&timeoutSeconds=400"
	initialURL    = "https://api/api/v1/namespaces?watch=true&sendInitialEvents=true"
	policyURL     = "https://api/api/v1/namespaces/n/configmaps?watch=true&fieldSelector=metadata.name%3Dpolicy"
)

// follow watches as client-go does: when a watch has ended or could not be made, it is made again.
func follow(t *testing.T, transport http.RoundTripper, url string) {
	for t.Context().Err() == nil {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Error(err)
			return
		}
		answer, err := transport.RoundTrip(request)
		if err == nil {
			if _, err := io.Copy(io.Discard, answer.Body); err != nil {
				t.Errorf("the watch ended with %v", err)
			}
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				continue
			}
		}
		time.Sleep(5 * time.Second)
	}
}

// TestWatches: within 30 s it is seen that a watch no longer follows, whatever the reason, and it is said once.
func TestWatches(t *testing.T) {
	for what, fault := range map[string]struct {
		cause  func(*apiServer)
		reason string
	}{
		"rights removed": {func(a *apiServer) { a.status = http.StatusForbidden }, "podvet has no right to watch it"},
		"token revoked": {func(a *apiServer) { a.status = http.StatusUnauthorized },
			"the API server does not accept podvet's token"},
		"overloaded": {func(a *apiServer) { a.status = http.StatusTooManyRequests },
			"the API server answers 429 Too Many Requests"},
		"unreachable": {func(a *apiServer) { a.err = errors.New("connection refused") },
			"the API server cannot be reached: connection refused"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				w := NewWatches(slog.New(slog.NewTextHandler(&log, nil)))
				api := &apiServer{status: http.StatusOK}
				go follow(t, w.Transport(api), policyURL)
				go w.Run(t.Context())
				is := func(follows string) {
					t.Helper()
					synctest.Wait()
					want := "# HELP podvet_watch_follows " + followsHelp + "\n# TYPE podvet_watch_follows gauge\n" +
						"podvet_watch_follows{watched=\"configmaps/policy\"} " + follows + "\n"
					if err := testutil.CollectAndCompare(w, strings.NewReader(want)); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(10*time.Minute + time.Second)
				is("1")
				api.change(fault.cause)
				time.Sleep(30 * time.Second)
				is("0")
				time.Sleep(10 * time.Minute)
				is("0")
				api.change(func(a *apiServer) { a.status, a.err = http.StatusOK, nil })
				time.Sleep(10 * time.Second)
				is("1")
				if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, fault.reason) ||
					!strings.Contains(got, "followed again") {
					t.Errorf("logged:\n%s", got)
				}
			})
		})
	}
}

// TestSilentWatches: a connection that leads nowhere is given up, as if the API server had ended the watch, and one
// that is made again is asked for a short time.
func TestSilentWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWatches(slog.New(slog.DiscardHandler))
		api := &apiServer{status: http.StatusOK, hangs: true}
		go follow(t, w.Transport(api), namespacesURL)
		go follow(t, w.Transport(api), initialURL)
		time.Sleep(watchGivenUp - time.Second)
		synctest.Wait()
		if asked := api.asksFor(); len(asked) != 2 {
			t.Errorf("too soon: %q", asked)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		asked := api.asksFor()
		if len(asked) != 4 {
			t.Errorf("not given up: %q", asked)
		}
		for _, query := range asked {
			if !strings.Contains(query, "sendInitialEvents") && !strings.Contains(query, "timeoutSeconds=15") {
				t.Errorf("asked for %s", query)
			}
		}
	})
}

// TestInitialWatch: the watch that sends what there is, however long that takes, lasts no longer than others after
// that, also where it is never silent.
func TestInitialWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, in := io.Pipe()
		ended := make(chan time.Time)
		go func() {
			_, _ = io.Copy(io.Discard, newStream(out, true, func() {}))
			ended <- time.Now()
		}()
		send := func(text string) {
			if _, err := io.WriteString(in, text); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
		for range 100 {
			send("what there is")
		}
		send("...\"k8s.io/initial-")
		send("events-end\": \"true\"...")
		last := time.Now().Add(-time.Second)
		for range 13 {
			send("what is new")
		}
		if lasted := (<-ended).Sub(last); lasted != watchRenewed {
			t.Errorf("it lasted %v", lasted)
		}
	})
}

// TestOtherRequests are no watches.
func TestOtherRequests(t *testing.T) {
	w := NewWatches(slog.New(slog.DiscardHandler))
	api := &apiServer{err: errors.New("refused")}
	const url = "https://api/api/v1/namespaces?limit=1"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Transport(api).RoundTrip(request); err == nil || testutil.CollectAndCount(w) != 0 {
		t.Errorf("%v, %d watches", err, testutil.CollectAndCount(w))
	}
}
