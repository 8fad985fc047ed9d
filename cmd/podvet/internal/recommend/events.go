package recommend

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// told is what events tell of one container that its status does not.
type told struct {
	unready  time.Time // the readinessProbe last failed
	stopping time.Time // it was last told to stop
	killed   int       // boots that the startupProbe ended
}

// inPod is a container of a pod, which events name by its namespace and name.
type inPod struct{ namespace, pod, container string }

// What the kubelet says (K pkg/kubelet/prober/prober.go, pkg/kubelet/kuberuntime).
const (
	unhealthy       = "Unhealthy"
	killing         = "Killing"
	readinessFailed = "Readiness probe failed"
	startupFailed   = "failed startup probe"
)

// Event notes what an event tells of a start or a stop. Events come before the pods that they are about.
func (c *Collector) Event(e *corev1.Event) {
	_, name, found := strings.Cut(e.InvolvedObject.FieldPath, "{")
	if e.Reason != unhealthy && e.Reason != killing || !found {
		return
	}
	at := inPod{e.InvolvedObject.Namespace, e.InvolvedObject.Name, strings.TrimSuffix(name, "}")}
	note := c.told[at]
	last, count := lastSeen(e)
	switch {
	case e.Reason == killing:
		note.stopping = later(note.stopping, last)
		if strings.Contains(e.Message, startupFailed) {
			note.killed += count
		}
	case strings.HasPrefix(e.Message, readinessFailed):
		note.unready = later(note.unready, last)
	}
	c.told[at] = note
}

func lastSeen(e *corev1.Event) (last time.Time, count int) {
	last, count = later(e.LastTimestamp.Time, e.EventTime.Time), max(int(e.Count), 1)
	if e.Series != nil {
		last, count = later(last, e.Series.LastObservedTime.Time), max(count, int(e.Series.Count))
	}
	return last, count
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Latest is when pods were last heard of: whoever wrote them into a file did so then, or later.
func Latest(pods []*corev1.Pod) (at time.Time) {
	for _, p := range pods {
		for i := range p.Status.Conditions {
			at = later(at, p.Status.Conditions[i].LastTransitionTime.Time)
		}
		for _, statuses := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
			for i := range statuses {
				for _, state := range []corev1.ContainerState{statuses[i].State, statuses[i].LastTerminationState} {
					if state.Running != nil {
						at = later(at, state.Running.StartedAt.Time)
					}
					if state.Terminated != nil {
						at = later(at, state.Terminated.FinishedAt.Time)
					}
				}
			}
		}
	}
	return at
}
