package catalogue

import (
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type startupParams struct {
	MinBootSeconds            int64 `json:"minBootSeconds" doc:"a boot of this length must survive the livenessProbe"`
	AcceleratedMinBootSeconds int64 `json:"acceleratedMinBootSeconds" doc:"the same with a GPU or another accelerator"`
	BudgetSeconds             int64 `json:"budgetSeconds" doc:"what the added startupProbe guarantees"`
	AcceleratedBudgetSeconds  int64 `json:"acceleratedBudgetSeconds" doc:"the same with a GPU or another accelerator"`
	PeriodSeconds             int64 `json:"periodSeconds" doc:"the longest period of the added startupProbe"`
}

// startupPeriod is the longest period of an added startupProbe unless a policy says another.
const startupPeriod = 3

// minBoot is the time to boot that a container must be given.
func (p startupParams) minBoot(c *pod.Container) int64 {
	return ifAccelerated(c, p.AcceleratedMinBootSeconds, p.MinBootSeconds)
}

var noStartupProbe = rules.ForProbeWith(rules.Rule{
	ID:     "no-startup-probe",
	Group:  rules.Presence,
	Title:  "a livenessProbe kills a slow boot, because there is no startupProbe",
	Levels: rules.Levels{rules.Off, rules.Warn, rules.Deny},
	Who: rules.Who{Containers: pod.App | pod.Sidecar, LongRunning: true,
		Probes: []pod.ProbeKind{pod.Liveness}},
	FixByDefault: true,
}, startupParams{MinBootSeconds: 50, AcceleratedMinBootSeconds: 300, BudgetSeconds: 300, AcceleratedBudgetSeconds: 1800,
	PeriodSeconds: startupPeriod},
	func(p *rules.Pass, params startupParams) {
		live, minBoot := p.Probe, params.minBoot(p.Container)
		if p.Container.StartupProbe != nil || live.Guaranteed() >= minBoot {
			return
		}
		startup, ok := startupFor(p.Container, live, params)
		deadline := p.ActiveDeadlineSeconds
		// A startupProbe is the better remedy, but not where what comes after a sidecar would wait for it, nor where
		// the pod's deadline passes first.
		if !ok || p.Container.Class != pod.App || deadline > 0 && startup.Guaranteed() >= deadline ||
			startup.Guaranteed() <= live.Guaranteed() {
			p.Report("livenessProbe", "livenessProbe can kill a boot longer than %s (policy: %s). %s",
				seconds(live.Guaranteed()), seconds(minBoot), raiseLiveness(p, minBoot))
			return
		}
		text := "livenessProbe can kill a boot over %s. Copy it to startupProbe with " +
			"periodSeconds %d, failureThreshold %d."
		if live.Delay() > 0 { // in short: the line has a limit
			text = "livenessProbe kills a boot over %s. Copy it to startupProbe with " +
				"no delay, periodSeconds %d, failureThreshold %d."
		}
		p.Report("livenessProbe", text, seconds(live.Guaranteed()), startup.PeriodSeconds, startup.FailureThreshold)
	},
	func(p *rules.Pass, params startupParams) {
		if startup, ok := safeStartupFor(p.Container, p.Probe, params); ok {
			p.SetProbe(pod.Startup, *startup.Probe)
		}
	},
)

// raiseLiveness says how the livenessProbe itself comes to guarantee the seconds: by more failures, but where a hang
// would then go unnoticed for too long, by a later start.
func raiseLiveness(p *rules.Pass, seconds int64) string {
	if noticesHangs(p, p.Probe.FailuresFor(seconds)) {
		return raiseFailures(p.Probe, seconds)
	}
	return "Raise livenessProbe.initialDelaySeconds to " + count(seconds-p.Probe.Guaranteed()+p.Probe.Delay()) + "."
}

// safeStartupFor is the startupProbe that podvet adds, and false where it adds none: only where the measurements of the
// prober say that no healthy pod is killed earlier, or is ready later by more than a moment, because of it.
func safeStartupFor(c *pod.Container, live pod.Probe, params startupParams) (pod.Probe, bool) {
	if c.ReadinessProbe == nil || c.Class != pod.App {
		return pod.Probe{}, false
	}
	// An exec whose program is missing is harmless in liveness and blocks startup without end.
	if live.Exec != nil || live.Host() != "" || live.Timeout() > live.Period() || !live.ReachesTCP() {
		return pod.Probe{}, false
	}
	startup, ok := startupFor(c, live, params)
	return startup, ok && startup.Guaranteed() >= live.Worst()
}

// StartupProbe is the startupProbe that podvet advises for a budget that somebody measured, and whether podvet would
// add it by itself.
func StartupProbe(c *pod.Container, live pod.Probe, budget int64) (startup pod.Probe, safe bool) {
	params := startupParams{BudgetSeconds: budget, AcceleratedBudgetSeconds: budget, PeriodSeconds: startupPeriod}
	startup, _ = startupFor(c, live, params)
	_, safe = safeStartupFor(c, live, params)
	return startup, safe
}

// startupFor is a startupProbe with the livenessProbe's handler that guarantees the budget. Its period is short,
// because readiness waits for it.
func startupFor(c *pod.Container, live pod.Probe, params startupParams) (pod.Probe, bool) {
	period := min(live.Period(), params.PeriodSeconds)
	if ready, ok := c.ProbeOf(pod.Readiness); ok {
		period = min(period, ready.Period())
	}
	period = max(period, live.Timeout())
	budget := ifAccelerated(c, params.AcceleratedBudgetSeconds, params.BudgetSeconds)
	failures, ok := pod.Int32(pod.CeilDiv(budget, period) + 1)
	startup := *live.Probe
	startup.InitialDelaySeconds = 0
	startup.PeriodSeconds = int32(period)
	startup.FailureThreshold = failures
	return c.NewProbe(pod.Startup, &startup), ok
}

// ownStartupProbe tells whether the container's startupProbe is podvet's own, by its shape: the very probe that the fix
// of no-startup-probe would add, had the container none.
func ownStartupProbe(p *rules.Pass) bool {
	c := p.Container
	live, ok := c.ProbeOf(pod.Liveness)
	params := rules.ParamsOf[startupParams](p, noStartupProbe)
	if !ok || c.StartupProbe == nil || !c.LongRunning || live.Guaranteed() >= params.minBoot(c) {
		return false
	}
	own, ok := safeStartupFor(c, live, params)
	return ok && equality.Semantic.DeepEqual(own.Probe, c.StartupProbe)
}

// ifAccelerated chooses between two limits: a container with an accelerator loads models, and boots in minutes.
func ifAccelerated(c *pod.Container, yes, no int64) int64 {
	if c.Accelerated() {
		return yes
	}
	return no
}
