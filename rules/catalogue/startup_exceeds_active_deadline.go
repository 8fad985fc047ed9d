package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var startupExceedsActiveDeadline = rules.ForProbe(rules.Rule{
	ID:     "startup-exceeds-active-deadline",
	Group:  rules.StartupBudget,
	Title:  "the pod's deadline passes before its startupProbe gives up",
	Levels: rules.Levels{rules.Warn, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Startup}},
}, func(p *rules.Pass) {
	guaranteed, deadline := p.Probe.Guaranteed(), p.ActiveDeadlineSeconds
	if deadline == 0 || guaranteed < deadline {
		return
	}
	p.Report("startupProbe.failureThreshold", "the pod ends at %s, but startupProbe allows %s. %s",
		seconds(deadline), seconds(guaranteed), withinDeadline(p.Probe, deadline))
})

// withinDeadline says which number lets the startupProbe give up before the deadline.
func withinDeadline(startup pod.Probe, deadline int64) string {
	if above, ok := pod.Int32(startup.Guaranteed() + 1); ok {
		return fmt.Sprintf("Raise activeDeadlineSeconds to %d.", above)
	}
	if left := deadline - 1 - startup.Delay(); left >= 0 {
		return fmt.Sprintf("Lower failureThreshold to %d.", left/startup.Period()+1)
	}
	if left := deadline - 1 - startup.Guaranteed() + startup.Delay(); left >= 0 {
		return fmt.Sprintf("Lower initialDelaySeconds to %d.", left)
	}
	return "Lower initialDelaySeconds to 0, failureThreshold to 1."
}
