package catalogue

import (
	"slices"
	"strings"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var probePortNotTCP = rules.ForProbe(rules.Rule{
	ID:     "probe-port-not-tcp",
	Group:  rules.Ports,
	Title:  "a probe uses a port that is declared only as UDP or SCTP, while every probe connects over TCP",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar},
}, func(p *rules.Pass) {
	number, ok := p.Probe.Port()
	if !ok || p.Probe.ReachesTCP() || p.Probe.Host() != "" {
		return
	}
	so := "it may be killed"
	if p.Probe.Kind == pod.Readiness {
		so = "it may never be ready"
	}
	var protocols []string
	for _, port := range p.Container.Ports {
		if port.ContainerPort == number {
			protocols = append(protocols, string(port.Protocol))
		}
	}
	slices.Sort(protocols)
	p.Report(portField(p.Probe), "%s uses TCP, but %s is declared as %s, so %s. Declare %d as TCP too.",
		p.Probe.Kind, portText(p.Probe.Handler), strings.Join(slices.Compact(protocols), " and "), so, number)
})
