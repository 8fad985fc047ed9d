package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type execTimeoutParams struct {
	MinSeconds int64 `json:"minSeconds" doc:"the least time that a command must be given"`
}

var execProbeShortTimeout = rules.ForProbeWith(rules.Rule{
	ID:           "exec-probe-short-timeout",
	Group:        rules.ProbeSanity,
	Title:        "a probe's command has so little time that a busy node fails it",
	Levels:       rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who:          rules.Who{Containers: pod.App | pod.Sidecar},
	FixByDefault: true,
}, execTimeoutParams{MinSeconds: 2},
	func(p *rules.Pass, params execTimeoutParams) {
		probe := p.Probe
		if probe.Exec == nil || probe.Timeout() >= params.MinSeconds {
			return
		}
		// A startupProbe with many attempts can afford to lose some.
		if startupBesideLiveness(p) && probe.Failures() >= 10 {
			return
		}
		advice := "Raise timeoutSeconds to " + count(roomForCommand(probe, params))
		if probe.Period() < params.MinSeconds {
			advice = raisePeriod(max(5, params.MinSeconds), rules.ParamsOf[execPeriodParams](p, execProbeTooFrequent))
		}
		p.Report(probe.Kind.String()+".timeoutSeconds", "%s fails a command longer than %s (policy: %s). %s.",
			probe.Kind, seconds(probe.Timeout()), seconds(params.MinSeconds), advice)
	},
	func(p *rules.Pass, params execTimeoutParams) {
		// Beside a livenessProbe a startup that succeeds sooner lets liveness strike sooner.
		if startupBesideLiveness(p) {
			return
		}
		if timeout := roomForCommand(p.Probe, params); timeout > p.Probe.Timeout() {
			p.SetTimeout(timeout)
		}
	},
)

func startupBesideLiveness(p *rules.Pass) bool {
	return p.Probe.Kind == pod.Startup && p.Container.LivenessProbe != nil
}

// roomForCommand is 5 s or what the policy asks, but never longer than the period, which it would stretch.
func roomForCommand(probe pod.Probe, params execTimeoutParams) int64 {
	return min(max(5, params.MinSeconds), probe.Period())
}

// raisePeriod makes room for a timeout, with a period that is not too short for a command either.
func raisePeriod(timeout int64, frequent execPeriodParams) string {
	if frequent.MinSeconds <= timeout {
		return fmt.Sprintf("Raise periodSeconds and timeoutSeconds to %d", timeout)
	}
	return fmt.Sprintf("Raise periodSeconds to %d and timeoutSeconds to %d", frequent.MinSeconds, timeout)
}
