package recommend

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// told is what events tell of one container that its status does not.
type told struct {
	unready  time.Time // the readinessProbe failed for the first time that is remembered
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

// note adds what an event tells.
func (t *told) note(e *corev1.Event) {
	first, last, count := seenAt(e)
	switch {
	case e.Reason == killing:
		t.stopping = later(t.stopping, last)
		if strings.Contains(e.Message, startupFailed) {
			t.killed += count
		}
	case strings.HasPrefix(e.Message, readinessFailed):
		if t.unready.IsZero() || first.Before(t.unready) {
			t.unready = first
		}
	}
}

// seenAt is when an event came for the first and for the last time, and how often.
func seenAt(e *corev1.Event) (first, last time.Time, count int) {
	first, last, count = e.FirstTimestamp.Time, later(e.LastTimestamp.Time, e.EventTime.Time), max(int(e.Count), 1)
	if first.IsZero() {
		first = e.EventTime.Time
	}
	if e.Series != nil {
		last, count = later(last, e.Series.LastObservedTime.Time), max(count, int(e.Series.Count))
	}
	return first, last, count
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
