package recommend

import (
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// told is what events tell of one container that its status does not.
type told struct {
	unready  time.Time                // the readinessProbe failed for the first time that is remembered
	stopping time.Time                // it was last told to stop, and not by a probe
	killed   int                      // boots that the startupProbe ended
	heard    bool                     // of anything
	byProbe  bool                     // a probe ended a start
	answers  map[pod.ProbeKind]string // with which an app that serves had a probe fail
}

// inPod is a container of a pod, which events name by its namespace and name.
type inPod struct{ namespace, pod, container string }

// What the kubelet says (K pkg/kubelet/prober/prober.go, pkg/kubelet/kuberuntime).
const (
	unhealthy       = "Unhealthy"
	killing         = "Killing"
	readinessFailed = "Readiness probe failed"
	startupFailed   = "failed startup probe"
	stopping        = "Stopping container"
)

// refusals are answers of an app that serves, which more time hardly changes.
var refusals = regexp.MustCompile(
	`^(Liveness|Startup) probe failed: .*(statuscode: 4\d\d|does not implement the grpc health protocol)`)

// busy are answers with which an app asks to be left in peace for a while.
var busy = []string{"HTTP 408", "HTTP 425", "HTTP 429"}

// note adds what an event tells.
func (t *told) note(e *corev1.Event) {
	t.heard = true
	first, last, count := seenAt(e)
	switch {
	case e.Reason == killing && strings.HasPrefix(e.Message, stopping):
		t.stopping = later(t.stopping, last)
	case e.Reason == killing:
		t.byProbe = true
		if strings.Contains(e.Message, startupFailed) {
			t.killed += count
		}
	case e.Reason != unhealthy:
	case strings.HasPrefix(e.Message, readinessFailed):
		if t.unready.IsZero() || first.Before(t.unready) {
			t.unready = first
		}
	default:
		t.refused(e.Message)
	}
}

func (t *told) refused(message string) {
	found := refusals.FindStringSubmatch(message)
	if found == nil {
		return
	}
	kind, answer := pod.Liveness, "gRPC UNIMPLEMENTED"
	if found[1] == "Startup" {
		kind = pod.Startup
	}
	if _, status, http := strings.Cut(found[2], ": "); http {
		answer = "HTTP " + status
	}
	if slices.Contains(busy, answer) {
		return
	}
	if t.answers == nil {
		t.answers = map[pod.ProbeKind]string{}
	}
	t.answers[kind] = answer
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
