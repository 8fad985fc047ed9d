package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type slowParams struct {
	MaxSeconds int64 `json:"maxSeconds" doc:"the longest that a hang may go unnoticed"`
}

var livenessTooSlow = rules.ForProbeWith(rules.Rule{
	ID:     "liveness-too-slow",
	Group:  rules.ProbeSanity,
	Title:  "a livenessProbe takes so long that a hang goes unnoticed",
	Levels: rules.Levels{rules.Off, rules.Off, rules.Warn},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Liveness}},
}, slowParams{MaxSeconds: 300}, func(p *rules.Pass, params slowParams) {
	if noticed := hangNoticed(p.Probe); noticed > params.MaxSeconds {
		p.Report("livenessProbe.failureThreshold", "a hang can go unnoticed for %s (policy: %s). Lower %s.",
			seconds(noticed), seconds(params.MaxSeconds), sooner(p, params.MaxSeconds))
	}
}, nil)

// noticesHangs tells whether the livenessProbe with so many failures still notices a hang in the time that this rule
// allows.
func noticesHangs(p *rules.Pass, failures int64) bool {
	narrow, ok := pod.Int32(failures)
	live := *p.Probe.Probe
	live.FailureThreshold = narrow
	most := rules.ParamsOf[slowParams](p, livenessTooSlow).MaxSeconds
	return ok && hangNoticed(p.Container.NewProbe(pod.Liveness, &live)) <= most
}

// sooner says which number brings the livenessProbe's decision down to the seconds, and to what. It leaves the failures
// that liveness-too-aggressive asks, and lowers a timeout as probe-timeout-exceeds-period does where that is enough.
func sooner(p *rules.Pass, most int64) string {
	live := p.Probe
	period, timeout, failures := live.Period(), live.Timeout(), live.Failures()
	least := failuresToTolerate(live, rules.ParamsOf[toleranceParams](p, livenessTooAggressive))
	if timeout > 2*period && live.Exec == nil && (failures+1)*period <= most {
		return fmt.Sprintf("livenessProbe.timeoutSeconds to %d", period)
	}
	if fewer := (most-period-timeout)/max(period, timeout) + 1; most > period+timeout && fewer >= least {
		return fmt.Sprintf("livenessProbe.failureThreshold to %d", fewer) // fewer would kill at every hiccup
	}
	failures = max(failures, least)
	if shorter := (most - timeout) / failures; most > timeout && timeout <= shorter && shorter < period {
		return fmt.Sprintf("livenessProbe.periodSeconds to %d", shorter)
	}
	if shorter := (most - period) / failures; timeout > period && shorter >= period {
		return fmt.Sprintf("livenessProbe.timeoutSeconds to %d", shorter)
	}
	if shorter := most - failures*period; 1 <= shorter && shorter <= period {
		return fmt.Sprintf("livenessProbe.timeoutSeconds to %d", shorter)
	}
	return "livenessProbe's periodSeconds, timeoutSeconds and failureThreshold"
}
