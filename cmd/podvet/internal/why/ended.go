package why

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
)

// often is how many restarts within shortBackOff are more than an accident.
const often = 3

// ends says why the container ended by itself.
func (p *patient) ends() []Diagnosis {
	ended := p.lastEnded()
	if ended == nil || p.done() || isStartError(ended.Reason) || p.byProbeOrHook(ended) {
		return nil
	}
	d := Diagnosis{Container: p.Name, Evidence: []string{runText(ended)}}
	lived := ""
	if !ended.StartedAt.IsZero() {
		lived = " after " + length(ended.FinishedAt.Sub(ended.StartedAt.Time))
	}
	d.Wrong = !p.ok() || p.status.RestartCount >= often && p.Now.Sub(ended.FinishedAt.Time) < shortBackOff
	logs := "See what it said: kubectl logs " + p.Pod.Name + " -n " + p.Pod.Namespace + " -c " + p.Name
	if p.status.LastTerminationState.Terminated == ended {
		logs += " --previous"
	}
	p.describe(&d, ended, lived, logs+".")
	if p.Class == pod.Init && d.ID != Completes {
		d.ID = InitFails
		d.Message += " The app waits for it."
	}
	if !d.Wrong {
		d.ID, d.Advice = WasRestarted, ""
		d.Message += " It has run since then."
	} else if again := p.again(ended); again != "" {
		d.Message += " " + again
	}
	if backOff := p.tells("BackOff"); backOff.count > 0 && d.Wrong {
		d.Evidence = append(d.Evidence, backOff.String())
	}
	return []Diagnosis{d}
}

// describe says what an exit code and a reason mean.
func (p *patient) describe(d *Diagnosis, ended *corev1.ContainerStateTerminated, lived, logs string) {
	switch code := ended.ExitCode; {
	case ended.Reason == oomKilled:
		d.ID = OutOfMemory
		limit := p.Resources.Limits.Memory()
		d.Message = about(p.Name) + "the kernel killed it" + lived + ", because it took more memory than it may"
		d.Advice = "Set resources.limits.memory to what the app needs."
		if !limit.IsZero() {
			d.Message += " (" + limit.String() + ")"
			d.Advice = "Raise resources.limits.memory from " + limit.String() + ", or have the app take less."
		}
		d.Message += "."
	case code == 0 && p.subject.Owner == pod.Jobs:
		d.ID = JobNeverEnds
		d.Message = about(p.Name) + "it completed" + lived + ", and is restarted each time, so the Job never completes."
		d.Advice = "Leave out the container's restartPolicy, or set it to OnFailure."
	case code == 0:
		d.ID = Completes
		d.Message = about(p.Name) + "it completed" + lived +
			" with exit code 0, and restartPolicy Always starts it again."
		d.Advice = "If it is meant to end, run it as a Job. If not, keep its main process in the foreground."
	case code > 128 && code < 128+65:
		d.ID = KilledBySignal
		d.Message = about(p.Name) + fmt.Sprintf("it ended%s by %s, exit code %d. ", lived, signal(code-128), code)
		switch code - 128 {
		case 9:
			d.Message += "Neither a probe nor a deletion sent it."
			d.Advice = "Look for what does: the node's memory, a process in the container, or the memory of one of " +
				"its processes. " + logs
		case 15:
			d.Message += "Neither a probe nor a deletion sent it, or its event is gone: they are kept for an hour." +
				p.fitsProbe(ended)
			d.Advice = logs
		default:
			d.Advice = logs
		}
		d.Message = strings.TrimSpace(d.Message)
	default:
		d.ID = EndsByItself
		d.Message = about(p.Name) + fmt.Sprintf("it ended by itself%s with exit code %d%s.", lived, code, meaning(code))
		d.Advice = logs
	}
	if p.status.RestartCount > 1 {
		d.Message += " It has been restarted " + times(p.status.RestartCount) + "."
	}
	if ended.Message != "" {
		d.Evidence = append(d.Evidence, "termination message: "+console.OneLine(ended.Message))
	}
}

// fitsProbe says that a run was as long as livenessProbe lets a boot be, where nothing else is known of its end.
func (p *patient) fitsProbe(ended *corev1.ContainerStateTerminated) string {
	live, has := p.ProbeOf(pod.Liveness)
	lived := int64(ended.FinishedAt.Sub(ended.StartedAt.Time) / time.Second)
	if !has || lived < live.Guaranteed()-1 || lived > live.Worst()+p.subject.Grace()+int64(slack/time.Second) {
		return ""
	}
	return fmt.Sprintf(" The run was as long as livenessProbe leaves a container that does not answer, %s to %s.",
		seconds(live.Guaranteed()), seconds(live.Worst()+p.subject.Grace()))
}

// isStartError tells whether a run never began (containerd and cri-o give these reasons).
func isStartError(reason string) bool {
	return reason == "StartError" || reason == "ContainerCannotRun"
}

// meaning is what an exit code means by convention.
func meaning(code int32) string {
	switch code {
	case 126:
		return ", as a shell whose command is not executable"
	case 127:
		return ", as a shell that does not find its command"
	}
	return ""
}

// signal is a signal's name.
func signal(number int32) string {
	names := map[int32]string{1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL",
		11: "SEGV", 13: "PIPE", 15: "TERM"}
	if name, known := names[number]; known {
		return "SIG" + name
	}
	return fmt.Sprintf("signal %d", number)
}
