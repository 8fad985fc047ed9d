package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
}

// certificate makes one in a folder.
func certificate(t *testing.T, h *Handler, dir string) Certificate {
	t.Helper()
	if err := certs.Local(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	files, err := certs.NewFiles(dir, slog.New(slog.DiscardHandler), h.Registry())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// serve starts a server and returns its URL, a client that trusts it, and its end.
func serve(t *testing.T, h *Handler, o ServeOptions) (url string, client *http.Client, stop func(), done chan error) {
	t.Helper()
	dir := t.TempDir()
	o.Address, o.Port, o.Certificate = "127.0.0.1", freePort(t), certificate(t, h, dir)
	ca, err := os.ReadFile(filepath.Join(dir, certs.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	client = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	o.Started = func() { close(started) }
	done = make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		done <- h.Serve(ctx, o)
	}()
	select {
	case <-started:
	case err := <-done:
		t.Fatalf("ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Fatal("not started within 10 s")
	}
	t.Cleanup(func() {
		cancel()
		transport.CloseIdleConnections()
		<-ended
	})
	return "https://127.0.0.1:" + strconv.Itoa(o.Port), client, cancel, done
}

// TestServeAndDrain: over TLS and HTTP/2, and on the way out still serving, unready, asking callers to go.
func TestServeAndDrain(t *testing.T) {
	h := newTestHandler(t, "")
	health, metrics := freeAddress(t), freeAddress(t)
	url, client, stop, done := serve(t, h,
		ServeOptions{ShutdownDelay: 2 * time.Second, HealthAddress: health, MetricsAddress: metrics})
	review := reviewOf(t, badPod)
	send := func() *http.Response {
		t.Helper()
		resp, err := client.Post(url+"/validate", "application/json", bytes.NewReader(review))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("probe-port-unresolved")) {
			t.Fatalf("HTTP %d: %s", resp.StatusCode, body)
		}
		return resp
	}
	if resp := send(); resp.ProtoMajor != 2 || resp.Close {
		t.Errorf("HTTP/%d, close %v", resp.ProtoMajor, resp.Close)
	}
	ready := func() int {
		t.Helper()
		resp, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if code := ready(); code != 200 {
		t.Errorf("/readyz %d while serving", code)
	}
	stop()
	waitFor(t, func() bool { return ready() == 503 })
	send() // still served, on a connection that the server closes after it
	waitFor(t, func() bool { return h.draining.Load() })
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("does not end")
	}
	if _, err := client.Post(url+"/validate", "application/json", bytes.NewReader(review)); err == nil {
		t.Error("still answers")
	}
}

func TestDrainingClosesConnections(t *testing.T) {
	h := newTestHandler(t, "")
	if got := post(h, "/validate", reviewOf(t, badPod)).Header().Get("Connection"); got != "" {
		t.Errorf("Connection: %s while serving", got)
	}
	h.draining.Store(true)
	if got := post(h, "/validate", reviewOf(t, badPod)).Header().Get("Connection"); got != "close" {
		t.Errorf("Connection: %q while draining", got)
	}
}

func TestServeErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	for want, o := range map[string]ServeOptions{
		"in use by another process: stop it, or choose another with --port": {Address: "127.0.0.1", Port: port},
		"in use by another process: stop it, or choose another with --metrics-address": {
			Address: "127.0.0.1", Port: freePort(t), MetricsAddress: taken.Addr().String()},
		"in use by another process: stop it, or choose another with --health-address": {
			Address: "127.0.0.1", Port: freePort(t), HealthAddress: taken.Addr().String()},
		"--port 0 is not a valid port":     {Port: 0},
		"--port 70000 is not a valid port": {Port: 70000},
	} {
		h := NewHandler(policy.Default(catalogue.All), 0, slog.New(slog.DiscardHandler))
		o.Certificate = certificate(t, h, dir)
		err := h.Serve(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("not within 10 s")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
