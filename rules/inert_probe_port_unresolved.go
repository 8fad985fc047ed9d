package rules

var _ = register(ForProbe(Rule{
	ID:     "inert-probe-port-unresolved",
	Group:  Ports,
	Title:  "a probe names a port that its container does not declare, so it never acts",
	Levels: Levels{Warn, Warn, Deny},
	Who:    Who{Containers: App | Sidecar},
}, None{},
	func(p *Pass, _ None) {
		if name, unresolved := p.Probe.Unresolved(); unresolved && p.Probe.Inert(p.Subject) {
			p.Report(portField(p.Probe), "%s names port %q, which %s: it always errs and never acts: declare it here or write a number",
				p.Probe.Kind, name, whoDeclares(p.Subject, name))
		}
	}, nil,
))
