package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type maxBudgetParams struct {
	MaxSeconds            int64 `json:"maxSeconds" doc:"the longest that a startupProbe may hide a dead container"`
	AcceleratedMaxSeconds int64 `json:"acceleratedMaxSeconds" doc:"the same with a GPU or another accelerator"`
}

func (p maxBudgetParams) max(c *pod.Container) int64 {
	return ifAccelerated(c, p.AcceleratedMaxSeconds, p.MaxSeconds)
}

var startupBudgetTooLong = rules.ForProbeWith(rules.Rule{
	ID:     "startup-budget-too-long",
	Group:  rules.StartupBudget,
	Title:  "a startupProbe hides a dead container longer than the policy allows",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Startup}},
}, maxBudgetParams{MaxSeconds: 900, AcceleratedMaxSeconds: 7200}, func(p *rules.Pass, params maxBudgetParams) {
	if most, budget := params.max(p.Container), budget(p.Probe); budget > most {
		p.Report("startupProbe.failureThreshold", "startupProbe hides a dead app %s (policy: %s). %s",
			span(budget), seconds(most), shorten(p.Probe, most))
	}
}, nil)

// budget is how long a startupProbe goes on, after its delay, while nothing listens.
func budget(p pod.Probe) int64 { return p.Failures() * p.Period() }

// shorten says which numbers bring F*P down to the seconds, and to what.
func shorten(p pod.Probe, seconds int64) string {
	switch {
	case seconds/p.Period() > 1: // one failure would guarantee nothing
		return fmt.Sprintf("If it starts sooner, lower failureThreshold to %d.", seconds/p.Period())
	case p.Failures() > 1 && p.Failures() <= seconds:
		return fmt.Sprintf("If it starts sooner, lower periodSeconds to %d.", seconds/p.Failures())
	}
	period := min(10, seconds)
	return fmt.Sprintf("Set periodSeconds to %d, failureThreshold to %d.", period, seconds/period)
}
