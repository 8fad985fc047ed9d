package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// The stories are what podvet is for, told by a real kubelet in real seconds: stories/NAME.yaml as it is written, as
// podvet fix writes it, and as it is written where podvet is installed.
func TestStories(t *testing.T) {
	t.Parallel()
	podvet, err := podvetCommand()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("without podvet", func(t *testing.T) {
		t.Parallel()
		play(t, shared, "slow-boot", written(t, "slow-boot"), slowBootIsKilledAgainAndAgain)
		play(t, shared, "unresolved-port", written(t, "unresolved-port"), unresolvedPortIsNeverReady)
		play(t, shared, "prestop", written(t, "prestop"), prestopEndsInSIGKILL)
	})
	t.Run("as podvet fixes it", func(t *testing.T) {
		t.Parallel()
		fixed := func(name string) string {
			manifest, err := exec.Command(podvet, "fix", storyFile(name)).Output()
			if err != nil {
				t.Fatal(err)
			}
			return string(manifest)
		}
		play(t, shared, "slow-boot", fixed("slow-boot"), slowBootBecomesReady)
		play(t, shared, "prestop", fixed("prestop"), prestopEndsCleanly)
		// What to write for the port podvet cannot know.
	})
	t.Run("with podvet", func(t *testing.T) {
		t.Parallel()
		r := newRelease(t, startNode(t))
		r.install(t, "policy: {mode: enforce}\n"+failClosed)
		r.awaitVetted(t, namespace(t, r.n))
		play(t, r.n, "slow-boot", written(t, "slow-boot"), slowBootIsRepaired)
		play(t, r.n, "prestop", written(t, "prestop"), prestopEndsCleanly)
		t.Run("unresolved-port", func(t *testing.T) { unresolvedPortIsRefused(t, r.n, written(t, "unresolved-port")) })
		t.Run("mirror pod", func(t *testing.T) { awaitMirror(t, r.n, namespace(t, r.n), "static") })
		t.Run("kube-system", func(t *testing.T) {
			if vetted, err := r.create(t.Context(), "kube-system"); err != nil || vetted {
				t.Errorf("a pod in kube-system: %v, vetted: %v", err, vetted)
			}
		})
	})
}

// play plays a story in a namespace of its own, beside the others.
func play(t *testing.T, n *Node, name, manifest string, want func(*testing.T, *watched)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		if n == shared {
			share(t, fewPods)
		}
		want(t, tell(t, n, namespace(t, n), name, manifest))
	})
}

func storyFile(name string) string { return filepath.Join("stories", name+".yaml") }

func written(t *testing.T, name string) string {
	t.Helper()
	manifest, err := os.ReadFile(storyFile(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(manifest)
}

// A watched story is the pod of one that is played, with all that was seen of it.
type watched struct {
	n               *Node
	namespace, name string

	mu     sync.Mutex
	seen   []*corev1.Pod // each change
	seenAt []time.Time   // when each came
}

// tell creates a story and watches its pod until the test ends. Then it shows the events.
func tell(t *testing.T, n *Node, namespace, name, manifest string) *watched {
	t.Helper()
	t.Cleanup(func() {
		shown, err := n.Kubectl(context.Background(), "", "get", "events", "-n", namespace, "--sort-by=.lastTimestamp",
			"-o", "custom-columns=LAST:.lastTimestamp,COUNT:.count,REASON:.reason,MESSAGE:.message")
		t.Logf("%v\n%s", err, shown)
	})
	w := follow(t, n, namespace, name)
	kubectl(t, n, manifest, "apply", "-n", namespace, "-f", "-")
	return w
}

// follow watches the pod with a label, which there need not be yet, until the test ends.
func follow(t *testing.T, n *Node, namespace, name string) *watched {
	t.Helper()
	changes, err := n.Client.CoreV1().Pods(namespace).Watch(t.Context(),
		metav1.ListOptions{LabelSelector: "app=" + name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(changes.Stop)
	w := &watched{n: n, namespace: namespace, name: name}
	go w.note(changes)
	return w
}

func (w *watched) note(changes watch.Interface) {
	for change := range changes.ResultChan() {
		if pod, ok := change.Object.(*corev1.Pod); ok {
			w.mu.Lock()
			w.seen, w.seenAt = append(w.seen, pod), append(w.seenAt, time.Now())
			w.mu.Unlock()
		}
	}
}

// sees waits for a change that has a container's status of some kind.
func (w *watched) sees(t *testing.T, what string, is func(corev1.ContainerStatus) bool) corev1.ContainerStatus {
	t.Helper()
	var found corev1.ContainerStatus
	eventually(t, func() error {
		for _, status := range w.statuses() {
			if is(status) {
				found = status
				return nil
			}
		}
		return fmt.Errorf("no container %s", what)
	})
	return found
}

func (w *watched) statuses() []corev1.ContainerStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []corev1.ContainerStatus
	for _, pod := range w.seen {
		all = append(all, pod.Status.ContainerStatuses...)
	}
	return all
}

// last is the pod as it was seen last, empty before.
func (w *watched) last() *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return &corev1.Pod{}
	}
	return w.seen[len(w.seen)-1]
}

// ran tells whether an app container has ever run.
func (w *watched) ran() bool {
	return slices.ContainsFunc(w.statuses(), func(s corev1.ContainerStatus) bool {
		return s.State.Running != nil || s.State.Terminated != nil || s.LastTerminationState.Terminated != nil
	})
}

func (w *watched) wasReady() bool {
	return slices.ContainsFunc(w.statuses(), func(s corev1.ContainerStatus) bool { return s.Ready })
}

// wantEvent fails unless an event of the story's pod has a reason and a message with these words.
func (w *watched) wantEvent(t *testing.T, reason, words string) {
	t.Helper()
	eventually(t, func() error {
		events, err := w.n.Client.CoreV1().Events(w.namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, event := range events.Items {
			if event.InvolvedObject.Name == w.last().Name && event.Reason == reason &&
				strings.Contains(event.Message, words) {
				return nil
			}
		}
		return fmt.Errorf("no event %s: %s", reason, words)
	})
}

func slowBootIsKilledAgainAndAgain(t *testing.T, w *watched) {
	killed := w.sees(t, "restarted twice",
		func(s corev1.ContainerStatus) bool { return s.RestartCount == 2 })
	last := killed.LastTerminationState.Terminated
	if lasted := last.FinishedAt.Sub(last.StartedAt.Time); lasted < 20*time.Second || lasted >= 45*time.Second {
		t.Errorf("the second container lived for %v, want about 30 s, and less than its boot takes", lasted)
	}
	if w.wasReady() {
		t.Error("it was ready")
	}
	w.wantEvent(t, "Unhealthy", "Liveness probe failed")
	w.wantEvent(t, "Killing", "Container app failed liveness probe, will be restarted")
}

func slowBootBecomesReady(t *testing.T, w *watched) {
	ready := w.sees(t, "ready", func(s corev1.ContainerStatus) bool { return s.Ready })
	if took := time.Since(ready.State.Running.StartedAt.Time); ready.RestartCount != 0 || took < 45*time.Second {
		t.Errorf("after %v it is ready with %d restarts", took, ready.RestartCount)
	}
}

// slowBootIsRepaired: podvet wrote the startupProbe into the pod, as its annotation says, and left the Deployment as it
// is.
func slowBootIsRepaired(t *testing.T, w *watched) {
	slowBootBecomesReady(t, w)
	w.mu.Lock()
	pod := w.seen[0]
	w.mu.Unlock()
	if got := pod.Annotations["podvet.dev/fixed"]; got != "no-startup-probe/app" ||
		pod.Spec.Containers[0].StartupProbe == nil {
		t.Errorf("the annotation is %q, the startupProbe %v", got, pod.Spec.Containers[0].StartupProbe)
	}
	deployment, err := w.n.Client.AppsV1().Deployments(w.namespace).Get(t.Context(), w.name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if deployment.Spec.Template.Spec.Containers[0].StartupProbe != nil || deployment.Spec.Template.Annotations != nil {
		t.Errorf("the template of the Deployment was changed: %+v", deployment.Spec.Template)
	}
}

func unresolvedPortIsNeverReady(t *testing.T, w *watched) {
	w.sees(t, "running", func(s corev1.ContainerStatus) bool { return s.State.Running != nil })
	w.wantEvent(t, "Unhealthy", "Startup probe errored and resulted in unknown state")
	time.Sleep(35 * time.Second) // 30 failures, each second, are allowed
	status := pod(t, w.n, w.namespace, w.name).Status.ContainerStatuses[0]
	if w.wasReady() || *status.Started || status.RestartCount != 0 {
		t.Errorf("it was ready: %v; it is %+v", w.wasReady(), status)
	}
}

// unresolvedPortIsRefused: whoever applies the pod is told where the mistake is and what to write.
func unresolvedPortIsRefused(t *testing.T, n *Node, manifest string) {
	_, err := n.Kubectl(t.Context(), manifest, "apply", "-n", namespace(t, n), "-f", "-")
	if err == nil {
		t.Fatal("it was created")
	}
	t.Log(err)
	for _, words := range []string{`admission webhook "validate.podvet.dev" denied the request`,
		`startupProbe uses port "htpp", but only "http" is declared, so it is never ready. Use port http. ` +
			"[probe-port-unresolved]"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("the refusal does not say %s", words)
		}
	}
}

func prestopEndsInSIGKILL(t *testing.T, w *watched) {
	ended, said := w.deletes(t)
	// The kubelet gives just 2 seconds more than the grace that the hook has used up.
	if ended.ExitCode != 137 || !strings.Contains(said, "SIGTERM") || strings.Contains(said, "ended cleanly") {
		t.Errorf("it ended with %+v and said %s", ended, said)
	}
}

func prestopEndsCleanly(t *testing.T, w *watched) {
	ended, said := w.deletes(t)
	if ended.ExitCode != 0 || !strings.Contains(said, "ended cleanly") {
		t.Errorf("it ended with %+v and said %s", ended, said)
	}
}

// deletes deletes the story's pod, once it is ready, and returns how its container ended and what it said.
func (w *watched) deletes(t *testing.T) (ended *corev1.ContainerStateTerminated, said string) {
	t.Helper()
	w.sees(t, "ready", func(s corev1.ContainerStatus) bool { return s.Ready })
	var log strings.Builder
	follow := w.n.Command(t.Context(), "kubectl", "logs", "--follow", "-n", w.namespace, w.name)
	follow.Stdout = &log
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	kubectl(t, w.n, "", "delete", "pod", "-n", w.namespace, w.name)
	if lasted := time.Since(begin); lasted < 30*time.Second {
		t.Errorf("it was gone after %v, while the hook sleeps for 30 s", lasted)
	}
	status := w.sees(t, "terminated",
		func(s corev1.ContainerStatus) bool { return s.State.Terminated != nil })
	follow.Wait()
	t.Log(log.String())
	return status.State.Terminated, log.String()
}
