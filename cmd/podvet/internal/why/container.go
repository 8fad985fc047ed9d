package why

import (
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// slack is how far times may be apart that belong together: those in a status have whole seconds, and the kubelet does
// what it has decided within another.
const slack = 2 * time.Second

// patient is one container with its history.
type patient struct {
	pod.Container
	Seen
	subject *pod.Subject
	status  corev1.ContainerStatus
	own     []*corev1.Event
	ended   []*corev1.ContainerStateTerminated // its last runs, the latest first: the status has two at most
}

// patients are the containers of a pod that have a status, in the order in which they start.
func patients(s Seen) []patient {
	subject, ok := pod.Read(s.Pod.DeepCopy())
	if !ok {
		return nil
	}
	var all []patient
	add := func(c pod.Container, statuses []corev1.ContainerStatus) {
		at := slices.IndexFunc(statuses, func(status corev1.ContainerStatus) bool { return status.Name == c.Name })
		if at < 0 {
			return
		}
		one := patient{Container: c, Seen: s, subject: subject, status: statuses[at], own: eventsOf(s.Events, c.Name)}
		for _, state := range []corev1.ContainerState{one.status.State, one.status.LastTerminationState} {
			if state.Terminated != nil {
				one.ended = append(one.ended, state.Terminated)
			}
		}
		all = append(all, one)
	}
	for i := range subject.Spec.InitContainers {
		c := pod.Container{Container: &subject.Spec.InitContainers[i], Class: pod.Init, Index: i}
		if at := slices.IndexFunc(subject.Containers, func(known pod.Container) bool {
			return known.Class == pod.Sidecar && known.Index == i
		}); at >= 0 {
			c = subject.Containers[at]
		}
		add(c, s.Pod.Status.InitContainerStatuses)
	}
	for _, c := range subject.Containers {
		if c.Class == pod.App {
			add(c, s.Pod.Status.ContainerStatuses)
		}
	}
	return all
}

// running is when the container's run began that goes on, and false for none.
func (p *patient) running() (time.Time, bool) {
	if p.status.State.Running == nil {
		return time.Time{}, false
	}
	return p.status.State.Running.StartedAt.Time, true
}

// startOf is when the run began in which something happened, of those that the status still has.
func (p *patient) startOf(t time.Time) (start time.Time, known bool) {
	// In the second of a restart it was still the run before.
	if began, ok := p.running(); ok && (t.After(began) || t.Equal(began) && len(p.ended) == 0) {
		return began, true
	}
	for _, run := range p.ended {
		if covers(run, t) {
			return run.StartedAt.Time, true
		}
	}
	return time.Time{}, false
}

// tells adds up the container's events.
func (p *patient) tells(reason string, holds ...string) told { return tell(p.own, reason, holds...) }

// fails adds up the events of a probe that fails, and of one whose attempts the kubelet throws away
// (K pkg/kubelet/prober/prober.go recordContainerEvent).
func (p *patient) fails(kind pod.ProbeKind) (failed, errored told) {
	name := strings.TrimSuffix(kind.String(), "Probe")
	name = strings.ToUpper(name[:1]) + name[1:] + " probe "
	return p.tells("Unhealthy", name+"failed"), p.tells("Unhealthy", name+"errored")
}

// lastEnded is the latest run that has ended, nil for none.
func (p *patient) lastEnded() *corev1.ContainerStateTerminated {
	if len(p.ended) == 0 {
		return nil
	}
	return p.ended[0]
}

// wasReady tells whether the pod's Ready turned from true to false after a time, of what a readinessProbe says.
func (p *patient) wasReady(after time.Time) bool {
	ready := condition(p.Pod, corev1.PodReady)
	return p.ReadinessProbe != nil && ready.Status == corev1.ConditionFalse &&
		ready.LastTransitionTime.After(after.Add(slack)) // a restart itself ends Ready
}

// covers tells whether something came in a run.
func covers(run *corev1.ContainerStateTerminated, t time.Time) bool {
	return !run.StartedAt.IsZero() && !t.Before(run.StartedAt.Time) && !t.After(run.FinishedAt.Add(slack))
}

// endings is how many runs have ended.
func (p *patient) endings() int32 {
	if _, runs := p.running(); runs {
		return p.status.RestartCount
	}
	return min(p.status.RestartCount, math.MaxInt32-1) + 1 // the last has not been restarted
}

// ok tells whether the container does what it should now.
func (p *patient) ok() bool {
	_, runs := p.running()
	return runs && p.status.Ready || p.done()
}

// logs is the command that prints what the container said.
func (p *patient) logs() string {
	return "kubectl logs " + p.Pod.Name + " -n " + p.Pod.Namespace + " -c " + p.Name
}

// waits tells whether the container waits for a reason.
func (p *patient) waits(reason string) bool {
	return p.status.State.Waiting != nil && p.status.State.Waiting.Reason == reason
}

// over tells whether all app containers of the pod have ended: then the kubelet ends its sidecars.
func (p *patient) over() bool {
	for _, status := range p.Pod.Status.ContainerStatuses {
		if status.State.Terminated == nil {
			return false
		}
	}
	return len(p.Pod.Status.ContainerStatuses) > 0
}

// done tells whether the container has ended, is not restarted and need not be.
func (p *patient) done() bool {
	ended := p.status.State.Terminated
	return ended != nil && ended.ExitCode == 0 &&
		(p.Class == pod.Init || !pod.Restarts(p.subject.Spec, p.Container.Container, 0))
}
