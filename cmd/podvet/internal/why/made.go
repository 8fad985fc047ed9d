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

// longInit is how long an init container runs before that is worth a look.
const longInit = 10 * time.Minute

// Reasons for which a container waits
// (K pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime/kuberuntime_container.go).
var (
	imageReasons = []string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName",
		"ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"}
	makingReasons = []string{"CreateContainerConfigError", "CreateContainerError", "RunContainerError",
		"PreCreateHookError", "PreStartHookError"}
)

// notMade says why a container cannot be started.
func (p *patient) notMade() []Diagnosis {
	waiting, ended := p.status.State.Waiting, p.lastEnded()
	switch {
	case waiting != nil && slices.Contains(imageReasons, waiting.Reason):
		d := Diagnosis{ID: Image, Container: p.Name, Wrong: true,
			Message: about(p.Name) + fmt.Sprintf("its image %q cannot be pulled.", p.Image),
			Advice: "Correct the image's name and tag, or see that the node reaches the registry and " +
				"that imagePullSecrets name a login.",
			Evidence: []string{"status: " + waiting.Reason + ": " + console.OneLine(waiting.Message)}}
		if waiting.Reason == "ErrImageNeverPull" {
			d.Message = about(p.Name) + fmt.Sprintf(
				"its image %q is not on the node, and imagePullPolicy Never pulls none.", p.Image)
			d.Advice = "Load the image onto the node, or set imagePullPolicy to IfNotPresent."
		}
		return []Diagnosis{d}
	case waiting != nil && slices.Contains(makingReasons, waiting.Reason):
		return []Diagnosis{p.cannotBeMade(waiting.Reason, waiting.Message)}
	case ended != nil && isStartError(ended.Reason):
		return []Diagnosis{p.cannotBeMade(ended.Reason, ended.Message)}
	}
	start, runs := p.running()
	if p.Class != pod.Init || !runs {
		return nil
	}
	return []Diagnosis{{ID: InitRuns, Container: p.Name, Wrong: p.Now.Sub(start) > longInit,
		Message: about(p.Name) + "this init container has run for " + length(p.Now.Sub(start)) +
			". The app waits for it.",
		Advice: "See what it does: " + p.logs() + "."}}
}

func (p *patient) cannotBeMade(reason, message string) Diagnosis {
	d := Diagnosis{ID: CannotBeMade, Container: p.Name, Wrong: true, Message: about(p.Name) + "it cannot be started.",
		Advice: "Write a command that the image has, or leave out command.", Evidence: []string{
			"status: " + reason + ": " + console.OneLine(message)}}
	has := func(text string) bool { return strings.Contains(message, text) }
	switch {
	case has("non-root") || has("runAsNonRoot"):
		d.Advice = "Set securityContext.runAsUser to a number above 0, or build the image for such a user."
	case has("permission denied"):
		d.Advice = "The command is there, and may not be run: make it executable in the image, or write another one."
	case has("memory limit too low") || has("minimum memory"):
		d.Advice = "Raise resources.limits.memory: the runtime cannot start anything within it."
	case reason == "CreateContainerConfigError":
		d.Message = about(p.Name) + "it cannot be started, because something that it refers to is missing or refused."
		d.Advice = "Create what the status names, or leave it out from env and envFrom."
	case reason == "CreateContainerError":
		d.Advice = "See what the runtime says in the status."
	}
	if failed := p.tells("Failed"); failed.count > 0 {
		d.Evidence = append(d.Evidence, failed.String())
	}
	return d
}

// notPlaced says why no container of the pod has been made.
func notPlaced(s Seen) []Diagnosis {
	scheduled := condition(s.Pod, corev1.PodScheduled)
	switch {
	case scheduled.Status == corev1.ConditionFalse && scheduled.Reason == corev1.PodReasonSchedulingGated:
		return []Diagnosis{{ID: Unscheduled, Wrong: true,
			Message:  "The pod waits for its scheduling gates, which a controller has to remove.",
			Advice:   "See that the controller runs, or leave out spec.schedulingGates.",
			Evidence: []string{"condition PodScheduled: " + console.OneLine(statusText(scheduled))}}}
	case scheduled.Status == corev1.ConditionFalse:
		return []Diagnosis{{ID: Unscheduled, Wrong: true,
			Message: "No node has taken the pod for " + length(s.Now.Sub(scheduled.LastTransitionTime.Time)) +
				". podvet does not look into why.",
			Advice:   "Read the scheduler's words: they count the nodes by what keeps the pod away.",
			Evidence: []string{"condition PodScheduled: " + console.OneLine(statusText(scheduled))}}}
	}
	if age := s.Now.Sub(s.Pod.CreationTimestamp.Time); s.Pod.Spec.NodeName == "" && scheduled.Status == "" &&
		s.Pod.Status.Phase == corev1.PodPending && age > notYet {
		return []Diagnosis{{ID: Unscheduled, Wrong: true,
			Message: fmt.Sprintf("No scheduler has looked at the pod for %s: it waits for the one named %q.",
				length(age), s.Pod.Spec.SchedulerName),
			Advice: "See that it runs, or leave out spec.schedulerName."}}
	}
	for _, status := range slices.Concat(s.Pod.Status.InitContainerStatuses, s.Pod.Status.ContainerStatuses) {
		if waiting := status.State.Waiting; waiting == nil || waiting.Reason != "ContainerCreating" &&
			waiting.Reason != "PodInitializing" {
			return nil
		}
	}
	made := tell(s.Events, "Pulled")
	if pulling := tell(s.Events, "Pulling"); pulling.last.After(made.last) {
		return []Diagnosis{{ID: Starting, Message: "Its image has been pulled for " + length(s.Now.Sub(pulling.last)) +
			".", Evidence: []string{pulling.String()}}}
	}
	for _, kind := range []struct{ id, reason, message, advice string }{
		{Volume, "FailedMount", "A volume cannot be mounted, so no container is made.",
			"Create what the event names, or leave the volume out."},
		{Volume, "FailedAttachVolume", "A volume cannot be attached, so no container is made.",
			"See whether another node still holds the volume."},
		{Sandbox, "FailedCreatePodSandBox", "The node cannot give the pod a network, so no container is made.",
			"See the node's network plugin."},
	} {
		if failed := tell(s.Events, kind.reason); failed.count > 0 && failed.last.After(made.last) {
			return []Diagnosis{{ID: kind.id, Wrong: true, Message: kind.message, Advice: kind.advice,
				Evidence: []string{failed.String()}}}
		}
	}
	return nil
}
