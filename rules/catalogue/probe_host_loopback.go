package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var probeHostLoopback = rules.ForProbe(rules.Rule{
	ID:     "probe-host-loopback",
	Group:  rules.ProbeSanity,
	Title:  "a probe dials the node's own loopback address, where the container does not listen",
	Levels: rules.Levels{rules.Deny, rules.Deny, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar},
}, func(p *rules.Pass) {
	if !failsOnLoopback(p.Subject, p.Probe) {
		return
	}
	so := "it is killed again and again"
	if p.Probe.Kind == pod.Readiness {
		so = "it is never ready"
	}
	p.Report(hostField(p.Probe.Kind.String(), p.Probe.Handler),
		"%s dials %s on the node, not in the pod, so %s. Remove host.", p.Probe.Kind, hostText(p.Probe.Handler), so)
})

// failsOnLoopback tells whether a probe must fail because it dials the node, and something waits for it.
func failsOnLoopback(s *pod.Subject, probe pod.Probe) bool {
	return s.DialsNodeLoopback(probe.Handler) && (probe.Kind != pod.Readiness || !probe.Inert(s))
}

// hostField is the path of the host in a probe or a hook.
func hostField(in string, h pod.Handler) string {
	if h.HTTPGet != nil {
		return in + ".httpGet.host"
	}
	return in + ".tcpSocket.host"
}

func hostText(h pod.Handler) string { return quote(rules.Truncate(h.Host(), 30)) }
