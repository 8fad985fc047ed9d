package recommend

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

const (
	// rounding is how much the difference of two truncated times can be too small, with a moment for the status.
	rounding = 2
	// longestBoot: nobody waits that long for a boot. What was Ready later was Ready before.
	longestBoot = 3600
)

// One is one container of a pod, as its status tells it.
type one struct {
	subject *pod.Subject
	*pod.Container
	status *corev1.ContainerStatus
	pod    *corev1.Pod
	told   told
	now    time.Time
}

// clock is how a container tells that its boot is over, and what ends a boot that takes too long.
type clock struct {
	lag    int64     // seconds by which a probe can be late to find that the app serves
	kills  pod.Probe // the startupProbe, or without one the livenessProbe
	killed bool      // whether there is one that can kill
	waits  int64     // seconds until the readinessProbe has run for the first time
	first  bool      // nothing holds that back
}

// clockOf is false where nothing tells: then the container is Ready as soon as it runs.
func clockOf(s *pod.Subject, c *pod.Container) (k clock, ok bool) {
	startup, hasStartup := c.ProbeOf(pod.Startup)
	readiness, hasReadiness := c.ProbeOf(pod.Readiness)
	if hasReadiness {
		k.lag = max(readiness.Period(), readiness.Timeout())
		k.waits, k.first = readiness.Delay()+readiness.Period()+readiness.Timeout(), !hasStartup
	}
	if hasStartup { // its success has the readinessProbe run at once (K pkg/kubelet/prober/prober_manager.go)
		k.lag = max(startup.Period(), startup.Timeout())
	}
	if hasReadiness {
		k.lag += int64(readiness.SuccessThreshold-1) * readiness.Period()
	}
	k.kills, k.killed = startup, hasStartup
	if !hasStartup {
		k.kills, k.killed = c.ProbeOf(pod.Liveness)
	}
	k.killed = k.killed && !k.kills.NeverRuns(s)
	return k, hasStartup || hasReadiness
}

// mostSeconds is the longest that a boot can be seen to take: longer ones are killed.
func (k clock) mostSeconds() int64 {
	if !k.killed {
		return longestBoot
	}
	return min(max(k.kills.Worst(), k.waits)+k.lag+rounding, longestBoot)
}

// outcome is what becomes of a start that is looked at.
type outcome int

const (
	ended    outcome = iota // by itself, or too early to tell: it says nothing of how long a boot takes
	measured                // the span says what is known
	again                   // Ready again, long after its start
	together                // Ready came with another container's: when this one was up is not known
)

// present is the start of the container that runs now.
func (o one) present(k clock) (Span, outcome) {
	running := o.status.State.Running
	if running == nil {
		return Span{}, ended
	}
	ready := condition(o.pod, corev1.ContainersReady)
	if ready == nil {
		return Span{}, ended
	}
	at, start := ready.LastTransitionTime.Time, running.StartedAt.Time
	if ready.Status != corev1.ConditionTrue {
		return o.waiting(k, at, start)
	}
	if o.waitedForOthers(start, at) {
		return Span{}, together
	}
	seconds := secondsBetween(start, at)
	if seconds < 0 || seconds > k.mostSeconds() || o.flapped(k, start, at) {
		return Span{}, again
	}
	return spanOf(seconds, k.lag), measured
}

// flapped tells whether the readinessProbe failed for the first time long after the start: it had succeeded before.
func (o one) flapped(k clock, start, ready time.Time) bool {
	first := o.told.unready
	return k.first && first.After(start) && first.Before(ready) && secondsBetween(start, first) > k.waits+rounding
}

// waiting is a start that goes on.
func (o one) waiting(k clock, unreadySince, start time.Time) (Span, outcome) {
	age := secondsBetween(start, o.now)
	switch {
	case o.status.Ready:
		return Span{}, together
	case secondsBetween(start, unreadySince) >= rounding || age > k.mostSeconds():
		return Span{}, again
	case age <= 0:
		return Span{}, ended
	}
	return Span{age, unseen}, measured
}

// waitedForOthers tells whether another container of the pod started so late that Ready may have come with it.
func (o one) waitedForOthers(start, ready time.Time) bool {
	status := &o.pod.Status
	for _, statuses := range [][]corev1.ContainerStatus{status.ContainerStatuses, status.InitContainerStatuses} {
		for i := range statuses {
			other := &statuses[i]
			running := other.State.Running
			if running == nil || other.Name == o.Name || !running.StartedAt.After(start) {
				continue
			}
			if other.RestartCount > 0 || secondsBetween(running.StartedAt.Time, ready) < rounding {
				return true
			}
		}
	}
	return false
}

const (
	sigkilled = 128 + 9
	sigtermed = 128 + 15
	quickStop = 5 // seconds that an app takes to end in the middle of its boot
)

// Stop is how long a container took to stop, in seconds.
type stop struct {
	seconds int64
	forced  bool // by SIGKILL
}

// stopped is the stop that events tell of.
func (o one) stopped() (stop, bool) {
	if o.told.stopping.IsZero() {
		return stop{}, false
	}
	for _, state := range []corev1.ContainerState{o.status.State, o.status.LastTerminationState} {
		if t := state.Terminated; t != nil {
			took := secondsBetween(o.told.stopping, t.FinishedAt.Time)
			if 0 <= took && took <= o.subject.Grace()+quickStop {
				return stop{took, t.ExitCode == sigkilled}, true
			}
		}
	}
	return stop{}, false
}

// before are the seconds until the sandbox was there, and from then on until the container started: the image, and
// init containers. Only a pod's first start tells.
func (o one) before() (sandbox, image int64, ok bool) {
	scheduled, made := condition(o.pod, corev1.PodScheduled), condition(o.pod, corev1.PodReadyToStartContainers)
	running := o.status.State.Running
	if scheduled == nil || made == nil || running == nil || o.status.RestartCount > 0 ||
		scheduled.Status != corev1.ConditionTrue || made.Status != corev1.ConditionTrue {
		return 0, 0, false
	}
	sandbox = secondsBetween(scheduled.LastTransitionTime.Time, made.LastTransitionTime.Time)
	image = secondsBetween(made.LastTransitionTime.Time, running.StartedAt.Time)
	return sandbox, image, sandbox >= 0 && image >= 0
}

func condition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == kind {
			return c
		}
	}
	return nil
}

func secondsBetween(from, to time.Time) int64 { return int64(to.Sub(from) / time.Second) }
