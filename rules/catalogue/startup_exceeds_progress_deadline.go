package catalogue

import (
	"fmt"
	"math"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var startupExceedsProgressDeadline = rules.ForProbe(rules.Rule{
	ID:     "startup-exceeds-progress-deadline",
	Group:  rules.StartupBudget,
	Title:  "a rollout counts as failed while a startupProbe still waits",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who: rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Startup},
		TemplatesOnly: true},
	YieldsTo: []*rules.Rule{startupBudgetTooLong},
}, func(p *rules.Pass) {
	deadline, budget := int64(p.ProgressDeadline), budget(p.Probe)
	// Below 1 there is no rollout, or one that the API server refuses.
	if deadline < 1 || deadline == math.MaxInt32 || budget <= deadline || ownStartupProbe(p) {
		return
	}
	advice := shorten(p.Probe, deadline)
	if _, ok := pod.Int32(budget); ok {
		advice = fmt.Sprintf("Raise progressDeadlineSeconds to %d.", budget)
	}
	p.Report("startupProbe.failureThreshold", "the rollout fails at %s, but startupProbe waits %s. %s",
		seconds(deadline), seconds(budget), advice)
})
