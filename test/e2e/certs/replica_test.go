package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// A replica runs in this process: a source of certificates and a listener that does handshakes with it.
type replica struct {
	source  *certs.SelfManaged
	address string
	metrics *prometheus.Registry
	log     *logBuffer
	ended   chan error // what Run returned
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// serve starts a replica. change may alter its options.
func (s *site) serve(t *testing.T, change func(*certs.SelfManagedOptions)) *replica {
	t.Helper()
	r := &replica{metrics: prometheus.NewRegistry(), log: &logBuffer{}, ended: make(chan error, 1)}
	o := s.options(env.API.Config)
	o.Log, o.Metrics = slog.New(slog.NewTextHandler(r.log, nil)), r.metrics
	if change != nil {
		change(&o)
	}
	var err error
	if r.source, err = certs.NewSelfManaged(o); err != nil {
		t.Fatal(err)
	}
	web, address, err := handshakes(r.source)
	if err != nil {
		t.Fatal(err)
	}
	r.address = address
	ctx, cancel := context.WithCancel(t.Context())
	go func() { r.ended <- r.source.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		web.Close()
		if err := <-r.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if t.Failed() {
			t.Logf("log of %s: %s", r.address, r.log)
		}
	})
	return r
}

// allow answers each review with yes, on a connection of its own.
func allow(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "no review", http.StatusBadRequest)
		return
	}
	review.Response, review.Request = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}, nil
	w.Header().Set("Connection", "close")
	_ = json.NewEncoder(w).Encode(review)
}

// handshakes serves TLS with a source, and allows everything.
func handshakes(source *certs.SelfManaged) (web *http.Server, address string, err error) {
	config := &tls.Config{GetCertificate: source.GetCertificate, MinVersion: tls.VersionTLS12}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, "", err
	}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	web = &http.Server{Handler: http.HandlerFunc(allow), ErrorLog: quiet, ReadHeaderTimeout: time.Minute}
	go web.Serve(listener)
	return web, listener.Addr().String(), nil
}

var saidWait = regexp.MustCompile(`^the CA bundle was written just now: ready in (\d+s), `)

// awaitReady returns the longest time that the replica said it waits for API servers.
func (r *replica) awaitReady(t *testing.T, limit time.Duration) (longest time.Duration) {
	t.Helper()
	var err error
	if !podvet.Await(t.Context(), limit, func() bool {
		if err = r.source.Ready(); err == nil {
			return true
		}
		if said := saidWait.FindStringSubmatch(err.Error()); said != nil {
			wait, _ := time.ParseDuration(said[1])
			longest = max(longest, wait)
		}
		return false
	}) {
		t.Fatalf("not ready after %v: %v", limit, err)
	}
	return longest
}

// awaitUnready waits for a reason with all the words, in one line.
func (r *replica) awaitUnready(t *testing.T, limit time.Duration, words ...string) {
	t.Helper()
	var err error
	if !podvet.Await(t.Context(), limit, func() bool {
		err = r.source.Ready()
		return err != nil && !slices.ContainsFunc(words,
			func(w string) bool { return !strings.Contains(err.Error(), w) })
	}) {
		t.Fatalf("it says %v, not %q", err, words)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
	t.Logf("not ready: %v", err)
}

// scrape is the metrics of a replica by name, with their labels.
func (r *replica) scrape(t *testing.T) map[string][]float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			values[family.GetName()] = append(values[family.GetName()], m.GetGauge().GetValue())
		}
	}
	return values
}
