package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var probeHostSet = rules.ForContainer(rules.Rule{
	ID:     "probe-host-set",
	Group:  rules.ProbeSanity,
	Title:  "a probe or a hook has a host, so it is sent from the node to somewhere else than the pod",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar},
}, func(p *rules.Pass) {
	if p.Spec.HostNetwork {
		return
	}
	for _, kind := range pod.ProbeKinds {
		probe, ok := p.Container.ProbeOf(kind)
		if !ok || !dialsHost(probe.Handler) || failsOnLoopback(p.Subject, probe) {
			continue
		}
		so := "a fault there kills this container"
		if kind == pod.Readiness {
			so = "a fault there makes this container unready"
		}
		p.Report(hostField(kind.String(), probe.Handler), "%s dials %s from the node, so %s. Remove host.",
			kind, hostText(probe.Handler), so)
	}
	for _, kind := range pod.HookKinds {
		// One by tcpSocket, or to the node's loopback address, cannot run at all.
		hook, ok := p.Container.Hook(kind)
		if !ok || hook.HTTPGet == nil || !dialsHost(hook.Handler) || p.DialsNodeLoopback(hook.Handler) {
			continue
		}
		so := "a fault there kills this container"
		if kind == pod.PreStop {
			so = "it is lost when that fails"
		}
		p.Report(hostField("lifecycle."+kind.String(), hook.Handler),
			"%s calls %s from the node, so %s. Remove host or make the call by exec.",
			kind, hostText(hook.Handler), so)
	}
})

// dialsHost tells whether a handler is sent to a host, on a port that resolves.
func dialsHost(h pod.Handler) bool {
	_, ok := h.Port()
	return ok && h.Host() != ""
}
