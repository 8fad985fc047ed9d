package rules

type execTimeoutParams struct {
	MinSeconds int64 `json:"minSeconds" doc:"the least time that a command must be given"`
}

var _ = register(ForProbe(Rule{
	ID:           "exec-probe-short-timeout",
	Group:        ProbeSanity,
	Title:        "a probe's command is given so little time that a busy node fails it",
	Levels:       Levels{Off, Warn, Warn},
	Who:          Who{Containers: App | Sidecar},
	FixByDefault: true,
}, execTimeoutParams{MinSeconds: 2},
	func(p *Pass, params execTimeoutParams) {
		if p.Probe.Exec == nil || p.Probe.Timeout() >= params.MinSeconds {
			return
		}
		advice := "raise timeoutSeconds to " + count(roomForCommand(p.Probe, params))
		if p.Probe.Period() < params.MinSeconds {
			advice = "raise periodSeconds and timeoutSeconds to " + count(params.MinSeconds)
		}
		p.Report(p.Probe.Kind.String()+".timeoutSeconds", "%s gives its command %s, and a busy node starts a process slower: %s",
			p.Probe.Kind, seconds(p.Probe.Timeout()), advice)
	},
	func(p *Pass, params execTimeoutParams) {
		// Beside a livenessProbe a startup that succeeds sooner lets liveness strike sooner.
		if p.Probe.Kind == Startup && p.Container.LivenessProbe != nil {
			return
		}
		if timeout := roomForCommand(p.Probe, params); timeout > p.Probe.Timeout() {
			p.SetTimeout(timeout)
		}
	},
))

// roomForCommand is 5 s or what the policy asks, but never longer than the period, which it would stretch.
func roomForCommand(probe Probe, params execTimeoutParams) int64 {
	return min(max(5, params.MinSeconds), probe.Period())
}
