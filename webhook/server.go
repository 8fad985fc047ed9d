package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
)

// Certificate is where the serving certificate comes from.
type Certificate interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Run(ctx context.Context) error // keeps it good until ctx ends
	Ready() error                  // why none can be served that callers can verify
}

// ServeOptions say where and how to serve.
type ServeOptions struct {
	Address        string // to listen on; "" for all
	Port           int
	Certificate    Certificate
	ClientCAs      *x509.CertPool // only callers with a certificate of theirs are answered; nil for all
	ShutdownDelay  time.Duration
	MetricsAddress string // "" for none
	HealthAddress  string // "" for none
	Started        func() // called once requests are answered; may be nil
}

// Serve answers until ctx ends. Then it is no longer ready, goes on for the shutdown delay asking every
// caller to close its connection, and finishes the open requests. The error is one line that names what to do.
func (h *Handler) Serve(ctx context.Context, o ServeOptions) error {
	// The side servers are first: a port of theirs that is taken must stop everything.
	var side []*http.Server
	defer func() {
		for _, s := range side {
			_ = s.Close()
		}
	}()
	if o.Port < 1 || o.Port > 65535 {
		return fmt.Errorf("--port %d is no port: write 1 to 65535", o.Port)
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	server := ctrlwebhook.NewServer(ctrlwebhook.Options{Host: o.Address, Port: o.Port, WebhookMux: mux,
		TLSOpts: []func(*tls.Config){o.tls}})
	for _, s := range []struct {
		flag, address string
		handler       http.Handler
	}{
		{"--metrics-address", o.MetricsAddress, h.metricsMux()},
		{"--health-address", o.HealthAddress, healthMux(h.readiness(o.Certificate, o.started(server.StartedChecker())))},
	} {
		if s.address == "" {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.address)
		if err != nil {
			return listenError(s.flag, s.address, err)
		}
		srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
		side = append(side, srv)
		go func() { _ = srv.Serve(listener) }() // ends with Close
	}

	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		<-ctx.Done()
		h.draining.Store(true)
		time.Sleep(o.ShutdownDelay)
		stop()
	}()
	// While it drains, its certificate is still renewed.
	kept := make(chan error, 1)
	go func() { kept <- o.Certificate.Run(serving) }()
	if o.Started != nil {
		go func() {
			for serving.Err() == nil {
				// A handshake without a certificate would be logged, each time.
				if _, err := o.Certificate.GetCertificate(nil); err == nil && server.StartedChecker()(nil) == nil {
					o.Started()
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
	}
	if err := server.Start(serving); err != nil {
		return listenError("--port", net.JoinHostPort(o.Address, strconv.Itoa(o.Port)), err)
	}
	stop()
	return <-kept
}

// started is controller-runtime's check, a handshake. Where callers need a certificate that is done until it succeeds once:
// it has none, and the server logs each handshake that it refuses.
func (o ServeOptions) started(check func(*http.Request) error) func(*http.Request) error {
	if o.ClientCAs == nil {
		return check
	}
	var once atomic.Bool
	return func(r *http.Request) error {
		if once.Load() {
			return nil
		}
		err := check(r)
		once.Store(err == nil)
		return err
	}
}

// tls is TLS 1.2 with forward secrecy and authenticated encryption at least; 1.3 has nothing else.
func (o ServeOptions) tls(c *tls.Config) {
	c.MinVersion = tls.VersionTLS12
	c.CipherSuites = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	c.GetCertificate = o.Certificate.GetCertificate
	if o.ClientCAs != nil {
		c.ClientCAs, c.ClientAuth = o.ClientCAs, tls.RequireAndVerifyClientCert
	}
}

// listenError says in one line why an address cannot be served, and which flag chooses another.
func listenError(flag, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another process: stop it, or choose another with %s", address, flag)
	}
	return fmt.Errorf("serving on %s: %w", address, err)
}

func (h *Handler) metricsMux() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h.Metrics())
	return mux
}

func healthMux(ready func(*http.Request) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}
