package rules

type maxBudgetParams struct {
	MaxSeconds int64 `json:"maxSeconds" doc:"the longest that a dead container may hide behind its startupProbe"`
}

var _ = register(ForProbe(Rule{
	ID:     "startup-budget-too-long",
	Group:  StartupBudget,
	Title:  "a startupProbe lets a dead container hide longer than asked",
	Levels: Levels{Off, Warn, Deny},
	Who:    Who{Containers: App | Sidecar, Probes: Of(Startup)},
}, maxBudgetParams{MaxSeconds: 900},
	func(p *Pass, params maxBudgetParams) {
		if p.Probe.Refused() <= params.MaxSeconds {
			return
		}
		// What nothing listens on is refused after d + F*P: solve that for F.
		advice := "shorten initialDelaySeconds or periodSeconds"
		if failures := (params.MaxSeconds - p.Probe.Delay()) / p.Probe.Period(); failures > 1 {
			advice = "lower failureThreshold to " + count(failures)
		}
		p.Report("startupProbe.failureThreshold", "startupProbe lets a container that never answers go on for %s, policy allows %s: %s",
			seconds(p.Probe.Refused()), seconds(params.MaxSeconds), advice)
	}, nil,
))
