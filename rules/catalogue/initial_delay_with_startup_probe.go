package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var initialDelayWithStartupProbe = rules.ForProbe(rules.Rule{
	ID:     "initial-delay-with-startup-probe",
	Group:  rules.StartupBudget,
	Title:  "an initial delay stays in force beside a startupProbe that makes it needless",
	Levels: rules.Levels{rules.Off, rules.Audit, rules.Warn},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Liveness, pod.Readiness}},
}, func(p *rules.Pass) {
	if p.Probe.Delay() == 0 || p.Container.StartupProbe == nil || ownStartupProbe(p) {
		return
	}
	late := "not ready before"
	if p.Probe.Kind == pod.Liveness {
		// After a kill the delay is the one thing that holds liveness back on these kubelets.
		if p.Kubelets().Overlap(pod.LateStartupGate) {
			return
		}
		late = "a hang is not noticed before"
	}
	p.Report(p.Probe.Kind.String()+".initialDelaySeconds",
		"%s %s even if it starts sooner. Remove %s.initialDelaySeconds.",
		late, seconds(p.Probe.Delay()), p.Probe.Kind)
})
