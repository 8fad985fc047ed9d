package why

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
)

// overdue is how long after the end of its grace period a pod may still be there: the kubelet reports, the API server
// deletes.
const overdue = 10 * time.Second

// stops says what keeps a deleted pod.
func stops(s Seen, all []patient) Diagnosis {
	end := s.Pod.DeletionTimestamp.Time // the grace period is in it (k8s.io/apimachinery ObjectMeta)
	var running []string
	for _, p := range all {
		if _, runs := p.running(); runs {
			running = append(running, p.Name)
		}
	}
	late, node := s.Now.Sub(end), s.Pod.Spec.NodeName
	switch {
	case len(running) == 0 && len(s.Pod.Finalizers) > 0 && late > overdue:
		return Diagnosis{ID: StuckTerminating, Wrong: true,
			Message: fmt.Sprintf("The pod has ended and is kept by its finalizers: %s.",
				strings.Join(s.Pod.Finalizers, ", ")),
			Advice: "See that the controller runs which removes them. If it is gone for good, remove them from " +
				"metadata.finalizers.",
			Evidence: []string{"metadata.deletionTimestamp: " + clock(end)}}
	case late > overdue:
		d := Diagnosis{ID: StuckTerminating, Wrong: true,
			Message:  "The pod should have been gone " + length(late) + " ago.",
			Advice:   "See whether the node " + node + " answers: kubectl get node " + node + ".",
			Evidence: []string{"metadata.deletionTimestamp: " + clock(end)}}
		if len(running) > 0 {
			d.Message += " These containers still run, as far as is known: " + strings.Join(running, ", ") + "."
		}
		if len(s.Pod.Finalizers) > 0 {
			d.Message += " Finalizers keep it too: " + strings.Join(s.Pod.Finalizers, ", ") + "."
		}
		return d
	}
	d := Diagnosis{ID: Stopping, Message: "The pod is being deleted and ends until " + clock(end) + ", in " +
		length(max(-late, 0)) + "."}
	if s.Pod.DeletionGracePeriodSeconds != nil {
		d.Message += " Its grace period is " + seconds(*s.Pod.DeletionGracePeriodSeconds) + "."
	}
	if len(running) > 0 {
		d.Message += " These containers still run: " + strings.Join(running, ", ") + "."
	}
	for _, p := range all {
		if _, has := p.Hook(pod.PreStop); has && slices.Contains(running, p.Name) {
			d.Message += fmt.Sprintf(" A preStop hook is part of it, of container %q.", p.Name)
		}
	}
	return d
}

// ended says why a pod failed as a whole.
func failedAsWhole(s Seen) []Diagnosis {
	reason := s.Pod.Status.Reason
	if s.Pod.Status.Phase != corev1.PodFailed || reason == "" {
		return nil
	}
	evidence := []string{"status: " + reason + ": " + console.OneLine(s.Pod.Status.Message)}
	if reason == "DeadlineExceeded" {
		d := Diagnosis{ID: Deadline, Wrong: true, Message: "The pod was ended, because it ran longer than it may.",
			Advice: "Raise activeDeadlineSeconds.", Evidence: evidence}
		if limit := s.Pod.Spec.ActiveDeadlineSeconds; limit != nil {
			d.Message = "The pod was ended, because it ran longer than activeDeadlineSeconds, " + seconds(*limit) +
				". That counts from when the kubelet took the pod: image pulls and init containers are in it."
		}
		return []Diagnosis{d}
	}
	ended := "The node ended the pod: "
	if len(s.Pod.Status.ContainerStatuses) == 0 && reason != "Evicted" {
		ended = "The node refused the pod: "
	}
	return []Diagnosis{{ID: Evicted, Wrong: true, Message: ended + reason + ".",
		Advice: "The status says why. A controller makes a new pod; a bare pod stays ended.", Evidence: evidence}}
}

// jobWaits finds what keeps a Job's pod from completing: a container that runs on after another has completed.
func jobWaits(s Seen, all []patient) []Diagnosis {
	if len(all) == 0 || all[0].subject.Owner != pod.Jobs {
		return nil
	}
	var done *patient
	for i := range all {
		if p := &all[i]; p.Class == pod.App && p.done() {
			done = p
		}
	}
	if done == nil || s.Now.Sub(done.status.State.Terminated.FinishedAt.Time) < notYet {
		return nil
	}
	completed := done.status.State.Terminated.FinishedAt.Time
	var waits []Diagnosis
	for i := range all {
		p := &all[i]
		if _, runs := p.running(); !runs || p.Class != pod.App {
			continue
		}
		serves := len(p.Ports) > 0 || p.LivenessProbe != nil || p.ReadinessProbe != nil || p.StartupProbe != nil
		waits = append(waits, Diagnosis{ID: JobNeverEnds, Container: p.Name, Wrong: serves, // else it may be at work
			Message: about(p.Name) + fmt.Sprintf(
				"it still runs %s after container %q completed, and the Job waits for both.",
				length(s.Now.Sub(completed)), done.Name),
			Advice:   "If it only serves the other, make it a sidecar: an init container with restartPolicy Always.",
			Evidence: []string{runText(done.status.State.Terminated)}})
	}
	return waits
}
