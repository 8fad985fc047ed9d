package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var probeTimeoutExceedsPeriod = rules.ForProbe(rules.Rule{
	ID:     "probe-timeout-exceeds-period",
	Group:  rules.ProbeSanity,
	Title:  "a timeout far above the period stretches the interval of a probe",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Liveness, pod.Readiness}},
}, func(p *rules.Pass) {
	probe := p.Probe
	if probe.Timeout() <= 2*probe.Period() {
		return
	}
	what := "a hang goes unnoticed for"
	if probe.Kind == pod.Readiness {
		what = "a hang keeps getting traffic for"
	}
	p.Report(probe.Kind.String()+".timeoutSeconds", "%s up to %s, not %s. %s",
		what, seconds(hangNoticed(probe)), seconds(probe.Failures()*probe.Period()), withinPeriod(p))
})

// hangNoticed is the latest time at which the probe acts on a container that hangs, from then on.
func hangNoticed(p pod.Probe) int64 { return p.Worst() - p.Delay() }

// withinPeriod says how the timeout comes to fit into the period. A command must keep what exec-probe-short-timeout
// asks.
func withinPeriod(p *rules.Pass) string {
	probe, timeout := p.Probe, p.Probe.Period()
	if probe.Exec != nil {
		timeout = max(timeout, rules.ParamsOf[execTimeoutParams](p, execProbeShortTimeout).MinSeconds)
	}
	if timeout > 2*probe.Period() {
		return fmt.Sprintf("Raise %s.periodSeconds to %d.", probe.Kind, probe.Timeout())
	}
	return fmt.Sprintf("Lower %s.timeoutSeconds to %d.", probe.Kind, timeout)
}
