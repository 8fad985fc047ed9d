package rules

type minBudgetParams struct {
	MinSeconds int64 `json:"minSeconds" doc:"the least that a startupProbe must guarantee"`
}

var _ = register(ForProbe(Rule{
	ID:     "startup-budget-too-short",
	Group:  StartupBudget,
	Title:  "a startupProbe guarantees less time to boot than asked",
	Levels: Levels{Off, Warn, Deny},
	Who:    Who{Containers: App | Sidecar, Probes: Of(Startup)},
}, minBudgetParams{MinSeconds: 25},
	func(p *Pass, params minBudgetParams) {
		if p.Probe.Guaranteed() < params.MinSeconds {
			p.Report("startupProbe.failureThreshold", "startupProbe guarantees %s, policy asks %s: %s",
				seconds(p.Probe.Guaranteed()), seconds(params.MinSeconds), raiseFailures(p.Probe, params.MinSeconds))
		}
	},
	func(p *Pass, params minBudgetParams) {
		p.SetFailures(p.Probe.FailuresFor(params.MinSeconds))
	},
))
