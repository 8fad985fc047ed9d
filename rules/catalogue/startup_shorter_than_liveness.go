package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var startupShorterThanLiveness = rules.ForProbe(rules.Rule{
	ID:     "startup-shorter-than-liveness",
	Group:  rules.StartupBudget,
	Title:  "a startupProbe gives a boot no more time than the livenessProbe alone would",
	Levels: rules.Levels{rules.Warn, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Startup}},
}, func(p *rules.Pass) {
	startup := p.Probe
	live, ok := p.Other(pod.Liveness)
	if !ok || !startup.SameAs(live.Handler) || startup.Guaranteed() > live.Guaranteed() {
		return
	}
	p.Report("startupProbe.failureThreshold", "startupProbe kills at %s, livenessProbe at %s. %s",
		seconds(startup.Guaranteed()), seconds(live.Guaranteed()), outlast(p, live))
})

// outlast says how the startupProbe comes to guarantee more than the livenessProbe. A longer startupProbe is the
// natural way, but the containers after a sidecar wait for that, and a policy limits how long it may hide a dead
// container.
func outlast(p *rules.Pass, live pod.Probe) string {
	startup := p.Probe
	most := rules.ParamsOf[maxBudgetParams](p, startupBudgetTooLong).max(p.Container)
	failures := startup.FailuresFor(live.Guaranteed() + 1)
	_, ok := pod.Int32(failures)
	raise := ok && failures*startup.Period() <= most
	if raise && p.Container.Class == pod.App {
		return fmt.Sprintf("Raise startupProbe.failureThreshold to %d.", failures)
	}
	excess := live.Guaranteed() - startup.Guaranteed() + 1
	if live.Delay() >= excess {
		return fmt.Sprintf("Lower livenessProbe.initialDelaySeconds to %d.", live.Delay()-excess)
	}
	left := startup.Guaranteed() - 1 - live.Delay() // for the livenessProbe's failures
	fewer, sooner := *live.Probe, *live.Probe
	fewer.FailureThreshold = int32(max(left, 0)/live.Period() + 1)
	sooner.PeriodSeconds = int32(max(left, 0) / max(live.Failures()-1, 1))
	switch {
	case fewer.FailureThreshold > 2 && !killsAmidTraffic(p, p.Container.NewProbe(pod.Liveness, &fewer)):
		return fmt.Sprintf("Lower livenessProbe.failureThreshold to %d.", fewer.FailureThreshold)
	case live.Failures() > 2 && sooner.PeriodSeconds >= live.TimeoutSeconds &&
		!killsAmidTraffic(p, p.Container.NewProbe(pod.Liveness, &sooner)):
		return fmt.Sprintf("Lower livenessProbe.periodSeconds to %d.", sooner.PeriodSeconds)
	}
	return "Remove the startupProbe."
}
