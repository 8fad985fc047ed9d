package certs_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

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
	config := rest.CopyConfig(env.API.Config)
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

// TestRotationUnderLoad: two processes with certificates of their own, and pods are created all the while with
// failurePolicy Fail; CA and leaf certificates rotate by time and because the Secret is emptied. No creation fails.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	emptyings, rotations, leafs := 2, 1, 10
	if *long {
		emptyings, rotations, leafs = 18, 2, 100
	}
	s := newSite(t, true)
	kubeconfig := env.PolicyNamespace(t, s.namespace, "")
	// Leaf certificates of 30 s are renewed with 10 s left: more than the 5 s that a new one is held, on a busy
	// machine too.
	short := []string{"--ca-duration", "1m", "--leaf-duration", "30s"}
	a, b := s.selfManaged(t, kubeconfig, short...), s.selfManaged(t, kubeconfig, short...)
	svc := &service{}
	svc.add(a)
	svc.add(b)
	s.vetted(t, svc.open(t))
	time.Sleep(lag) // the replicas publish, and the API server follows
	awaitReady(t, a, b)
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
	if !podvet.Await(t.Context(), 15*time.Minute, func() bool { return issued() >= leafs }) {
		t.Errorf("only %d leaf certificates", issued())
	}
	l.check(t)
	stop()
	moving.Wait()
	if reviews := a.Reviews() + b.Reviews(); int64(reviews) < 2*l.created.Load() {
		t.Errorf("%d pods and only %d reviews", l.created.Load(), reviews)
	}
	t.Logf("%d pods created, over %d connections; %d CAs by emptying, %d by time, %d leaf certificates",
		l.created.Load(),
		svc.connections, emptyings, rotations, issued())
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
	kubeconfig := env.PolicyNamespace(t, s.namespace, "")
	replicas := []*podvet.Server{s.selfManaged(t, kubeconfig), s.selfManaged(t, kubeconfig)}
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
				unready := func() bool { _, err := podvet.Fetch(old.Ready); return err != nil }
				if !podvet.Await(t.Context(), time.Second, unready) {
					t.Errorf("replica %d is still ready after SIGTERM", i)
				}
				time.Sleep(time.Second) // nodes hear of it
				svc.remove(old)
				late.Add(int64(max(0, old.Reviews()-before)))
				if err := old.Wait(); err != nil {
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
	t.Logf("%d pods created, over %d connections; %d replicas replaced, which answered %d reviews while draining",
		l.created.Load(), svc.connections, 2*replacements, late.Load())
}
