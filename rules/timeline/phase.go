package timeline

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// podReady is the condition Ready: all containers are that stay. Readiness gates are taken as true.
func (k *kubelet) podReady() bool {
	if k.phase == corev1.PodSucceeded || k.phase == corev1.PodFailed {
		return false
	}
	for _, c := range k.containers {
		if !c.status.ready {
			return false
		}
	}
	return true
}

// Why a pod is stopped, or what is left of it.
const (
	Deadline    = "activeDeadlineSeconds is over"
	NothingElse = "nothing else runs"
)

// overdue tells whether that time is over, from the whole second of the start on (K pkg/kubelet/active_deadline.go).
func (k *kubelet) overdue() bool {
	allowed := k.subject.Spec.ActiveDeadlineSeconds
	return allowed != nil && k.now+k.timing.Second >= seconds(*allowed)
}

// phaseNow is the pod's phase (K pkg/kubelet/kubelet_pods.go getPhase).
func (k *kubelet) phaseNow() corev1.PodPhase {
	if k.overdue() {
		return corev1.PodFailed
	}
	pending, running, creating, stopped, forGood, succeeded := 0, 0, 0, 0, 0, 0
	for _, c := range k.containers {
		s := &c.status
		neverRan := s.waiting != "" && !s.ended
		switch {
		case c.isInit():
			if s.running || neverRan {
				pending++
			} else if s.code != 0 && !k.comesBack(c, s.code) {
				return corev1.PodFailed
			}
		case c.Class == pod.Sidecar:
			if s.running {
				running++
			}
			if s.running && !s.started || neverRan {
				pending += boolInt(!k.appsRan)
				creating += boolInt(neverRan)
			}
		case s.running:
			running++
		case neverRan:
			creating++
		default:
			stopped++
			forGood += boolInt(!k.comesBack(c, s.code))
			succeeded += boolInt(s.terminated && s.code == 0)
		}
	}
	switch {
	case pending > 0 || creating > 0:
		return corev1.PodPending
	case running > 0 || stopped != forGood && !k.worker.done:
		return corev1.PodRunning
	case stopped == succeeded:
		return corev1.PodSucceeded
	}
	return corev1.PodFailed
}

func boolInt(is bool) int {
	if is {
		return 1
	}
	return 0
}
