package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/certs"
)

// A site is a namespace with podvet's ServiceAccount and configurations. Its replicas have no more rights than
// testdata/self-managed.yaml gives.
type site struct {
	namespace     string
	configuration string
	admin         kubernetes.Interface
}

const caSecret = "podvet-ca"

// newSite makes a site. Without rights nothing is bound to the ServiceAccount.
func newSite(t *testing.T, rights bool) *site {
	t.Helper()
	admin, err := kubernetes.NewForConfig(api.Config)
	if err != nil {
		t.Fatal(err)
	}
	ns := namespace(t, "")
	s := &site{namespace: ns, configuration: "certs-" + ns, admin: admin}
	s.apply(t, s.manifest(t, "testdata/configurations.yaml"))
	if rights {
		s.apply(t, s.manifest(t, "testdata/self-managed.yaml"))
	}
	return s
}

func (s *site) manifest(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("NAMESPACE", s.namespace, "CONFIGURATION", s.configuration).Replace(string(text))
}

// apply is what Helm 4 does: a server-side apply, here by a manager of that name.
func (s *site) apply(t *testing.T, manifest string, args ...string) {
	t.Helper()
	cmd := api.KubectlCommand(t.Context(), append([]string{"apply", "--server-side", "--field-manager=helm", "-f", "-"}, args...)...)
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// published is what the API server has of both configurations.
func (s *site) published(ctx context.Context) (certs.Published, error) {
	m, err := s.admin.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, s.configuration, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	v, err := s.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(ctx, s.configuration, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	var all certs.Published
	for _, w := range m.Webhooks {
		all = append(all, certs.Webhook{Name: w.Name, ClientConfig: w.ClientConfig})
	}
	for _, w := range v.Webhooks {
		all = append(all, certs.Webhook{Name: w.Name, ClientConfig: w.ClientConfig})
	}
	return all, nil
}

func (s *site) mustPublished(t *testing.T) certs.Published {
	t.Helper()
	published, err := s.published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return published
}

// secret is the CA Secret, nil when there is none.
func (s *site) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	list, err := s.admin.CoreV1().Secrets(s.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + caSecret})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

// storedCA is the CA in the Secret, nil when there is no good one.
func (s *site) storedCA(t *testing.T) *x509.Certificate {
	t.Helper()
	secret := s.secret(t)
	if secret == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil || !pair.Leaf.IsCA || time.Now().After(pair.Leaf.NotAfter) {
		return nil
	}
	return pair.Leaf
}

// setSecret writes the data of the CA Secret, whatever is there.
func (s *site) setSecret(t *testing.T, data map[string][]byte) {
	t.Helper()
	secret := s.secret(t)
	secret.ResourceVersion, secret.Data = "", data
	if _, err := s.admin.CoreV1().Secrets(s.namespace).Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A server is one replica in this process: a source and a listener that does handshakes with it.
type server struct {
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

// options are those of a replica that acts as the ServiceAccount.
func (s *site) options(admin *rest.Config) certs.SelfManagedOptions {
	config := rest.CopyConfig(admin)
	config.Impersonate.UserName = "system:serviceaccount:" + s.namespace + ":podvet"
	config.Impersonate.Groups = []string{"system:authenticated", "system:serviceaccounts"}
	return certs.SelfManagedOptions{
		Config: config, SecretNamespace: s.namespace, SecretName: caSecret,
		DNSNames: []string{"podvet." + s.namespace + ".svc"}, Configuration: s.configuration,
	}
}

// serve starts a replica. change may alter its options.
func (s *site) serve(t *testing.T, change func(*certs.SelfManagedOptions)) *server {
	t.Helper()
	r := &server{metrics: prometheus.NewRegistry(), log: &logBuffer{}, ended: make(chan error, 1)}
	o := s.options(api.Config)
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
func handshakes(source certs.Source) (web *http.Server, address string, err error) {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: source.GetCertificate, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, "", err
	}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	web = &http.Server{Handler: http.HandlerFunc(allow), ErrorLog: quiet, ReadHeaderTimeout: time.Minute}
	go web.Serve(listener)
	return web, listener.Addr().String(), nil
}

func (r *server) awaitReady(t *testing.T, limit time.Duration) {
	t.Helper()
	var err error
	if !Await(t.Context(), limit, func() bool { err = r.source.Ready(); return err == nil }) {
		t.Fatalf("not ready after %v: %v", limit, err)
	}
}

// awaitUnready waits for a reason with all the words, in one line.
func (r *server) awaitUnready(t *testing.T, limit time.Duration, words ...string) {
	t.Helper()
	var err error
	if !Await(t.Context(), limit, func() bool {
		err = r.source.Ready()
		return err != nil && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(err.Error(), w) })
	}) {
		t.Fatalf("it says %v, not %q", err, words)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
	t.Logf("not ready: %v", err)
}

// lag is how far an API server's view of the bundles may be behind in these tests.
const lag = 4 * time.Second

// A caller dials replicas again and again, as API servers do whose view of the configurations is up to date, and
// lag behind.
type caller struct {
	site     *site
	replicas []*server
	stop     func()

	mu      sync.Mutex
	calls   int
	refused []string // handshakes that failed
	bad     []string // leafs that a bundle did not verify
	leafs   map[string]bool
	last    map[*server]*x509.Certificate // CA of the leaf that each served last
}

// call starts to dial, once each of the replicas is ready and lag has passed.
func (s *site) call(t *testing.T, replicas ...*server) *caller {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := sync.WaitGroup{}
	c := &caller{site: s, replicas: replicas, leafs: map[string]bool{}, last: map[*server]*x509.Certificate{}}
	c.stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(c.stop)
	for _, r := range replicas {
		done.Go(func() { c.loop(ctx, r) })
	}
	return c
}

func (c *caller) loop(ctx context.Context, r *server) {
	type snapshot struct {
		at        time.Time
		published certs.Published
	}
	var seen []snapshot
	dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{InsecureSkipVerify: true}} // verified below
	for ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
		published, err := c.site.published(ctx)
		if err != nil {
			continue
		}
		seen = append(seen, snapshot{time.Now(), published})
		for len(seen) > 1 && time.Since(seen[1].at) >= lag {
			seen = seen[1:]
		}
		dial, cancel := context.WithTimeout(ctx, 5*time.Second) // a busy machine; a refusal comes at once
		conn, err := dialer.DialContext(dial, "tcp", r.address)
		cancel()
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.calls++
		if err != nil {
			c.refused = append(c.refused, err.Error())
			c.mu.Unlock()
			continue
		}
		leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		conn.Close()
		for _, view := range []snapshot{seen[0], seen[len(seen)-1]} {
			if time.Since(view.at) > lag+500*time.Millisecond {
				continue // this machine was too busy to look: podvet holds a leaf for 5 s, and promises no more
			}
			ca, err := view.published.Verify(leaf, time.Now())
			if err != nil {
				c.bad = append(c.bad, fmt.Sprintf("%s %s, by bundles of %v ago: %v", time.Now().Format(time.StampMilli), r.address, time.Since(view.at).Round(time.Millisecond), err))
			} else {
				c.last[r] = ca
			}
		}
		c.leafs[leaf.SerialNumber.String()] = true
		c.mu.Unlock()
	}
}

// awaitServed returns once all replicas serve leafs of a CA.
func (c *caller) awaitServed(t *testing.T, ca *x509.Certificate, limit time.Duration) {
	t.Helper()
	if !Await(t.Context(), limit, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.last) == len(c.replicas) && !slices.ContainsFunc(slices.Collect(maps.Values(c.last)), func(last *x509.Certificate) bool { return !last.Equal(ca) })
	}) {
		t.Fatalf("after %v not all replicas serve a leaf of the new CA: %v", limit, ca.NotBefore)
	}
}

// check ends the calls: no leaf was bad, and unless mayRefuse, no handshake failed.
func (c *caller) check(t *testing.T, mayRefuse bool) {
	t.Helper()
	c.stop()
	if len(c.bad) > 0 {
		t.Errorf("%d views of %d calls do not verify the leaf that was met, first: %s", len(c.bad), c.calls, c.bad[0])
	}
	if len(c.refused) > 0 && !mayRefuse {
		t.Errorf("%d of %d handshakes failed, first: %s", len(c.refused), c.calls, c.refused[0])
	}
	if c.calls < 20 {
		t.Errorf("only %d calls", c.calls)
	}
	t.Logf("%d calls, %d leafs, %d handshakes refused", c.calls, len(c.leafs), len(c.refused))
}

// rotated waits until the Secret holds another good CA than before.
func (s *site) rotated(t *testing.T, before *x509.Certificate, limit time.Duration) *x509.Certificate {
	t.Helper()
	var ca *x509.Certificate
	if !Await(t.Context(), limit, func() bool { ca = s.storedCA(t); return ca != nil && !ca.Equal(before) }) {
		t.Fatalf("no new CA within %v", limit)
	}
	return ca
}

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

// into makes a replica come by: each request to the API server is two steps, and each log line, of the library's too, is one.
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

// scrape is the metrics of a replica by name, with their labels.
func (r *server) scrape(t *testing.T) map[string][]float64 {
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
