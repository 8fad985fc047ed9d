package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var probePortUndeclared = rules.ForProbe(rules.Rule{
	ID:     "probe-port-undeclared",
	Group:  rules.Ports,
	Title:  "a probe uses a port number that its container does not declare",
	Levels: rules.Levels{rules.Off, rules.Off, rules.Warn},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar},
}, func(p *rules.Pass) {
	number, ok := p.Probe.Port()
	if !ok || p.Probe.Host() != "" || len(p.Probe.Declared()) > 0 {
		return
	}
	p.Report(portField(p.Probe), "%s uses undeclared port %d, so people and tools reading ports miss it. "+
		"Add containerPort %d.", p.Probe.Kind, number, number)
})
