package rules

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

type startupParams struct {
	MinBootSeconds int64 `json:"minBootSeconds" doc:"a boot of this length must survive the livenessProbe"`
	BudgetSeconds  int64 `json:"budgetSeconds" doc:"what the added startupProbe guarantees"`
	PeriodSeconds  int64 `json:"periodSeconds" doc:"the longest period of the added startupProbe: readiness waits for it"`
}

var _ = register(ForProbe(Rule{
	ID:           "no-startup-probe",
	Group:        Presence,
	Title:        "a livenessProbe kills a slow boot, for there is no startupProbe",
	Levels:       Levels{Off, Warn, Deny},
	Who:          Who{Containers: App | Sidecar, LongRunning: true, Probes: Of(Liveness)},
	FixByDefault: true,
}, startupParams{MinBootSeconds: 50, BudgetSeconds: 300, PeriodSeconds: 3},
	func(p *Pass, params startupParams) {
		if !killsSlowBoot(p, params) {
			return
		}
		startup, ok := startupFor(p, params)
		advice := fmt.Sprintf("add a startupProbe with its handler, periodSeconds %d, failureThreshold %d", startup.PeriodSeconds, startup.FailureThreshold)
		switch {
		case p.Container.Class == Sidecar: // what comes after it would wait for the startupProbe
			advice = "raise its failureThreshold to " + count(p.Probe.FailuresFor(params.MinBootSeconds))
		case !ok:
			advice = "add a startupProbe with its handler that guarantees " + seconds(params.BudgetSeconds)
		case startup.TimeoutSeconds > 1:
			advice += ", timeoutSeconds " + count(int64(startup.TimeoutSeconds))
		}
		p.Report("", "livenessProbe guarantees a boot only %s, policy asks %s: %s", seconds(p.Probe.Guaranteed()), seconds(params.MinBootSeconds), advice)
	},
	// Only where the measurements of the prober say that no healthy pod is killed, or ready, later for it.
	func(p *Pass, params startupParams) {
		live := p.Probe
		if _, ready := p.Container.Probe(Readiness); !ready || p.Container.Class != App || !killsSlowBoot(p, params) {
			return
		}
		// An exec that errs, as with a missing binary, is harmless in liveness and blocks startup for ever.
		if live.Exec != nil || live.Host() != "" || live.Timeout() > live.Period() || !reachesTCP(live) {
			return
		}
		startup, ok := startupFor(p, params)
		if ok && (Probe{Probe: &startup}).Guaranteed() >= live.Worst() {
			p.SetProbe(Startup, startup)
		}
	},
))

func killsSlowBoot(p *Pass, params startupParams) bool {
	return p.Container.StartupProbe == nil && p.Probe.Guaranteed() < params.MinBootSeconds
}

// startupFor is a startupProbe with the livenessProbe's handler that guarantees the budget. Its period is
// short, for readiness waits for it.
func startupFor(p *Pass, params startupParams) (corev1.Probe, bool) {
	live := p.Probe
	period := min(live.Period(), params.PeriodSeconds)
	if ready, ok := p.Container.Probe(Readiness); ok {
		period = min(period, ready.Period())
	}
	period = max(period, live.Timeout())
	failures, ok := int32Of(ceilDiv(params.BudgetSeconds, period) + 1)
	startup := *live.Probe
	startup.InitialDelaySeconds = 0
	startup.PeriodSeconds = int32(period)
	startup.FailureThreshold = failures
	return startup, ok
}

// reachesTCP tells whether the handler's port is a declared TCP port, or a number that is not declared at all.
func reachesTCP(probe Probe) bool {
	ref, ok := probe.PortRef()
	if !ok {
		return false
	}
	number, ok := ResolvePort(probe.Container.Container, ref)
	if !ok {
		return false
	}
	declared := false
	for _, port := range probe.Container.Ports {
		if port.ContainerPort == number {
			if isTCP(port) {
				return true
			}
			declared = true
		}
	}
	return !declared
}
