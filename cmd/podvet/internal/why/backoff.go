package why

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// shortBackOff is how long a run has to be for the kubelet to forget the crashes before it (K pkg/kubelet/kubelet.go).
const shortBackOff = 10 * time.Minute

// again says when the kubelet starts the container again, for one that waits.
func (p *patient) again(ended *corev1.ContainerStateTerminated) string {
	if _, runs := p.running(); runs || p.Pod.Status.Phase == corev1.PodFailed || !pod.Restarts(p.subject.Spec,
		p.Container.Container, ended.ExitCode) {
		return ""
	}
	wait := p.backOff()
	if wait == 0 || ended.FinishedAt.Sub(ended.StartedAt.Time) > shortBackOff {
		return ""
	}
	earliest := ended.FinishedAt.Add(wait)
	latest := earliest.Add(min(wait, time.Minute)/2 + slack)
	if latest.Before(p.Now) {
		return ""
	}
	return fmt.Sprintf("The kubelet starts it again between %s and %s (back-off %s).", clock(earliest),
		until(earliest, latest), length(wait))
}

// backOff is how long the kubelet waits before it starts the container again: as its status says, else by the formula
// for runs that are short, 10 s doubled up to 300 s, the first restart at once (K pkg/kubelet/kubelet.go).
func (p *patient) backOff() time.Duration {
	if waiting := p.status.State.Waiting; waiting != nil {
		text, _, _ := strings.Cut(strings.TrimPrefix(waiting.Message, "back-off "), " ")
		if wait, err := time.ParseDuration(text); err == nil {
			return wait
		}
	}
	if p.status.RestartCount <= 0 {
		return 0
	}
	return min(10*time.Second<<min(p.status.RestartCount-1, 10), 5*time.Minute)
}
