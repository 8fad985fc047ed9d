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
		p.Report("startupProbe.failureThreshold", "startupProbe lets a container that never answers go on for %s, policy allows %s: %s",
			seconds(p.Probe.Refused()), seconds(params.MaxSeconds), shorten(p.Probe, params.MaxSeconds))
	}, nil,
))

// shorten says which one number brings d + F*P down to the seconds, and to what.
func shorten(p Probe, seconds int64) string {
	left := seconds - p.Delay()
	switch {
	case left/p.Period() > 1: // with one failure there would be no budget at all
		return "lower failureThreshold to " + count(left/p.Period())
	case left/p.Failures() >= 1:
		return "lower periodSeconds to " + count(left/p.Failures())
	case seconds >= p.Failures()*p.Period():
		return "lower initialDelaySeconds to " + count(seconds-p.Failures()*p.Period())
	}
	return "lower initialDelaySeconds, periodSeconds and failureThreshold"
}
