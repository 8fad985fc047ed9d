package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var probePortUnresolved = rules.ForProbe(rules.Rule{
	ID:     "probe-port-unresolved",
	Group:  rules.Ports,
	Title:  "a probe uses a port name that its container does not declare, so the container is never ready",
	Levels: rules.Levels{rules.Deny, rules.Deny, rules.Deny},
	Who: rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Startup, pod.Readiness},
		NeverRuns: true},
}, func(p *rules.Pass) {
	if name, unresolved := p.Probe.Unresolved(); unresolved && !p.Probe.Inert(p.Subject) {
		so := "it is never ready"
		if p.Probe.Kind == pod.Startup && p.Container.Class == pod.Sidecar { // the next container waits for it
			so = "the pod hangs in Init"
		}
		wrong, advice := explainUnresolved(p, name)
		p.Report(portField(p.Probe), "%s uses %s, so %s. %s.", p.Probe.Kind, wrong, so, advice)
	}
})
