package e2e

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

var long = flag.Bool("long", false, "rotate certificates and replace replicas as often as issue 13 says, for some 15 minutes, and not just a few times")

// A service is what a Service is to its callers: connections go to its endpoints in turn, and those that are open stay
// open whatever becomes of the endpoints.
type service struct {
	mu          sync.Mutex
	endpoints   []string
	connections int
}

func (s *service) add(p *Podvet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = append(s.endpoints, p.address())
}

func (s *service) remove(p *Podvet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = slices.DeleteFunc(s.endpoints, func(e string) bool { return e == p.address() })
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
	manifest := regexp.MustCompile(`service: \{[^}]*path: ([^}]*)\}`).ReplaceAllString(s.manifest(t, "testdata/configurations.yaml"), url)
	manifest = strings.ReplaceAll(manifest, "failurePolicy: Ignore", "failurePolicy: Fail")
	cmd := api.KubectlCommand(t.Context(), "replace", "-f", "-") // a server-side apply cannot turn a service into a url
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, "", "", "label", "--overwrite", "namespace", s.namespace, "podvet-test="+s.namespace)
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
				ops = append(ops, map[string]string{"op": "replace", "path": fmt.Sprintf("/webhooks/%d/clientConfig/url", i), "value": fmt.Sprintf("https://localhost:%d%s", d.port, path)})
			}
			return asJSON(ops)
		}
		configurations := s.admin.AdmissionregistrationV1()
		_, err := configurations.MutatingWebhookConfigurations().Patch(ctx, s.configuration, types.JSONPatchType, patch("/mutate"), metav1.PatchOptions{})
		if err == nil {
			_, err = configurations.ValidatingWebhookConfigurations().Patch(ctx, s.configuration, types.JSONPatchType, patch("/validate", "/validate-policy"), metav1.PatchOptions{})
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

// A load is pods that are created all the while.
type load struct {
	created atomic.Int64
	mu      sync.Mutex
	failed  []string
	stop    func()
}

// load starts to create pods. What is left of them goes with the cluster.
func (s *site) load(t *testing.T) *load {
	t.Helper()
	config := rest.CopyConfig(api.Config)
	config.WarningHandler = rest.NoWarnings{} // podvet has one for each of these pods
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, creating := &load{}, sync.WaitGroup{}
	l.stop = sync.OnceFunc(func() { cancel(); creating.Wait() })
	t.Cleanup(l.stop)
	for range 4 {
		creating.Go(func() {
			pods := client.CoreV1().Pods(s.namespace)
			for ctx.Err() == nil {
				pod, err := pods.Create(ctx, &corev1.Pod{
					ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "i"}}},
				}, metav1.CreateOptions{})
				switch {
				case ctx.Err() != nil:
				case err != nil:
					l.mu.Lock()
					l.failed = append(l.failed, time.Now().Format(time.StampMilli)+" "+err.Error())
					l.mu.Unlock()
				default:
					l.created.Add(1)
					_ = pods.Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0))
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	return l
}

// check ends the load: none failed, and they were many.
func (l *load) check(t *testing.T) {
	t.Helper()
	l.stop()
	if len(l.failed) > 0 {
		t.Errorf("%d pods were not created, first: %s", len(l.failed), l.failed[0])
	}
	if l.created.Load() < 50 { // some thousands on a machine that has nothing else to do
		t.Errorf("only %d pods were created", l.created.Load())
	}
}

func (p *Podvet) address() string { return strings.TrimPrefix(p.URL, "https://") }

// process starts `podvet serve` as it runs in a pod of the site, which must have its policy's rights. It returns once
// podvet is ready.
func (s *site) process(t *testing.T, kubeconfig string, args ...string) *Podvet {
	t.Helper()
	args = append([]string{"--policy-configmap", s.namespace + "/policy", "--address", "127.0.0.1", "--shutdown-delay", "3s"}, args...)
	p, err := serve(t.Context(), binary, t.TempDir(), []string{"KUBECONFIG=" + kubeconfig}, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.cmd.Wait()
		if log, err := os.ReadFile(p.Log); t.Failed() && err == nil {
			t.Logf("log of process %d at %s: %s", p.Process.Pid, p.address(), log)
		}
	})
	p.awaitReady(t)
	return p
}

func (p *Podvet) awaitReady(t *testing.T) {
	t.Helper()
	var err error
	if !Await(t.Context(), time.Minute, func() bool { _, err = fetch(p.Ready); return err == nil }) {
		t.Fatalf("not ready: %v", err)
	}
}

// selfManaged is process with certificates of its own, for the name localhost too.
func (s *site) selfManaged(t *testing.T, kubeconfig string, args ...string) *Podvet {
	t.Helper()
	return s.process(t, kubeconfig, append([]string{"--tls", "self-managed", "--ca-secret", s.namespace + "/" + caSecret,
		"--dns-name", "podvet." + s.namespace + ".svc", "--dns-name", "localhost", "--webhook-configuration", s.configuration}, args...)...)
}

// inUse is how many certificates replicas have served so far.
func inUse(t *testing.T, replicas ...*Podvet) int {
	t.Helper()
	sum := 0
	for _, p := range replicas {
		log, err := os.ReadFile(p.Log)
		if err != nil {
			t.Fatal(err)
		}
		sum += strings.Count(string(log), "certificate in use")
	}
	return sum
}

// handshake is what call needs of a replica.
func handshake(replicas ...*Podvet) []*server {
	var all []*server
	for _, p := range replicas {
		all = append(all, &server{address: p.address()})
	}
	return all
}

// TestRotationUnderLoad: two processes with certificates of their own, and pods are created all the while with
// failurePolicy Fail; CA and leafs rotate by time and because the Secret is emptied. No creation fails.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	emptyings, rotations, leafs := 2, 1, 10
	if *long {
		emptyings, rotations, leafs = 18, 2, 100
	}
	s := newSite(t, true)
	kubeconfig := policyNamespace(t, s.namespace, "")
	// Leafs of 30 s are renewed with 10 s left: more than the 5 s that a new one is held, on a busy machine too.
	short := []string{"--ca-duration", "1m", "--leaf-duration", "30s"}
	a, b := s.selfManaged(t, kubeconfig, short...), s.selfManaged(t, kubeconfig, short...)
	svc := &service{}
	svc.add(a)
	svc.add(b)
	s.vetted(t, svc.open(t))
	time.Sleep(lag) // the replicas publish, and the API server follows
	a.awaitReady(t)
	b.awaitReady(t)
	l := s.load(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	moving := sync.WaitGroup{}
	moving.Go(func() { s.reconnect(ctx, t, svc) })

	c := s.call(t, handshake(a, b)...)
	ca := s.storedCA(t)
	for range rotations {
		ca = s.rotated(t, ca, 60*time.Second)
		c.awaitServed(t, ca, 20*time.Second)
	}
	for range emptyings {
		s.setSecret(t, nil)
		ca = s.rotated(t, ca, 15*time.Second)
		c.awaitServed(t, ca, 20*time.Second)
	}
	issued := func() int { return inUse(t, a, b) - 2 }
	if !Await(t.Context(), 15*time.Minute, func() bool { return issued() >= leafs }) {
		t.Errorf("only %d leafs", issued())
	}
	l.check(t)
	stop()
	moving.Wait()
	if reviews := a.Reviews() + b.Reviews(); int64(reviews) < 2*l.created.Load() {
		t.Errorf("%d pods and only %d reviews", l.created.Load(), reviews)
	}
	t.Logf("%d pods created, over %d connections; %d CAs by emptying, %d by time, %d leafs", l.created.Load(), svc.connections, emptyings, rotations, issued())
	c.check(t, false)
}

// TestRollingReplacement: both replicas are replaced again and again, as a Deployment does, and pods are created all
// the while with failurePolicy Fail. No creation fails.
func TestRollingReplacement(t *testing.T) {
	t.Parallel()
	replacements := 6
	if *long {
		replacements = 40
	}
	s := newSite(t, true)
	kubeconfig := policyNamespace(t, s.namespace, "")
	replicas := []*Podvet{s.selfManaged(t, kubeconfig), s.selfManaged(t, kubeconfig)}
	svc := &service{}
	svc.add(replicas[0])
	svc.add(replicas[1])
	s.vetted(t, svc.open(t))
	time.Sleep(lag)
	l := s.load(t)
	ending := sync.WaitGroup{}
	var late atomic.Int64 // reviews while draining
	for range replacements {
		for i, old := range replicas {
			replicas[i] = s.selfManaged(t, kubeconfig)
			svc.add(replicas[i])
			before := old.Reviews()
			if err := old.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			ending.Go(func() {
				if !Await(t.Context(), time.Second, func() bool { _, err := fetch(old.Ready); return err != nil }) {
					t.Errorf("replica %d is still ready after SIGTERM", i)
				}
				time.Sleep(time.Second) // nodes hear of it
				svc.remove(old)
				late.Add(int64(max(0, old.Reviews()-before)))
				if err := old.cmd.Wait(); err != nil {
					t.Errorf("replica %d ended with %v", i, err)
				}
			})
		}
	}
	ending.Wait()
	l.check(t)
	if late.Load() == 0 {
		t.Error("no replica was asked while it drained: nothing was shown")
	}
	t.Logf("%d pods created, over %d connections; %d replicas replaced, which answered %d reviews while draining", l.created.Load(), svc.connections, 2*replacements, late.Load())
}
