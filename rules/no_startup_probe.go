package rules

import "fmt"

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
		live := p.Probe
		if p.Container.StartupProbe != nil || live.Guaranteed() >= params.MinBootSeconds {
			return
		}
		advice := raiseFailures(live, params.MinBootSeconds)
		startup, ok := startupFor(p, params)
		_, unresolved := live.Unresolved()
		deadline := p.ActiveDeadlineSeconds
		// A startupProbe is the better remedy, but not where it could never succeed, where what comes after a
		// sidecar would wait for it, or where the pod's deadline passes first.
		if ok && !unresolved && p.Container.Class == App && (deadline == 0 || startup.Guaranteed() < deadline) {
			advice = fmt.Sprintf("add a startupProbe with its handler, periodSeconds %d, failureThreshold %d", startup.PeriodSeconds, startup.FailureThreshold)
			if startup.TimeoutSeconds > 1 {
				advice += ", timeoutSeconds " + count(startup.Timeout())
			}
		}
		p.Report("", "livenessProbe gives %s to boot, policy asks %s: %s", seconds(live.Guaranteed()), seconds(params.MinBootSeconds), advice)
	},
	// Only where the measurements of the prober say that no healthy pod is killed, or ready, later for it.
	func(p *Pass, params startupParams) {
		live := p.Probe
		if _, ready := p.Container.Probe(Readiness); !ready || p.Container.Class != App {
			return
		}
		// An exec that errs, as with a missing binary, is harmless in liveness and blocks startup for ever.
		if live.Exec != nil || live.Host() != "" || live.Timeout() > live.Period() || !reachesTCP(live) {
			return
		}
		if startup, ok := startupFor(p, params); ok && startup.Guaranteed() >= live.Worst() {
			p.SetProbe(Startup, *startup.Probe)
		}
	},
))

// startupFor is a startupProbe with the livenessProbe's handler that guarantees the budget. Its period is
// short, for readiness waits for it.
func startupFor(p *Pass, params startupParams) (Probe, bool) {
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
	return Probe{Probe: &startup, Kind: Startup, Container: p.Container}, ok
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
