package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var unprobedContainer = rules.ForContainer(rules.Rule{
	ID:     "unprobed-container",
	Group:  rules.Presence,
	Title:  "a worker has no probe at all",
	Levels: rules.Levels{rules.Off, rules.Audit, rules.Warn},
	Who:    rules.Who{Containers: pod.App, LongRunning: true},
}, func(p *rules.Pass) {
	c := p.Container
	if c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil ||
		p.GetsProbe(pod.Readiness, c) || p.GetsProbe(pod.Liveness, c) {
		return
	}
	if !needsReadiness(p, rules.ParamsOf[readinessParams](p, noReadinessProbe)) {
		p.Report("", "no probe at all, so a hang is never noticed. "+
			"Add a livenessProbe that fails only when a restart would help.")
	}
})
