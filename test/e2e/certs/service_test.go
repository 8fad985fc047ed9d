package certs_test

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// A service is what a Service is to its callers: connections go to its endpoints in turn, and those that are open stay
// open whatever becomes of the endpoints.
type service struct {
	mu          sync.Mutex
	endpoints   []string
	connections int
}

func (s *service) add(p *podvet.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = append(s.endpoints, p.Address())
}

func (s *service) remove(p *podvet.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = slices.DeleteFunc(s.endpoints, func(e string) bool { return e == p.Address() })
}

func (s *service) next() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections++
	return s.endpoints[s.connections%len(s.endpoints)]
}

// A door is a port of a service.
type door struct {
	listener net.Listener
	port     int
	used     atomic.Int64 // when something last came through, in Unix nanoseconds
	mu       sync.Mutex
	open     []net.Conn
}

func (s *service) open(t *testing.T) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{listener: listener, port: listener.Addr().(*net.TCPAddr).Port}
	t.Cleanup(d.close)
	go func() {
		for {
			caller, err := listener.Accept()
			if err != nil {
				return
			}
			replica, err := net.Dial("tcp", s.next())
			if err != nil { // no other one is tried: kube-proxy does not either
				caller.Close()
				continue
			}
			d.mu.Lock()
			d.open = append(d.open, caller, replica)
			d.mu.Unlock()
			go d.forward(replica, caller)
			go d.forward(caller, replica)
		}
	}()
	return d
}

func (d *door) forward(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		d.used.Store(time.Now().UnixNano())
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	to.(*net.TCPConn).CloseWrite()
}

func (d *door) close() {
	d.listener.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range d.open {
		conn.Close()
	}
	d.open = nil
}

// vetted makes the API server ask podvet through a door about the pods of the site, with failurePolicy Fail.
func (s *site) vetted(t *testing.T, d *door) {
	t.Helper()
	url := fmt.Sprintf(`url: "https://localhost:%d$1"`, d.port)
	called := regexp.MustCompile(`service: \{[^}]*path: ([^}]*)\}`)
	manifest := called.ReplaceAllString(s.manifest(t, "testdata/configurations.yaml"), url)
	manifest = strings.ReplaceAll(manifest, "failurePolicy: Ignore", "failurePolicy: Fail")
	// A server-side apply cannot turn a service into a url.
	cmd := env.API.KubectlCommand(t.Context(), "replace", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	env.Must(t, "", "", "label", "--overwrite", "namespace", s.namespace, "podvet-test="+s.namespace)
}

// reconnect moves the API server to another door every other second, until ctx ends: it keeps its connections else, and
// would meet few certificates. An old door is closed once nothing has come through for a while.
func (s *site) reconnect(ctx context.Context, t *testing.T, to *service) {
	var old []*door
	for ctx.Err() == nil {
		time.Sleep(2 * time.Second)
		d := to.open(t)
		patch := func(paths ...string) []byte {
			var ops []map[string]string
			for i, path := range paths {
				ops = append(ops, map[string]string{
					"op":    "replace",
					"path":  fmt.Sprintf("/webhooks/%d/clientConfig/url", i),
					"value": fmt.Sprintf("https://localhost:%d%s", d.port, path),
				})
			}
			return env.JSON(ops)
		}
		configurations := s.admin.AdmissionregistrationV1()
		_, err := configurations.MutatingWebhookConfigurations().Patch(ctx, s.configuration, types.JSONPatchType,
			patch("/mutate"), metav1.PatchOptions{})
		if err == nil {
			_, err = configurations.ValidatingWebhookConfigurations().Patch(ctx, s.configuration, types.JSONPatchType,
				patch("/validate", "/validate-policy"), metav1.PatchOptions{})
		}
		if err != nil && ctx.Err() == nil {
			t.Errorf("moving the API server: %v", err)
			return
		}
		old = slices.DeleteFunc(append(old, d), func(o *door) bool {
			last := o.used.Load()
			idle := o != d && last != 0 && time.Since(time.Unix(0, last)) > 4*time.Second
			if idle {
				o.close()
			}
			return idle
		})
	}
}
