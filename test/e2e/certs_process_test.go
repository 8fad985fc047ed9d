package e2e

import (
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
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

// watched is a way to the API server that comes by a pause with each request and each answer.
func watched(t *testing.T, p *pause) (address string) {
	t.Helper()
	target, err := url.Parse(api.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(api.Config)) // podvet brings its token
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
			s, p := newSite(t, true), &pause{step: step}
			a := s.selfManaged(t, policyNamespace(t, s.namespace, watched(t, p)))
			b := s.selfManaged(t, policyNamespace(t, s.namespace, ""))
			p.stop = func() { _ = a.Process.Signal(syscall.SIGSTOP) }
			ca := s.storedCA(t)
			c := s.call(t, handshake(a, b)...)
			c.awaitServed(t, ca, 10*time.Second)
			time.Sleep(lag)
			p.arm()
			// The other one may be first to publish, and nothing is left to do for this one: then once more.
			for attempt := 1; !stopped(t, a.Process); attempt++ {
				if attempt > 10 {
					t.Fatal("the replica never came by this step")
				}
				logged := inUse(t, a)
				s.setSecret(t, nil)
				ca = s.rotated(t, ca, 25*time.Second)
				Await(t.Context(), 9*time.Second, func() bool {
					if inUse(t, a) > logged {
						p.at("log certificate in use")
					}
					return stopped(t, a.Process)
				})
			}
			time.Sleep(10 * time.Second)
			if err := a.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			c.awaitServed(t, ca, 30*time.Second)
			c.check(t, true)
		})
	}
	t.Run("until-its-leaf-expires", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, true)
		kubeconfig := policyNamespace(t, s.namespace, "")
		a, b := s.selfManaged(t, kubeconfig, "--leaf-duration", "15s"), s.selfManaged(t, kubeconfig, "--leaf-duration", "15s")
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
