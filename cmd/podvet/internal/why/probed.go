package why

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
)

// notYet is how long a readinessProbe may fail after a start before that is more than a boot.
const notYet = 30 * time.Second

// notServing says why a container that runs is not started or not ready.
func (p *patient) notServing() []Diagnosis {
	start, runs := p.running()
	if !runs || p.Class == pod.Init {
		return nil
	}
	isStarted := p.status.Started != nil && *p.status.Started
	if startup, has := p.ProbeOf(pod.Startup); has && !isStarted {
		return p.notStarted(startup, start)
	}
	ready, has := p.ProbeOf(pod.Readiness)
	if !has {
		return nil
	}
	failed, errored := p.fails(pod.Readiness)
	if p.status.Ready {
		return p.onAndOff(ready, start, failed)
	}
	d := Diagnosis{ID: NeverReady, Container: p.Name, Wrong: true}
	running := "It has run for " + length(p.Now.Sub(start)) + "."
	switch {
	case errored.count > 0 && failed.count == 0 && !p.wasReady(start):
		found := thrownAway(p.subject, ready)
		d.Message = about(p.Name) + "readinessProbe can never succeed. " + found.says + " " + running
		d.Advice, d.Evidence = found.write, []string{errored.String()}
	case p.wasReady(start):
		found := answerOf(p.subject, ready, failed.message)
		since := condition(p.Pod, corev1.PodReady).LastTransitionTime.Time
		d.ID = NotReadyAnyMore
		d.Message = about(p.Name) + "it was ready until " + clock(since) + ", " + length(p.Now.Sub(since)) +
			" ago. " + found.says
		d.Advice = "See what it does: " + p.logs() + "."
		if p.LivenessProbe == nil {
			d.Advice += " If only a restart helps, add a livenessProbe that fails later than readinessProbe."
		}
	case p.Now.Sub(start) < time.Duration(ready.Worst())*time.Second+notYet:
		d.ID, d.Wrong = Starting, false
		d.Message = about(p.Name) + "it is not ready yet. " + running
	default:
		found := answerOf(p.subject, ready, failed.message)
		d.Message = about(p.Name) + "readinessProbe has not succeeded since its start. " + running + " " + found.says
		d.Advice = found.write
		if d.Advice == "" {
			d.Advice = p.readyAdvice(ready, failed.message)
		}
	}
	if failed.count > 0 && d.Evidence == nil {
		d.Evidence = append(d.Evidence, failed.String())
	}
	if p.Class == pod.Sidecar {
		d.Message += " The pod is not ready while this sidecar is not."
	}
	return []Diagnosis{d}
}

// onAndOff is about a container that is ready now, and was not again and again.
func (p *patient) onAndOff(ready pod.Probe, start time.Time, failed told) []Diagnosis {
	const lately = 5 * time.Minute
	booted := start.Add(time.Duration(ready.Worst())*time.Second + notYet)
	if failed.count < 4*ready.FailureThreshold || p.Now.Sub(failed.last) > lately || failed.last.Before(booted) {
		return nil
	}
	found := answerOf(p.subject, ready, failed.message)
	return []Diagnosis{{ID: ReadyOnAndOff, Container: p.Name, Wrong: true,
		Message: about(p.Name) + "it is ready, and readinessProbe has failed " + times(failed.count) +
			" since " + clock(failed.first) + ". " + found.says,
		Advice: "If it was only busy, raise readinessProbe.timeoutSeconds or failureThreshold. If it depends on " +
			"another service, have it answer without that.",
		Evidence: []string{failed.String()}}}
}

// readyAdvice is what to do about a readinessProbe that nothing answers well.
func (p *patient) readyAdvice(ready pod.Probe, message string) string {
	ref, has := ready.PortRef()
	if has && len(p.Ports) > 0 && len(ready.Declared()) == 0 && strings.Contains(message, "refused") {
		return fmt.Sprintf("The container declares %d, not %s: if the app serves there, probe that port.",
			p.Ports[0].ContainerPort, ref.String())
	}
	return "See why the app is not ready: " + p.logs() + "."
}

// notStarted is about a container whose startupProbe has not succeeded.
func (p *patient) notStarted(startup pod.Probe, start time.Time) []Diagnosis {
	failed, errored := p.fails(pod.Startup)
	waits := ""
	if p.Class == pod.Sidecar {
		waits = " The containers after this sidecar wait for it."
	}
	if errored.count > 0 && failed.count == 0 {
		found := thrownAway(p.subject, startup)
		return []Diagnosis{{ID: NeverStarted, Container: p.Name, Wrong: true,
			Message: about(p.Name) + "startupProbe can never succeed, and never fails either. " + found.says +
				" It has run for " + length(p.Now.Sub(start)) + " without being started." + waits,
			Advice: found.write, Evidence: []string{errored.String()}}}
	}
	if k, killed := p.killsBy(pod.Startup); killed && k.count > 0 {
		return nil // said by killed
	}
	if late := p.Now.Sub(start) - time.Duration(startup.Worst())*time.Second; late > notYet {
		found := answerOf(p.subject, startup, failed.message)
		return []Diagnosis{{ID: NeverStarted, Container: p.Name, Wrong: true, Advice: found.write,
			Message: about(p.Name) + "startupProbe allows a boot at most " + seconds(startup.Worst()) +
				", and after " + length(p.Now.Sub(start)) + " it has neither succeeded nor failed. " + found.says +
				waits,
			Evidence: []string{failed.String()}}}
	}
	d := Diagnosis{ID: Starting, Container: p.Name,
		Message: about(p.Name) + "it has been booting for " + length(p.Now.Sub(start)) + ". startupProbe allows " +
			seconds(startup.Guaranteed()) + "." + waits}
	if failed.count > 0 {
		d.Evidence = append(d.Evidence, failed.String())
	}
	return []Diagnosis{d}
}

// gates says which readiness gates keep the pod from being ready.
func gates(s Seen) []Diagnosis {
	ready := condition(s.Pod, corev1.PodReady)
	if ready.Status != corev1.ConditionFalse || ready.Reason != "ReadinessGatesNotReady" {
		return nil
	}
	var all []Diagnosis
	for _, gate := range s.Pod.Spec.ReadinessGates {
		now := condition(s.Pod, gate.ConditionType)
		if now.Status == corev1.ConditionTrue {
			continue
		}
		state := "has not been set"
		if now.Type != "" {
			state = "is " + string(now.Status)
		}
		since := condition(s.Pod, corev1.ContainersReady).LastTransitionTime.Time
		if now.LastTransitionTime.After(since) {
			since = now.LastTransitionTime.Time
		}
		all = append(all, Diagnosis{ID: ReadinessGate, Wrong: s.Now.Sub(since) > notYet, // a balancer takes its time
			Message: fmt.Sprintf("All containers are ready, but the readiness gate %q %s, so the pod is not.",
				gate.ConditionType, state),
			Advice: "See that the controller runs which sets this condition. Without it leave out the gate from " +
				"spec.readinessGates.",
			Evidence: []string{"condition Ready: " + console.OneLine(statusText(ready))}})
	}
	return all
}
