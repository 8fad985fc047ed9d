package rules

var _ = register(ForProbe(Rule{
	ID:     "probe-port-unresolved",
	Group:  Ports,
	Title:  "a probe names a port that its container does not declare, so the container is never started or never ready",
	Levels: Levels{Deny, Deny, Deny},
	Who:    Who{Containers: App | Sidecar, Probes: Of(Startup, Readiness)},
}, None{},
	func(p *Pass, _ None) {
		name, unresolved := p.Probe.Unresolved()
		if !unresolved || p.Probe.Inert(p.Subject) {
			return
		}
		never := "ready"
		if p.Probe.Kind == Startup {
			never = "started"
		}
		p.Report(portField(p.Probe), "%s names port %q, which %s: it errs for ever and is never %s: declare it here or write a number",
			p.Probe.Kind, name, whoDeclares(p.Subject, name), never)
	}, nil,
))

// whoDeclares ends the sentence "port x, which ...".
func whoDeclares(s *Subject, name string) string {
	for _, c := range s.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return "container " + quote(c.Name) + " declares"
			}
		}
	}
	return "is not declared"
}

// portField is the path of the port within the container.
func portField(probe Probe) string { return probe.Kind.String() + "." + portOf(probe) }

// portOf is the path of a named port within the probe.
func portOf(probe Probe) string {
	if probe.HTTPGet != nil {
		return "httpGet.port"
	}
	return "tcpSocket.port"
}
