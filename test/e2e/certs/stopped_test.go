package certs_test

import (
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// stopped tells whether a process is stopped by a signal.
func stopped(t *testing.T, p *os.Process) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "T")
}

// watched is a way to the API server, as podvet of the site, that comes by a pause with each request and each answer.
func (s *site) watched(t *testing.T, p *pause) (address string) {
	t.Helper()
	target, err := url.Parse(env.API.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(s.options(env.API.Config).Config) // clients send no token over plain HTTP
	if err != nil {
		t.Fatal(err)
	}
	way := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     p.between()(transport),
		FlushInterval: -1, // watches
	}
	web := httptest.NewServer(way)
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	return web.URL
}

// TestGateOfStoppedProcess stops one of two podvet processes for 10 s at steps of a rotation, and for longer than its
// leaf is valid: when it goes on, it serves nothing that does not verify.
func TestGateOfStoppedProcess(t *testing.T) {
	t.Parallel()
	for _, step := range []string{
		"before GET secrets 1", // it has sent the request, and will see the answer of 10 s ago
		"after GET secrets 1",
		"before PATCH mutatingwebhookconfigurations",
		"after PATCH mutatingwebhookconfigurations",
		"after PATCH validatingwebhookconfigurations",
		"after GET validatingwebhookconfigurations 2",
		"log certificate in use",
	} {
		t.Run(strings.ReplaceAll(step, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, true)
			var victim atomic.Pointer[podvet.Server] // whichever comes by first
			var pauses []*pause
			var replicas []*podvet.Server
			for range 2 {
				p := &pause{step: step}
				r := s.selfManaged(t, env.PolicyNamespace(t, s.namespace, s.watched(t, p)))
				p.stop = func() {
					if victim.CompareAndSwap(nil, r) {
						_ = r.Process.Signal(syscall.SIGSTOP)
					}
				}
				pauses, replicas = append(pauses, p), append(replicas, r)
			}
			ca := s.storedCA(t)
			c := s.call(t, handshake(replicas...)...)
			c.awaitServed(t, ca, 10*time.Second)
			time.Sleep(lag)
			for _, p := range pauses {
				p.arm()
			}
			s.setSecret(t, nil)
			ca = s.rotated(t, ca, 25*time.Second)
			if !podvet.Await(t.Context(), 30*time.Second, func() bool {
				for i, r := range replicas {
					if inUse(t, r) > 1 {
						pauses[i].at("log certificate in use")
					}
				}
				v := victim.Load()
				return v != nil && stopped(t, v.Process)
			}) {
				t.Fatal("no replica came by this step")
			}
			time.Sleep(10 * time.Second)
			if err := victim.Load().Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			c.awaitServed(t, ca, 30*time.Second)
			c.check(t, true)
		})
	}
	t.Run("until-its-leaf-expires", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, true)
		kubeconfig := env.PolicyNamespace(t, s.namespace, "")
		a, b := s.selfManaged(t, kubeconfig, "--leaf-duration", "15s"),
			s.selfManaged(t, kubeconfig, "--leaf-duration", "15s")
		c := s.call(t, handshake(a, b)...)
		c.awaitServed(t, s.storedCA(t), 10*time.Second)
		if err := a.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if err := a.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		c.check(t, true)
		if len(c.refused) < 3 {
			t.Errorf("it was not stopped: %d handshakes refused", len(c.refused))
		}
	})
}
