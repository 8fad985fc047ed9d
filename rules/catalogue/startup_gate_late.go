package catalogue

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var startupGateLate = rules.ForProbeWith(rules.Rule{
	ID:     "startup-gate-late",
	Group:  rules.StartupBudget,
	Title:  "after a liveness kill, kubelets 1.35 to 1.37 let liveness kill the next boot before startup is probed",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who: rules.Who{Containers: pod.App | pod.Sidecar, Probes: []pod.ProbeKind{pod.Startup},
		Kubelets: pod.LateStartupGate},
}, rules.None{},
	func(p *rules.Pass, _ rules.None) {
		live, ok := p.Other(pod.Liveness)
		never := pod.EffectiveRestartPolicy(p.Spec, p.Container.Container) == corev1.RestartPolicyNever
		if !ok || never || live.Guaranteed() >= p.Probe.Period() {
			return
		}
		period, failures, ok := earlierGate(p.Probe, live)
		advice := fmt.Sprintf("Set startupProbe's periodSeconds %d, failureThreshold %d.", period, failures)
		switch long := longBudget(p); {
		case period == 0:
			advice = raiseFailures(live, p.Probe.Period())
		case long && p.Probe.Failures() > 1: // more failures would keep a budget that another rule wants shorter
			advice = fmt.Sprintf("Raise livenessProbe.initialDelaySeconds to %d.", p.Probe.Period())
		case long || !ok:
			advice = fmt.Sprintf("Lower startupProbe.periodSeconds to %d.", period)
		}
		p.Report("startupProbe.periodSeconds", "a boot after a liveness kill can be killed again at %s. %s",
			seconds(live.Guaranteed()), advice)
	},
	func(p *rules.Pass, _ rules.None) {
		live, _ := p.Other(pod.Liveness)
		if period, failures, ok := earlierGate(p.Probe, live); ok {
			p.SetPeriod(period)
			p.SetFailures(failures)
		}
	},
)

// longBudget tells whether the time that the startupProbe may take is too long for a policy, or for the containers
// after a sidecar.
func longBudget(p *rules.Pass) bool {
	blocks := rules.ParamsOf[blockParams](p, sidecarStartupBlocksPod).MaxSeconds
	return budget(p.Probe) > rules.ParamsOf[maxBudgetParams](p, startupBudgetTooLong).max(p.Container) ||
		p.Container.Class == pod.Sidecar && p.Probe.Refused(p.Kubelets()) > blocks
}

// earlierGate is the startupProbe's period with which it runs before liveness can kill, and the failures that keep its
// budget; false where liveness kills at once or the failures would leave their range.
func earlierGate(startup, live pod.Probe) (period, failures int64, ok bool) {
	period = live.Guaranteed()
	if period == 0 {
		return 0, 0, false
	}
	failures = pod.CeilDiv(startup.Failures()*startup.Period(), period)
	_, ok = pod.Int32(failures)
	return period, failures, ok
}
