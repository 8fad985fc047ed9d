package rules

import "strings"

var _ = register(ForProbe(Rule{
	ID:     "startup-exceeds-active-deadline",
	Group:  StartupBudget,
	Title:  "the pod's deadline passes before its startupProbe gives up",
	Levels: Levels{Warn, Warn, Deny},
	Who:    Who{Containers: App | Sidecar, Probes: Of(Startup)},
}, None{},
	func(p *Pass, _ None) {
		guaranteed, deadline := p.Probe.Guaranteed(), p.ActiveDeadlineSeconds
		if deadline == 0 || guaranteed < deadline {
			return
		}
		var advice []string
		if _, ok := int32Of(guaranteed + 1); ok {
			advice = append(advice, "raise that above "+count(guaranteed))
		}
		if left := deadline - 1 - p.Probe.Delay(); left >= 0 {
			advice = append(advice, "lower failureThreshold to "+count(left/p.Probe.Period()+1))
		}
		if advice == nil {
			advice = []string{"lower initialDelaySeconds"}
		}
		p.Report("startupProbe.failureThreshold", "startupProbe guarantees %s, but activeDeadlineSeconds %d ends the pod first: %s",
			seconds(guaranteed), deadline, strings.Join(advice, " or "))
	}, nil,
))
