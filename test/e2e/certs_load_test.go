package e2e

import (
	"context"
	"flag"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/certs"
)

var long = flag.Bool("long", false, "rotate certificates as often as issue 13 says, for some 10 minutes, and not just a few times")

// between forwards connections to replicas in turn, as a Service does. It returns the port.
func between(t *testing.T, replicas ...*server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for turn := 0; ; turn++ {
			caller, err := listener.Accept()
			if err != nil {
				return
			}
			replica, err := net.Dial("tcp", replicas[turn%len(replicas)].address)
			if err != nil {
				caller.Close()
				continue
			}
			forward := func(to, from net.Conn) {
				io.Copy(to, from)
				to.(*net.TCPConn).CloseWrite()
			}
			go forward(replica, caller)
			go func() {
				forward(caller, replica)
				caller.Close()
				replica.Close()
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// TestRotationUnderLoad: pods are created all the while, with failurePolicy Fail and a handshake for each review;
// CA and leafs rotate by time and because the Secret is emptied. No creation fails.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	// Leafs of 30 s are renewed with 10 s left: more than the 5 s that a new one is held, on a busy machine too.
	emptyings, rotations, leafs := 3, 1, 12
	if *long {
		emptyings, rotations, leafs = 18, 2, 100
	}
	s := newSite(t, true)
	short := func(o *certs.SelfManagedOptions) {
		o.DNSNames, o.CADuration, o.LeafDuration = append(o.DNSNames, "localhost"), time.Minute, 30*time.Second
	}
	a, b := s.serve(t, short), s.serve(t, short)
	url := `url: "https://localhost:` + between(t, a, b) + `/review"`
	manifest := regexp.MustCompile(`service: \{[^}]*\}`).ReplaceAllString(s.manifest(t, "testdata/configurations.yaml"), url)
	cmd := api.KubectlCommand(t.Context(), "replace", "-f", "-") // a server-side apply cannot turn a service into a url
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(manifest, "failurePolicy: Ignore", "failurePolicy: Fail"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	time.Sleep(time.Second) // the replicas follow
	a.awaitReady(t, 30*time.Second)
	b.awaitReady(t, 30*time.Second)
	time.Sleep(lag) // and the API server
	must(t, "", "", "label", "--overwrite", "namespace", s.namespace, "podvet-test="+s.namespace)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	creating, created, failed := sync.WaitGroup{}, atomic.Int64{}, sync.Map{}
	for range 4 {
		creating.Go(func() {
			pods := s.admin.CoreV1().Pods(s.namespace)
			for ctx.Err() == nil {
				pod, err := pods.Create(ctx, &corev1.Pod{
					ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"},
					Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "i"}}},
				}, metav1.CreateOptions{})
				switch {
				case ctx.Err() != nil:
				case err != nil:
					failed.Store(time.Now().Format(time.TimeOnly)+" "+err.Error(), true)
				default:
					created.Add(1)
					_ = pods.Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0)) // what is left goes with the cluster
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	c := s.call(t, a, b)
	ca := s.storedCA(t)
	c.awaitServed(t, ca, 10*time.Second)
	for range emptyings {
		s.setSecret(t, nil)
		ca = s.rotated(t, ca, 15*time.Second)
		c.awaitServed(t, ca, 20*time.Second)
	}
	for range rotations {
		ca = s.rotated(t, ca, 60*time.Second)
		c.awaitServed(t, ca, 20*time.Second)
	}
	issued := func() int { return strings.Count(a.log.String()+b.log.String(), "certificate in use") - 2 }
	if !Await(t.Context(), 10*time.Minute, func() bool { return issued() >= leafs }) {
		t.Errorf("only %d leafs", issued())
	}
	stop()
	creating.Wait()
	failed.Range(func(what, _ any) bool { t.Errorf("not created: %v", what); return true })
	if created.Load() < 200 {
		t.Errorf("only %d pods were created", created.Load())
	}
	t.Logf("%d pods created; %d CAs by emptying, %d by time, %d leafs", created.Load(), emptyings, rotations, issued())
	c.check(t, false)
}
