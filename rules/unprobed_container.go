package rules

var _ = register(ForContainer(Rule{
	ID:     "unprobed-container",
	Group:  Presence,
	Title:  "a worker has no probe at all",
	Levels: Levels{Off, Audit, Warn},
	Who:    Who{Containers: App, LongRunning: true},
}, None{},
	func(p *Pass, _ None) {
		c := p.Container
		if c.LivenessProbe != nil || c.ReadinessProbe != nil || c.StartupProbe != nil {
			return
		}
		if !asksReadiness(p, paramsOf[readinessParams](p, noReadinessProbe)) {
			p.Report("", "no probe at all: nothing tells a hang from work: add a livenessProbe that fails only when a restart would help")
		}
	}, nil,
))
