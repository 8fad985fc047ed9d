package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var execProbeNoShell = rules.ForProbe(rules.Rule{
	ID:     "exec-probe-no-shell",
	Group:  rules.ProbeSanity,
	Title:  "a probe's whole command is one string that no shell reads, so the container is never ready",
	Levels: rules.Levels{rules.Deny, rules.Deny, rules.Deny},
	Who: rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Startup, pod.Readiness},
		NeverRuns: true},
}, func(p *rules.Pass) {
	_, certain := p.Probe.NoShell()
	if !certain || p.Windows() || p.Probe.Inert(p.Subject) {
		return
	}
	never := "ready"
	if p.Probe.Kind == pod.Startup {
		never = "started"
	}
	p.Report(commandField(p.Probe),
		`no shell reads %s's %s, so the container is never %s. Put "sh", "-c" before it.`,
		p.Probe.Kind, onlyString(p.Probe.Handler), never)
})
