package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var inertProbePortUnresolved = rules.ForProbe(rules.Rule{
	ID:     "inert-probe-port-unresolved",
	Group:  rules.Ports,
	Title:  "a probe uses a port name that its container does not declare, so the probe is useless",
	Levels: rules.Levels{rules.Warn, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, NeverRuns: true},
}, func(p *rules.Pass) {
	if name, unresolved := p.Probe.Unresolved(); unresolved && p.Probe.Inert(p.Subject) {
		wrong, advice := explainUnresolved(p, name)
		p.Report(portField(p.Probe), "%s uses %s, so it never runs. %s.", p.Probe.Kind, wrong, advice)
	}
})
