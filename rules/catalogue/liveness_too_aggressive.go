package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// watchdog is the initial delay from which on a livenessProbe is meant to end the container, such as once an hour to
// fetch new credentials, and not to find a hang.
const watchdog = 1800

type toleranceParams struct {
	MinToleranceSeconds int64 `json:"minToleranceSeconds" doc:"a container must be able to hang this long"`
}

var livenessTooAggressive = rules.ForProbeWith(rules.Rule{
	ID:     "liveness-too-aggressive",
	Group:  rules.ProbeSanity,
	Title:  "a livenessProbe kills after a short hiccup",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Liveness}},
}, toleranceParams{MinToleranceSeconds: 7},
	func(p *rules.Pass, params toleranceParams) {
		hang := tolerance(p.Probe)
		if p.Probe.Delay() >= watchdog || p.Probe.Failures() > 1 && hang >= params.MinToleranceSeconds {
			return
		}
		what := fmt.Sprintf("a hang of %s can get it killed (policy: %s).",
			seconds(hang), seconds(params.MinToleranceSeconds))
		if p.Probe.Failures() == 1 {
			what = "a single slow answer gets it killed."
		}
		p.Report("livenessProbe.failureThreshold", "%s Raise livenessProbe.failureThreshold to %d.",
			what, failuresToTolerate(p.Probe, params))
	},
	func(p *rules.Pass, params toleranceParams) { p.SetFailures(failuresToTolerate(p.Probe, params)) },
)

// tolerance is how long the container may hang and is not killed.
func tolerance(live pod.Probe) int64 {
	return (live.Failures()-1)*max(live.Period(), live.Timeout()) + live.Timeout()
}

func failuresToTolerate(live pod.Probe, params toleranceParams) int64 {
	left := max(params.MinToleranceSeconds-live.Timeout(), 0)
	return max(2, pod.CeilDiv(left, max(live.Period(), live.Timeout()))+1)
}
