package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type minBudgetParams struct {
	MinSeconds            int64 `json:"minSeconds" doc:"the least that a startupProbe must guarantee"`
	AcceleratedMinSeconds int64 `json:"acceleratedMinSeconds" doc:"the same with a GPU or another accelerator"`
}

func (p minBudgetParams) min(c *pod.Container) int64 {
	return ifAccelerated(c, p.AcceleratedMinSeconds, p.MinSeconds)
}

var startupBudgetTooShort = rules.ForProbeWith(rules.Rule{
	ID:       "startup-budget-too-short",
	Group:    rules.StartupBudget,
	Title:    "a startupProbe guarantees less time to boot than the policy requires",
	Levels:   rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:      rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Startup}},
	YieldsTo: []*rules.Rule{startupShorterThanLiveness},
}, minBudgetParams{MinSeconds: 25, AcceleratedMinSeconds: 300},
	func(p *rules.Pass, params minBudgetParams) {
		asked := params.min(p.Container)
		if p.Probe.Guaranteed() >= asked {
			return
		}
		advice := raiseFailures(p.Probe, asked)
		most := rules.ParamsOf[maxBudgetParams](p, startupBudgetTooLong).max(p.Container)
		if budget(p.Probe) > most { // with one failure, and a period of many minutes
			advice = shorten(p.Probe, most)
		}
		p.Report("startupProbe.failureThreshold", "startupProbe can kill a boot longer than %s (policy: %s). %s",
			seconds(p.Probe.Guaranteed()), seconds(asked), advice)
	},
	func(p *rules.Pass, params minBudgetParams) {
		p.SetFailures(p.Probe.FailuresFor(params.min(p.Container)))
	},
)
