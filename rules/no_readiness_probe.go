package rules

// Containers declare these ports for watching only; no user's traffic arrives there.
var defaultIgnorePortNames = []string{"metrics", "http-metrics", "https-metrics", "prometheus", "prom", "monitoring",
	"health", "healthz", "health-check", "liveness", "readiness", "probe", "probes", "debug", "pprof"}

type readinessParams struct {
	AlsoWithoutPorts bool           `json:"alsoWithoutPorts" doc:"ask every long-running app container, not only one that serves or has no controller"`
	IgnorePortNames  []string       `json:"ignorePortNames" doc:"ports with these names serve no traffic"`
	Template         *ProbeTemplate `json:"template" doc:"what the fix injects"`
}

// Problems is what is wrong with the parameters.
func (p readinessParams) Problems() []Problem { return p.Template.problems(Readiness) }

var noReadinessProbe = register(ForContainer(Rule{
	ID:            "no-readiness-probe",
	Group:         Presence,
	Title:         "a container that serves has no readinessProbe",
	Levels:        Levels{Off, Warn, Deny},
	Who:           Who{Containers: App, LongRunning: true},
	NeedsTemplate: true,
	YieldsTo:      "liveness-without-readiness",
}, readinessParams{IgnorePortNames: defaultIgnorePortNames},
	func(p *Pass, params readinessParams) {
		if p.Container.ReadinessProbe == nil && asksReadiness(p, params) {
			p.Report("", "no readinessProbe: it counts as ready, for traffic and rollouts, the moment its process starts: add one that asks whether it can serve")
		}
	},
	func(p *Pass, params readinessParams) {
		injectTemplate(p, Readiness, params.Template)
	},
))

// asksReadiness tells whether the container is one that no-readiness-probe applies to. Without a controller
// there is no Service to guess from ports: whoever waits for the pod waits for Ready.
func asksReadiness(p *Pass, params readinessParams) bool {
	return params.AlsoWithoutPorts || p.Owner == Nobody || p.Container.Serves(params.IgnorePortNames)
}

// injectTemplate gives a promised probe to a container that declares its port and has none of the kind.
func injectTemplate(p *Pass, kind ProbeKind, template *ProbeTemplate) {
	if template == nil || *probeField(p.Container.Container, kind) != nil {
		return
	}
	for _, port := range p.Container.Ports {
		if port.Name == template.PortName && isTCP(port) {
			probe := template.Probe.DeepCopy()
			DefaultProbe(probe)
			p.SetProbe(kind, *probe)
			return
		}
	}
}
