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

// note adds what an event tells.
func (t *told) note(e *corev1.Event) {
	last, count := lastSeen(e)
	switch {
	case e.Reason == killing:
		t.stopping = later(t.stopping, last)
		if strings.Contains(e.Message, startupFailed) {
			t.killed += count
		}
	case strings.HasPrefix(e.Message, readinessFailed):
		t.unready = later(t.unready, last)
	}
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
