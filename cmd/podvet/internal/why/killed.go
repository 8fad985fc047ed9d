package why

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
)

// shortBackOff is how long a run has to be for the kubelet to forget the crashes before it (K pkg/kubelet/kubelet.go).
const shortBackOff = 10 * time.Minute

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
	if !has || k.count == 0 || p.ok() && p.Now.Sub(k.last) > shortBackOff {
		return k, false
	}
	started := p.tells("Started")
	k.start, k.known = p.startOf(k.last)
	if !k.known && !started.last.IsZero() && !started.last.After(k.last) {
		k.start, k.known = started.last, true
	}
	k.every = k.count >= max(p.status.RestartCount, 1)
	if k.low = k.last.Sub(k.start); k.known {
		k.high = k.low
		// The first start and the first kill belong together where each start was killed.
		if first := k.first.Sub(started.first); k.every && !started.first.IsZero() && first >= 0 {
			k.low, k.high = min(k.low, first), max(k.high, first)
		}
	}
	return k, true
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
		d := k.afterHang()
		if k.atBoot() {
			d = k.whileBooting()
		}
		failed, _ := p.fails(kind)
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

func (k kill) whileBooting() Diagnosis {
	field := k.probe.Kind.String()
	failed, _ := k.fails(k.probe.Kind)
	found := answerOf(k.probe, failed.message)
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
	bootBudget    = 300
	budgetOfBoot  = 2 // times what the boot is known to need
	longestPeriod = 3 // of a startupProbe: readiness waits for it
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
	if k.Class == pod.Sidecar { // what starts after it would wait for a startupProbe
		return fmt.Sprintf(raise+"livenessProbe.failureThreshold to %d, which allows %s.",
			k.probe.FailuresFor(budget), seconds(budget))
	}
	startup := *k.probe.Probe
	startup.InitialDelaySeconds = 0
	startup.PeriodSeconds = min(startup.PeriodSeconds, longestPeriod)
	if ready, ok := k.ProbeOf(pod.Readiness); ok {
		startup.PeriodSeconds = min(startup.PeriodSeconds, ready.PeriodSeconds)
	}
	startup.PeriodSeconds = max(startup.PeriodSeconds, startup.TimeoutSeconds)
	return fmt.Sprintf(copied+
		"livenessProbe to a startupProbe with periodSeconds %d, failureThreshold %d, which allows %s.",
		startup.PeriodSeconds, k.NewProbe(pod.Startup, &startup).FailuresFor(budget), seconds(budget))
}

func (k kill) afterHang() Diagnosis {
	d := Diagnosis{ID: KilledAfterHang, Container: k.Name, Wrong: true}
	failed, _ := k.fails(k.probe.Kind)
	found := answerOf(k.probe, failed.message)
	if k.low <= k.bootOver() { // the first one was at boot
		k.every = false
	}
	d.Message = about(k.Name) + "livenessProbe killed it " + k.when() + ". It had answered until then, and failed " +
		times(k.probe.FailureThreshold) + " in a row."
	if found.says != "" {
		d.Message += " " + found.says
	}
	d.Advice = fmt.Sprintf("See what it did last: kubectl logs %s -n %s -c %s --previous. If it was only busy, raise "+
		"livenessProbe.failureThreshold or timeoutSeconds.", k.Pod.Name, k.Pod.Namespace, k.Name)
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
	grace := p.graceOf(stop)
	took := ended.FinishedAt.Sub(stop.last)
	if took < time.Duration(grace-1)*time.Second {
		return nil
	}
	return []Diagnosis{{ID: KilledAfterGrace, Container: p.Name, Wrong: true,
		Message: about(p.Name) + "it was told to end, and did not within its grace period of " + seconds(grace) +
			". So SIGKILL ended it after " + length(took) + ", with exit code 137.",
		Advice: "End the app on SIGTERM, or raise terminationGracePeriodSeconds to what it takes. A shell that " +
			"starts the app hands on no SIGTERM: start it with exec.",
		Evidence: []string{stop.String(), runText(ended)}}}
}

// graceOf is how many seconds a stop left the container: a probe may have its own.
func (p *patient) graceOf(stop told) int64 {
	for _, kind := range []pod.ProbeKind{pod.Startup, pod.Liveness} {
		probe, has := p.ProbeOf(kind)
		if has && strings.Contains(stop.message, strings.TrimSuffix(kind.String(), "Probe")+" probe") &&
			probe.TerminationGracePeriodSeconds != nil {
			return *probe.TerminationGracePeriodSeconds
		}
	}
	return p.subject.Grace()
}

// oomKilled is the reason of a container that the kernel killed for its memory (the CRI's).
const oomKilled = "OOMKilled"

// hooks says which of the container's hooks fail.
func (p *patient) hooks() (all []Diagnosis) {
	failed := p.tells("FailedPostStartHook")
	if failed.count > 0 && (!p.ok() || p.Now.Sub(failed.last) < shortBackOff) {
		d := Diagnosis{ID: PostStartFails, Container: p.Name, Wrong: true,
			Message: about(p.Name) + "its postStart hook failed " + times(failed.count) +
				", so the kubelet killed it each time.",
			Advice: p.hookAdvice(pod.PostStart), Evidence: []string{failed.String()}}
		if waiting := p.status.State.Waiting; waiting != nil && waiting.Reason == "PostStartHookError" {
			d.Evidence = append(d.Evidence, "status: "+console.OneLine(waiting.Message))
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

// byProbeOrHook tells whether something told a run to end: a probe, a hook or a deletion.
func (p *patient) byProbeOrHook(run *corev1.ContainerStateTerminated) bool {
	stop := p.tells("Killing")
	if stop.count+p.tells("FailedPostStartHook").count >= max(p.status.RestartCount, 1) { // all were
		return true
	}
	during := func(t time.Time) bool {
		return !t.Before(run.StartedAt.Time) && !t.After(run.FinishedAt.Add(slack))
	}
	return during(stop.last) || during(stop.first)
}
