package certs_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/podvet/podvet/certs"
)

// A pause stops a replica once, at a step of a rotation.
type pause struct {
	step string // see steps
	stop func() // returns when it goes on

	mu    sync.Mutex
	armed bool
	hit   bool
}

// at is called by every replica at each of its steps.
func (p *pause) at(step string) {
	p.mu.Lock()
	stop := p.armed && !p.hit && strings.Contains(step, p.step)
	p.hit = p.hit || stop
	p.mu.Unlock()
	if stop {
		p.stop()
	}
}

func (p *pause) arm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = true
}

func (p *pause) wasHit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// into makes a replica come by: each request to the API server is two steps, and each log line, of the library's too,
// is one.
func (p *pause) into(o *certs.SelfManagedOptions) {
	o.Config.Wrap(p.between())
	o.Log = slog.New(&logSteps{o.Log.Handler(), p})
}

// between makes two steps of each request.
func (p *pause) between() func(http.RoundTripper) http.RoundTripper {
	counts, mu := map[string]int{}, sync.Mutex{}
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			path := strings.Split(r.URL.Path, "/")
			resource := path[len(path)-2]
			request := r.Method + " " + resource
			p.mu.Lock()
			armed := p.armed
			p.mu.Unlock()
			mu.Lock()
			if armed && r.URL.Query().Get("watch") == "" {
				counts[request]++
			}
			name := fmt.Sprintf("%s %d", request, counts[request])
			mu.Unlock()
			p.at("before " + name)
			resp, err := next.RoundTrip(r)
			p.at("after " + name)
			return resp, err
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// logSteps is a handler that comes by a pause with each message of whatever level.
type logSteps struct {
	slog.Handler
	pause *pause
}

func (l *logSteps) Enabled(context.Context, slog.Level) bool { return true }

func (l *logSteps) Handle(ctx context.Context, r slog.Record) error {
	l.pause.at("log " + r.Message)
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

func (l *logSteps) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logSteps{l.Handler.WithAttrs(attrs), l.pause}
}

func (l *logSteps) WithGroup(name string) slog.Handler {
	return &logSteps{l.Handler.WithGroup(name), l.pause}
}
