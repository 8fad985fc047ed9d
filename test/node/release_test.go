package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The versions that are installed: the same podvet, with other words stamped into it.
const (
	version     = "v0.0.1-node"
	nextVersion = "v0.0.2-node"
)

// A release is podvet as its unchanged chart installs it on a node. Only the values differ.
type release struct {
	n         *Node
	namespace string // which enforces the restricted Pod Security Standard
}

// failClosed are the values of the most dangerous installation: each webhook refuses while podvet is away.
const failClosed = `
webhooks:
  mutate: {failurePolicy: Fail}
  validate: {failurePolicy: Fail}
  validateWorkloads: {failurePolicy: Fail}
`

// newRelease imports podvet and makes a namespace for it. Nothing is installed yet.
func newRelease(t *testing.T, n *Node) *release {
	t.Helper()
	if err := n.ImportPodvet(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	r := &release{n, namespace(t, n)}
	kubectl(t, n, "", "label", "namespace", r.namespace, "pod-security.kubernetes.io/enforce=restricted")
	return r
}

// helm runs a command of Helm about the release and returns what it said.
func (r *release) helm(t *testing.T, version, values string, args ...string) string {
	t.Helper()
	begin := time.Now()
	said, err := r.n.Helm(t.Context(), version, values, append(args, "--namespace="+r.namespace,
		"--wait", inTime)...)
	if err != nil {
		events, _ := r.n.Kubectl(t.Context(), "", "get", "pods,events", "-n", r.namespace)
		logs, _ := r.n.Kubectl(t.Context(), "", "logs", "-n", r.namespace, "--selector=app.kubernetes.io/name=podvet",
			"--tail=20")
		t.Fatalf("%v\n%s\n%s", err, events, logs)
	}
	t.Logf("helm %s %q: %v", args[0], values, time.Since(begin).Round(100*time.Millisecond))
	return said
}

// install installs the release. It is uninstalled with the test, where that has not done it.
func (r *release) install(t *testing.T, values string) string {
	t.Helper()
	t.Cleanup(func() {
		_, _ = r.n.Helm(context.Background(), "", "", "uninstall", "podvet", "--namespace="+r.namespace,
			"--ignore-not-found")
	})
	return r.helm(t, version, values, "install", "podvet", "CHART")
}

// pods are those of podvet.
func (r *release) pods(t *testing.T) []corev1.Pod {
	t.Helper()
	list, err := r.n.Client.CoreV1().Pods(r.namespace).List(t.Context(),
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=podvet"})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// awaitPods waits until there are just the two pods that should be, both ready and none of those that were before.
func (r *release) awaitPods(t *testing.T, before ...corev1.Pod) []corev1.Pod {
	t.Helper()
	var now []corev1.Pod
	eventually(t, func() error {
		now = r.pods(t)
		for _, pod := range now {
			if slices.ContainsFunc(before, func(old corev1.Pod) bool { return old.UID == pod.UID }) {
				return fmt.Errorf("%s is still there", pod.Name)
			}
			if !isReady(&pod) {
				return fmt.Errorf("%s is not ready", pod.Name)
			}
		}
		if len(now) != 2 {
			return fmt.Errorf("there are %d pods", len(now))
		}
		return nil
	})
	return now
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// scale changes the number of replicas, and waits until they are ready or are gone.
func (r *release) scale(t *testing.T, replicas int) {
	t.Helper()
	kubectl(t, r.n, "", "scale", "-n", r.namespace, "deployment/podvet", fmt.Sprintf("--replicas=%d", replicas))
	if replicas > 0 {
		r.awaitPods(t)
		return
	}
	r.killPods(t)
}

// killPods deletes podvet's pods at once. Not even what was deleted runs on, as it would for its grace period.
func (r *release) killPods(t *testing.T) {
	t.Helper()
	kubectl(t, r.n, "", "delete", "pods", "-n", r.namespace, "--selector=app.kubernetes.io/name=podvet",
		"--force", "--grace-period=0")
	r.signal(t, "KILL")
}

// signal sends a signal to each podvet on the node.
func (r *release) signal(t *testing.T, name string) {
	t.Helper()
	script := `for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" != podvet ] || kill -` + name +
		` ${p#/proc/}; done`
	if said, err := r.n.Command(t.Context(), "sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
}

// unscheduled is a pod that no node will run. podvet has something to fix in it: the app may take 20 s to boot.
func unscheduled(name string) *corev1.Pod {
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/",
		Port: intstr.FromString("http")}}}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, GenerateName: "any-"},
		Spec: corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{
			Name: "app", Image: AppImage,
			Ports:         []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
			LivenessProbe: probe, ReadinessProbe: probe,
		}}},
	}
}

// create creates a pod, deletes it again and says whether podvet has repaired it.
func (r *release) create(ctx context.Context, namespace string) (vetted bool, err error) {
	pods := r.n.Client.CoreV1().Pods(namespace)
	pod, err := pods.Create(ctx, unscheduled(""), metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	vetted = pod.Annotations["podvet.dev/fixed"] != "" && pod.Spec.Containers[0].StartupProbe != nil
	return vetted, pods.Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0))
}

// awaitVetted waits until podvet is asked about the pods of a namespace.
func (r *release) awaitVetted(t *testing.T, namespace string) {
	t.Helper()
	begin := time.Now()
	eventually(t, func() error {
		vetted, err := r.create(t.Context(), namespace)
		if err == nil && !vetted {
			err = errors.New("a pod was created unvetted")
		}
		return err
	})
	t.Logf("pods are vetted after %v", time.Since(begin).Round(100*time.Millisecond))
}

// A stream creates pods all the time.
type stream struct {
	stop func()
	done sync.WaitGroup

	mu           sync.Mutex
	made, vetted int
	slowest      time.Duration
	wrong        []string
}

// stream creates pods in a namespace, two at a time, until it is ended.
func (r *release) stream(t *testing.T, namespace string) *stream {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &stream{stop: stop}
	for range 2 {
		s.done.Go(func() {
			for ctx.Err() == nil {
				begin := time.Now()
				vetted, err := r.create(context.WithoutCancel(ctx), namespace) // the last one is seen through
				s.note(vetted, err, time.Since(begin))
				time.Sleep(200 * time.Millisecond)
			}
		})
	}
	return s
}

func (s *stream) note(vetted bool, err error, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowest = max(s.slowest, took)
	switch {
	case err != nil:
		s.wrong = append(s.wrong, time.Now().Format("15:04:05.000 ")+err.Error())
	case vetted:
		s.vetted++
		s.made++
	default:
		s.made++
	}
}

// end ends the stream. All pods must have been created, more than a few.
func (s *stream) end(t *testing.T, what string) {
	t.Helper()
	s.stop()
	s.done.Wait()
	t.Logf("%s: %d pods created, %d of them vetted, the slowest in %v", what, s.made, s.vetted,
		s.slowest.Round(time.Millisecond))
	if s.made < 20 {
		t.Errorf("%s: only %d pods were created", what, s.made)
	}
	if len(s.wrong) > 0 {
		t.Errorf("%s: %d pods could not be created:\n%s", what, len(s.wrong),
			strings.Join(s.wrong[:min(10, len(s.wrong))], "\n"))
	}
}
