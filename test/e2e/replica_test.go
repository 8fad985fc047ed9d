package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// replica is a podvet that follows the ConfigMap policy of a namespace, with the rights of a ServiceAccount that has
// nothing more.
type replica struct {
	*podvet.Server
	client *http.Client
}

func startReplica(t *testing.T, kubeconfig, ns string) *replica {
	t.Helper()
	p, err := podvet.ServeInCluster(t.Context(), env.Binary, t.TempDir(), kubeconfig, ns+"/policy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	return &replica{p, &http.Client{Timeout: 10 * time.Second, Transport: transport}}
}

func (r *replica) awaitReady(t *testing.T, limit time.Duration) {
	t.Helper()
	if !podvet.Await(t.Context(), limit, func() bool { _, err := podvet.Fetch(r.Ready); return err == nil }) {
		_, err := podvet.Fetch(r.Ready)
		t.Fatalf("not ready: %v", err)
	}
}

// review asks about a bare pod without probes in a namespace.
func (r *replica) review(ctx context.Context, ns string) (*admissionv1.AdmissionResponse, error) {
	body := fmt.Sprintf(`{
"apiVersion": "admission.k8s.io/v1",
"kind": "AdmissionReview",
"request": {
  "uid": "u",
  "kind": {"group": "", "version": "v1", "kind": "Pod"},
  "name": "p",
  "namespace": %[1]q,
  "operation": "CREATE",
  "dryRun": true,
  "object": {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": %[1]q},
    "spec": {"containers": [{"name": "app", "image": "i", "ports": [{"containerPort": 80}]}]}
  }
}
}`, ns)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/validate", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var answer admissionv1.AdmissionReview
	if resp.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil || answer.Response == nil {
		return nil, fmt.Errorf("HTTP %d: %s", resp.StatusCode, text)
	}
	return answer.Response, nil
}

// judgesBy tells the hash of the policy that a review is judged by.
func (r *replica) judgesBy(ctx context.Context) string {
	answer, err := r.review(ctx, "default")
	if err != nil {
		return err.Error()
	}
	return answer.AuditAnnotations["policy"]
}

func (r *replica) metric(t *testing.T, name string) string {
	t.Helper()
	text, err := podvet.Fetch(r.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	if match := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(text); match != nil {
		return match[1]
	}
	return ""
}

// proxy is a way to the API server that can be cut.
type proxy struct {
	address string
	cut     atomic.Bool
	mu      sync.Mutex
	open    []net.Conn
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	target, err := url.Parse(env.API.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &proxy{address: "https://" + listener.Addr().String()}
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			p.connect(in, target.Host)
		}
	}()
	return p
}

func (p *proxy) connect(in net.Conn, host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := net.Dial("tcp", host)
	if err != nil || p.cut.Load() {
		_ = in.Close()
		return
	}
	p.open = append(p.open, in, out)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
		}()
	}
}

// cutOff ends all connections and takes no more until cut is false again.
func (p *proxy) cutOff() {
	p.cut.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.open = nil
}

// stream asks all replicas without a pause until the test ends, and counts what fails.
func stream(t *testing.T, replicas []*replica) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Int64
	var wg sync.WaitGroup
	for _, r := range replicas {
		for range 2 {
			wg.Go(func() {
				for ctx.Err() == nil {
					asked.Add(1)
					if _, err := r.review(ctx, "default"); err != nil && ctx.Err() == nil {
						t.Errorf("a review failed: %v", err)
					}
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
	}
	t.Cleanup(func() {
		stop()
		wg.Wait()
		t.Logf("%d reviews", asked.Load())
		if asked.Load() < 1000 {
			t.Errorf("%d reviews are no constant stream", asked.Load())
		}
	})
}
