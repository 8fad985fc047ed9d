package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// Certificate is where the serving certificate comes from.
type Certificate interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Run(ctx context.Context) error // keeps it good until ctx ends
	Ready() error                  // why none can be served that callers can verify
}

// readyInterval is how old what /readyz says may be. To verify a certificate takes milliseconds, and anyone may ask.
const readyInterval = 500 * time.Millisecond

// readiness is what is missing before podvet can answer as it should. A new reason is logged: the kubelet shows none.
type readiness struct {
	handler     *Handler
	certificate Certificate
	listening   atomic.Bool
	last        atomic.Pointer[error]
	told        said
}

// missing says it as it was last seen, nil for nothing.
func (r *readiness) missing() error {
	if r.handler.draining.Load() {
		return errors.New("shutting down")
	}
	if !r.listening.Load() {
		return errors.New("podvet does not listen yet")
	}
	return *r.last.Load()
}

// follow looks until ctx ends.
func (r *readiness) follow(ctx context.Context) {
	ticker := time.NewTicker(readyInterval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		r.look()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func (r *readiness) look() {
	err := r.handler.cluster.Ready()
	if err == nil {
		err = r.certificate.Ready()
	}
	r.last.Store(&err)
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	switch {
	case !r.told.changed(withoutNumbers(reason)):
	case err != nil:
		r.handler.log.Warn("not ready", "reason", reason)
	default:
		r.handler.log.Info("ready")
	}
}

// withoutNumbers makes reasons the same that only say how late it is.
func withoutNumbers(reason string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return '0'
		}
		return r
	}, reason)
}
