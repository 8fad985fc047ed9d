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
		if !commandIsRushed(p.Probe, params) {
			return
		}
		advice := "raise timeoutSeconds to " + count(roomForCommand(p.Probe, params))
		if p.Probe.Period() < params.MinSeconds {
			advice = "raise periodSeconds and timeoutSeconds to " + count(params.MinSeconds)
		}
		p.Report(p.Probe.Kind.String()+".timeoutSeconds", "%s gives its command %s: on a busy node a process starts slower, which counts as a failure: %s",
			p.Probe.Kind, seconds(p.Probe.Timeout()), advice)
	},
	func(p *Pass, params execTimeoutParams) {
		// Beside a livenessProbe a startup that succeeds sooner lets liveness strike sooner.
		if !commandIsRushed(p.Probe, params) || p.Probe.Kind == Startup && p.Container.LivenessProbe != nil {
			return
		}
		timeout, ok := int32Of(roomForCommand(p.Probe, params))
		if ok && timeout > p.Probe.TimeoutSeconds {
			probe := *p.Probe.Probe
			probe.TimeoutSeconds = timeout
			p.SetProbe(p.Probe.Kind, probe)
		}
	},
))

func commandIsRushed(probe Probe, params execTimeoutParams) bool {
	return probe.Exec != nil && probe.Timeout() < params.MinSeconds
}

// roomForCommand is 5 s or what the policy asks, but never longer than the period, which it would stretch.
func roomForCommand(probe Probe, params execTimeoutParams) int64 {
	return min(max(5, params.MinSeconds), probe.Period())
}
