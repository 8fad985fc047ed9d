package rules

type servingParams struct {
	IgnorePortNames []string `json:"ignorePortNames" doc:"ports with these names serve no traffic"`
}

var _ = register(ForContainer(Rule{
	ID:     "liveness-without-readiness",
	Group:  Presence,
	Title:  "a container that serves has a livenessProbe but no readinessProbe",
	Levels: Levels{Off, Warn, Deny},
	Who:    Who{Containers: App, LongRunning: true},
}, servingParams{IgnorePortNames: defaultIgnorePortNames},
	func(p *Pass, params servingParams) {
		c := p.Container
		if c.LivenessProbe != nil && c.ReadinessProbe == nil && c.Serves(params.IgnorePortNames) {
			p.Report("", "livenessProbe but no readinessProbe: traffic keeps coming while it fails and is killed: add a readinessProbe that fails sooner")
		}
	}, nil,
))
