package why

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
)

// kill is what a probe did to a container.
type kill struct {
	*patient
	probe pod.Probe
	told
	every     bool          // each start ended so
	low, high time.Duration // from a start to the decision
	known     bool          // how long that took
	start     time.Time     // of the last one that was killed
}

// killsBy finds the kills by one of the container's probes, and false for none that still matters.
func (p *patient) killsBy(kind pod.ProbeKind) (kill, bool) {
	name := strings.TrimSuffix(kind.String(), "Probe")
	probe, has := p.ProbeOf(kind)
	k := kill{patient: p, probe: probe, told: p.tells("Killing", "failed "+name+" probe")}
	if has && k.count == 0 {
		k.told = p.stoppedForGood(probe)
	}
	// One that has worked since is over; events are kept for an hour.
	if !has || k.count == 0 || k.count == 1 && p.ok() && p.Now.Sub(k.last) > shortBackOff {
		return k, false
	}
	started := p.tells("Started")
	k.start, k.known = p.startOf(k.last)
	if !k.known && !started.last.IsZero() && !started.last.After(k.last) {
		k.start, k.known = started.last, true
	}
	if ended := p.lastEnded(); !k.known && ended != nil && ended.StartedAt.After(k.last) {
		return k, false // what came after it is what is wrong now
	}
	k.every = k.count >= max(p.endings(), 1) && k.count >= started.count-1
	if began, runs := p.running(); runs && k.start.Equal(began) {
		k.every = k.count > p.status.RestartCount // it is being killed
	}
	if k.low = k.last.Sub(k.start); k.known {
		k.high = k.low
		// The first start and the first kill belong together where each start was killed.
		if first := k.first.Sub(started.first); k.every && !started.first.IsZero() && first >= 0 {
			k.low, k.high = min(k.low, first), max(k.high, first)
		}
	}
	return k, true
}

// stoppedForGood is the end of a container that a probe killed and that is not restarted: then the kubelet ends the
// whole pod, and the event does not name the probe (K pkg/kubelet/kuberuntime/kuberuntime_manager.go).
func (p *patient) stoppedForGood(probe pod.Probe) told {
	stop := p.tells("Killing", "Stopping container")
	failed, _ := p.fails(probe.Kind)
	if p.Pod.Status.Phase != corev1.PodFailed || failed.count < probe.FailureThreshold ||
		stop.last.Sub(failed.last).Abs() > slack {
		return told{}
	}
	return stop
}

// atBoot tells whether the container was killed before it had ever answered: the formula says until when that is
// decided.
func (k kill) atBoot() bool {
	if k.probe.Kind == pod.Startup {
		return true
	}
	return k.known && k.last.Sub(k.start) <= k.bootOver() && !k.wasReady(k.start) &&
		(k.StartupProbe == nil || k.lateGate())
}

// bootOver is how long after a start the probe has decided about a container that does not answer.
func (k kill) bootOver() time.Duration { return time.Duration(k.probe.Worst())*time.Second + slack }

// lateGate tells whether kubelets 1.35 to 1.37 may let liveness probe a restarted container before its startupProbe has
// run, see pod.LateStartupGate.
func (k kill) lateGate() bool {
	startup, has := k.ProbeOf(pod.Startup)
	return has && k.status.RestartCount > 0 && k.probe.Guaranteed() < startup.Period()
}

// killed says why the container's probes killed it.
func (p *patient) killed() (all []Diagnosis) {
	for _, kind := range []pod.ProbeKind{pod.Startup, pod.Liveness} {
		k, any := p.killsBy(kind)
		if !any {
			continue
		}
		failed, _ := p.fails(kind)
		found := answerOf(p.subject, k.probe, failed.message)
		d := k.afterHang(found)
		switch {
		case found.never:
			d = k.byWrongProbe(found)
		case k.atBoot():
			d = k.whileBooting(found)
		}
		d.Evidence = append(d.Evidence, k.String())
		if failed.count > 0 {
			d.Evidence = append(d.Evidence, failed.String())
		}
		if ended := p.lastEnded(); ended != nil {
			d.Evidence = append(d.Evidence, runText(ended))
			if again := p.again(ended); again != "" && p.status.State.Waiting != nil {
				d.Message += " " + again
			}
		}
		all = append(all, d)
	}
	return all
}

// when says when the kills came.
func (k kill) when() string {
	switch {
	case !k.known:
		return times(k.count)
	case k.every && k.count > 1:
		return fmt.Sprintf("%s after each of %d starts", between(k.low, k.high), k.count)
	case k.count > 1:
		return times(k.count) + ", the last time " + length(k.last.Sub(k.start)) + " after its start"
	}
	return length(k.high) + " after its start"
}

// byWrongProbe is about a probe that asks for what the app never gives: more time does not help.
func (k kill) byWrongProbe(found answer) Diagnosis {
	return Diagnosis{ID: WrongProbe, Container: k.Name, Wrong: true, Advice: found.write,
		Message: about(k.Name) + k.probe.Kind.String() + " killed it " + k.when() + ". " + found.says}
}

func (k kill) whileBooting(found answer) Diagnosis {
	field := k.probe.Kind.String()
	d := Diagnosis{ID: KilledAtBoot, Container: k.Name, Wrong: true, Advice: found.write}
	d.Message = about(k.Name) + field + " killed it " + k.when() + " and had never succeeded. "
	d.Message += field + " allows a boot of " + seconds(k.probe.Guaranteed())
	if k.known {
		d.Message += ", and this one needs at least " + length(k.high)
	}
	d.Message += "."
	if k.probe.Kind == pod.Liveness && k.StartupProbe != nil {
		d.Message += " Kubelets " + pod.LateStartupGate.String() +
			" let it probe a restarted container before startupProbe has run once."
		d.Advice = fmt.Sprintf("Set startupProbe.periodSeconds to %d or less, and raise its failureThreshold likewise.",
			max(k.probe.Guaranteed(), 1))
		return d
	}
	if found.says != "" {
		d.Message += " " + found.says
	}
	d.Advice = strings.TrimSpace(d.Advice + " " + k.longerBoot(found.write != ""))
	return d
}

// What a boot is to be given, see no-startup-probe, and what a slower one.
const (
	bootBudget   = 300
	budgetOfBoot = 2 // times what the boot is known to need
)

// longerBoot says how the container is given the time that it needs.
func (k kill) longerBoot(otherwise bool) string {
	budget := max(bootBudget, budgetOfBoot*int64(k.high/time.Second))
	raise, copied := "Raise ", "Copy "
	if otherwise {
		raise, copied = "If only the boot is slow, raise ", "If only the boot is slow, copy "
	}
	if k.probe.Kind == pod.Startup {
		return fmt.Sprintf(raise+"startupProbe.failureThreshold to %d, which allows %s.", k.probe.FailuresFor(budget),
			seconds(budget))
	}
	// What starts after a sidecar would wait for a startupProbe, and a command that is missing would block it.
	if k.Class == pod.Sidecar || k.probe.Exec != nil {
		return fmt.Sprintf(raise+"livenessProbe.initialDelaySeconds to %d, which allows %s.",
			budget-k.probe.Guaranteed()+k.probe.Delay(), seconds(budget))
	}
	startup, _ := catalogue.StartupProbe(&k.Container, k.probe, budget)
	return fmt.Sprintf(copied+
		"livenessProbe to a startupProbe with periodSeconds %d, failureThreshold %d, which allows %s.",
		startup.Period(), startup.Failures(), seconds(budget))
}

func (k kill) afterHang(found answer) Diagnosis {
	d := Diagnosis{ID: KilledAfterHang, Container: k.Name, Wrong: true}
	if k.low <= k.bootOver() { // the first one was at boot
		k.every = false
	}
	d.Message = about(k.Name) + "livenessProbe killed it " + k.when() + ". "
	if k.known {
		d.Message += "It had answered until then, and failed "
	} else {
		d.Message += "It failed "
	}
	d.Message += times(k.probe.FailureThreshold) + " in a row."
	if found.says != "" {
		d.Message += " " + found.says
	}
	previous := " --previous"
	if began, runs := k.running(); runs && k.start.Equal(began) {
		previous = "" // it is being killed
	}
	d.Advice = "See what it did last: " + k.logs() + previous + ". If it was only busy, raise " +
		"livenessProbe.failureThreshold or timeoutSeconds."
	return d
}

// afterGrace finds a run that was told to end and did not, so that SIGKILL ended it.
func (p *patient) afterGrace() []Diagnosis {
	const byKernel = 128 + 9
	ended := p.lastEnded()
	stop := p.tells("Killing")
	if ended == nil || ended.ExitCode != byKernel || ended.Reason == oomKilled || stop.count == 0 {
		return nil
	}
	start, known := p.startOf(stop.last)
	if !known || !start.Equal(ended.StartedAt.Time) {
		return nil
	}
	grace, field := p.graceOf(stop)
	took := ended.FinishedAt.Sub(stop.last)
	if took < time.Duration(grace-1)*time.Second {
		return nil
	}
	advice := "End the app on SIGTERM, or raise " + field + " to what it takes. A shell that starts the app hands on " +
		"no SIGTERM: start it with exec."
	if _, hook := p.Hook(pod.PreStop); hook {
		advice = "The preStop hook is part of that time: shorten it, or raise " + field + " to what both take."
	}
	return []Diagnosis{{ID: KilledAfterGrace, Container: p.Name, Wrong: true,
		Message: about(p.Name) + "it was told to end, and did not within its grace period of " + seconds(grace) +
			". So SIGKILL ended it after " + length(took) + ", with exit code 137.",
		Advice:   advice,
		Evidence: []string{stop.String(), runText(ended)}}}
}

// graceOf is how many seconds a stop left the container, and the field that says so: a probe may have its own.
func (p *patient) graceOf(stop told) (grace int64, field string) {
	const own = "terminationGracePeriodSeconds"
	for _, kind := range []pod.ProbeKind{pod.Startup, pod.Liveness} {
		probe, has := p.ProbeOf(kind)
		if has && strings.Contains(stop.message, strings.TrimSuffix(kind.String(), "Probe")+" probe") &&
			probe.TerminationGracePeriodSeconds != nil {
			return *probe.TerminationGracePeriodSeconds, kind.String() + "." + own
		}
	}
	return p.subject.Grace(), own
}

// oomKilled is the reason of a container that the kernel killed for its memory (the CRI's).
const oomKilled = "OOMKilled"

// hooks says which of the container's hooks fail.
func (p *patient) hooks() (all []Diagnosis) {
	failed := p.tells("FailedPostStartHook")
	if failed.count > 0 && (!p.ok() || p.Now.Sub(failed.last) < shortBackOff) {
		d := Diagnosis{ID: PostStartFails, Container: p.Name, Wrong: true,
			Message: about(p.Name) + "its postStart hook failed " + times(failed.count) +
				", and the kubelet killed it for that.",
			Advice: p.hookAdvice(pod.PostStart), Evidence: []string{failed.String()}}
		if p.waits("PostStartHookError") {
			d.Evidence = append(d.Evidence, "status: "+console.OneLine(p.status.State.Waiting.Message))
		}
		if ended := p.lastEnded(); ended != nil {
			d.Message = strings.TrimSpace(d.Message + " " + p.again(ended))
		}
		all = append(all, d)
	}
	if failed := p.tells("FailedPreStopHook"); failed.count > 0 {
		all = append(all, Diagnosis{ID: PreStopFails, Container: p.Name, Wrong: true,
			Message: about(p.Name) + "its preStop hook failed " + times(failed.count) +
				", so it was told to end without it.",
			Advice: p.hookAdvice(pod.PreStop), Evidence: []string{failed.String()}})
	}
	return all
}

func (p *patient) hookAdvice(kind pod.HookKind) string {
	hook, has := p.Hook(kind)
	switch {
	case has && hook.TCPSocket != nil:
		return "The kubelet cannot run tcpSocket in a hook: write exec or httpGet."
	case has && hook.HTTPGet != nil:
		if name, unresolved := hook.Unresolved(); unresolved {
			return fmt.Sprintf("The container declares no port %q: write one that it declares, or its number.", name)
		}
		return "See that something serves " + kind.String() + ".httpGet when the hook is called."
	}
	return "Write a command that the image has and that succeeds in " + kind.String() + ".exec, one word per item."
}

// explained tells whether what a probe, a hook or a deletion did explains the end of a run.
func (p *patient) explained(run *corev1.ContainerStateTerminated) bool {
	if run.Reason == oomKilled {
		return false
	}
	hook := p.tells("FailedPostStartHook")
	kills := told{count: hook.count, first: hook.first, last: hook.last}
	for _, kind := range []pod.ProbeKind{pod.Startup, pod.Liveness} {
		if k, any := p.killsBy(kind); any {
			kills.count += k.count
			if covers(run, k.first) || covers(run, k.last) {
				return true
			}
		}
	}
	all := kills.count >= max(p.endings(), 1)
	return kills.count > 0 && (all || covers(run, kills.first) || covers(run, kills.last))
}
