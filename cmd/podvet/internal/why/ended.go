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
	_, runs := p.running()
	switch {
	case ended == nil || p.done() || isStartError(ended.Reason) || p.explained(ended),
		p.Class == pod.App && p.waits("PodInitializing"),     // it is the init containers' turn
		p.Class == pod.Sidecar && p.over(),                   // the kubelet ends these
		p.Class == pod.Init && (runs || ended.ExitCode == 0): // it runs again after a restart of the pod
		return nil
	}
	d := Diagnosis{Container: p.Name, Evidence: []string{runText(ended)}}
	lived := ""
	if !ended.StartedAt.IsZero() {
		lived = " after " + length(ended.FinishedAt.Sub(ended.StartedAt.Time))
	}
	d.Wrong = !runs || p.endsOften(ended)
	logs := "See what it said: " + p.logs()
	if p.status.LastTerminationState.Terminated == ended {
		logs += " --previous"
	}
	if d.Wrong && p.fitsProbe(&d, ended) {
		return []Diagnosis{d}
	}
	p.describe(&d, ended, lived, logs+".")
	if p.Class == pod.Init && d.ID != Completes {
		d.ID = InitFails
		d.Message += " The app waits for it."
	}
	if p.Class == pod.Sidecar && p.Pod.Status.Phase == corev1.PodPending {
		d.Message += " The containers after this sidecar wait for it."
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

// endsOften tells whether a container that runs will end again as it did: it did so lately and often.
func (p *patient) endsOften(ended *corev1.ContainerStateTerminated) bool {
	since := p.Now.Sub(ended.FinishedAt.Time)
	if ended.Reason == oomKilled { // memory that leaks takes its time
		return p.status.RestartCount >= often && since < 24*time.Hour
	}
	if started := p.tells("Started"); started.count > 0 {
		return started.count >= often && since < shortBackOff
	}
	lived := ended.FinishedAt.Sub(ended.StartedAt.Time)
	return p.status.RestartCount >= often && since < shortBackOff && lived < shortBackOff
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
	case ended.Reason == "ContainerStatusUnknown" || ended.Reason == "Unknown":
		d.ID = EndsByItself
		d.Message = about(p.Name) + "its end was not seen: the node was restarted, or lost the container."
		d.Advice = "If that happens again, look at the node " + p.Pod.Spec.NodeName + "."
	case code == 0 && p.Class == pod.Sidecar:
		d.ID = Completes
		d.Message = about(p.Name) + "it completed" + lived + " with exit code 0, and a sidecar is started again."
		d.Advice = "Keep its main process in the foreground."
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
			d.Message += noSender
			d.Advice = "Look for what does: the node's memory, a process in the container, or the memory of one of " +
				"its processes. " + logs
		case 15:
			d.Message += noSender
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

const noSender = "Neither a probe nor a deletion sent it, or its event is gone: they are kept for an hour."

// fitsProbe finds runs that were as long as a probe leaves a container that does not answer, where no event says
// anything of their end any more.
func (p *patient) fitsProbe(d *Diagnosis, ended *corev1.ContainerStateTerminated) bool {
	byStop := ended.ExitCode == 0 || ended.ExitCode == 128+9 || ended.ExitCode == 128+15
	if !byStop || ended.Reason == oomKilled || p.status.RestartCount < often || p.tells("Killing").count > 0 ||
		p.tells("Started").count > 0 {
		return false
	}
	probe, has := p.ProbeOf(pod.Startup)
	if !has {
		probe, has = p.ProbeOf(pod.Liveness)
	}
	if !has {
		return false
	}
	lived, latest := int64(ended.FinishedAt.Sub(ended.StartedAt.Time)/time.Second), probe.Worst()
	if lived < probe.Guaranteed()-1 || lived > latest+p.subject.Grace()+int64(slack/time.Second) {
		return false
	}
	k := kill{patient: p, probe: probe, known: true, high: time.Duration(min(lived, latest)) * time.Second}
	d.ID = KilledAtBoot
	d.Message = about(p.Name) + fmt.Sprintf("it ended after %s with exit code %d. %s kills a container that does not "+
		"answer after %s to %s, and it then has %s to end. The events that would say so are gone: they are kept for "+
		"an hour.", seconds(lived), ended.ExitCode, probe.Kind, seconds(probe.Guaranteed()), seconds(latest),
		seconds(p.subject.Grace()))
	d.Advice = k.longerBoot(false)
	return true
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
