package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// A creation is one pod that somebody asked for, and what became of it.
type creation struct {
	id         string
	shape      *shape
	dryRun     bool
	start, end time.Time
	err        error
	fixed      string // the annotation of the pod that was made

	audit noted
}

// noted is what the audit log has of a creation.
type noted struct {
	code                   int
	mutatedBy, validatedBy string // hashes of policies
	findings, fixed        string
}

// A shape is pods that are alike.
type shape struct {
	name   string
	weight int
	pod    corev1.Pod
}

const shapesText = `
good: |
  spec:
    containers:
    - name: app
      image: registry.example/app:1
      ports: [{name: http, containerPort: 8080}]
      startupProbe: {httpGet: {path: /livez, port: http}, failureThreshold: 30}
      livenessProbe: {httpGet: {path: /livez, port: http}, failureThreshold: 6}
      readinessProbe: {httpGet: {path: /ready, port: http}}
fixed: |
  spec:
    containers:
    - name: app
      image: registry.example/app:1
      ports: [{name: http, containerPort: 8080}]
      livenessProbe: {httpGet: {path: /livez, port: http}}
      readinessProbe: {exec: {command: [cat, /ready]}}
denied: |
  spec:
    containers:
    - name: app
      image: registry.example/app:1
      ports: [{name: http, containerPort: 8080}]
      readinessProbe: {tcpSocket: {port: web}}
owned: |
  metadata:
    ownerReferences: [{apiVersion: example.com/v1, kind: Ring, name: ring, uid: 1-2-3, controller: true}]
  spec:
    containers:
    - name: app
      image: registry.example/app:1
      livenessProbe: {tcpSocket: {port: 80}}
sidecar: |
  spec:
    initContainers:
    - {name: proxy, image: registry.example/proxy:1, restartPolicy: Always, startupProbe: {tcpSocket: {port: 1}}}
    containers:
    - {name: app, image: registry.example/app:1, livenessProbe: {tcpSocket: {port: 80}, initialDelaySeconds: 30}}
`

// shapes are those of the text and a big one.
func shapes(t *testing.T) []*shape {
	t.Helper()
	var texts map[string]string
	if err := yaml.Unmarshal([]byte(shapesText), &texts); err != nil {
		t.Fatal(err)
	}
	weights := map[string]int{"good": 30, "fixed": 25, "denied": 20, "owned": 10, "sidecar": 10}
	var all []*shape
	for _, name := range []string{"good", "fixed", "denied", "owned", "sidecar"} {
		s := &shape{name: name, weight: weights[name]}
		if err := yaml.UnmarshalStrict([]byte(texts[name]), &s.pod); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	big := &shape{name: "big", weight: 5}
	for i := range 60 {
		c := *all[1].pod.Spec.Containers[0].DeepCopy()
		c.Name = fmt.Sprintf("app-%d", i)
		for e := range 40 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("V%d", e), Value: strings.Repeat("<", 40)})
		}
		big.pod.Spec.Containers = append(big.pod.Spec.Containers, c)
	}
	return append(all, big)
}

// A load is creations at a steady rate, however long each takes.
type load struct {
	client kubernetes.Interface
	shapes []*shape
	times  atomic.Int64 // how many at each tick: more in a burst

	mu      sync.Mutex
	made    []*creation
	pending sync.WaitGroup
}

type idKey struct{}

func newLoad(t *testing.T, s *site) *load {
	t.Helper()
	config := rest.CopyConfig(s.api.Config)
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	// The API server takes the audit log's id from its caller.
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if id, ok := r.Context().Value(idKey{}).(string); ok {
				r = r.Clone(r.Context())
				r.Header.Set("Audit-ID", id)
			}
			return next.RoundTrip(r)
		})
	})
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	l := &load{client: client, shapes: shapes(t)}
	l.times.Store(1)
	return l
}

// run creates until ctx ends, and returns when the last creation has ended.
func (l *load) run(ctx context.Context, seed uint64, rate int) {
	random := rand.New(rand.NewPCG(seed, 99))
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	tidied := time.Now()
	for n := 0; ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			for range l.times.Load() {
				n++
				c := &creation{id: fmt.Sprintf("soak-%d", n), shape: l.draw(random), dryRun: random.IntN(10) == 0}
				l.pending.Go(func() { l.create(context.WithoutCancel(ctx), c) })
			}
		}
		if time.Since(tidied) > 5*time.Second {
			tidied = time.Now()
			l.pending.Go(func() { l.tidy(context.WithoutCancel(ctx)) })
		}
	}
	l.pending.Wait()
}

func (l *load) draw(random *rand.Rand) *shape {
	sum := 0
	for _, s := range l.shapes {
		sum += s.weight
	}
	n := random.IntN(sum)
	for _, s := range l.shapes {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	panic("no shape")
}

func (l *load) create(ctx context.Context, c *creation) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, idKey{}, c.id), 30*time.Second)
	defer cancel()
	pod := c.shape.pod.DeepCopy()
	pod.Name = c.id
	options := metav1.CreateOptions{}
	if c.dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	c.start = time.Now()
	made, err := l.client.CoreV1().Pods(work).Create(ctx, pod, options)
	c.end, c.err = time.Now(), err
	if err == nil {
		c.fixed = made.Annotations["podvet.dev/fixed"]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made = append(l.made, c)
}

// tidy deletes the pods that were made: nothing runs them.
func (l *load) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_ = l.client.CoreV1().Pods(work).DeleteCollection(ctx, *metav1.NewDeleteOptions(0), metav1.ListOptions{})
}

// note takes what the audit log has of the creations.
func (l *load) note(t *testing.T, file string) {
	t.Helper()
	log, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	by := map[string]noted{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var event struct {
			AuditID        string
			Stage          string
			Annotations    map[string]string
			ResponseStatus struct{ Code int }
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Stage != "ResponseComplete" {
			continue // cut off by the restart of an API server
		}
		a := event.Annotations
		by[event.AuditID] = noted{code: event.ResponseStatus.Code, mutatedBy: a["mutate.podvet.dev/policy"],
			validatedBy: a["validate.podvet.dev/policy"], findings: a["validate.podvet.dev/findings"],
			fixed: a["mutate.podvet.dev/fixed"]}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, c := range l.made {
		c.audit = by[c.id]
	}
}
