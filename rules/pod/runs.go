package pod

// NeverRuns tells whether no attempt of the probe can succeed or fail, because the kubelet throws its errors away: its
// port is unresolved, or its command is one string that no shell reads (K pkg/kubelet/prober/worker.go and
// pkg/probe/util.go).
func (p Probe) NeverRuns(s *Subject) bool {
	if _, unresolved := p.Unresolved(); unresolved {
		return true
	}
	_, certain := p.NoShell()
	return certain && !s.Windows()
}

// Inert tells whether a probe that can never succeed would only be useless. Elsewhere it keeps the container from ever
// becoming started or ready. Nothing waits for liveness, for the probes of what runs to completion, for the readiness
// of a Job's pod, or for that of a sidecar beside nothing that runs long.
func (p Probe) Inert(s *Subject) bool {
	switch {
	case p.Kind == Liveness || !p.Container.LongRunning:
		return true
	case p.Kind == Startup:
		return false
	case s.Owner == Jobs:
		return true
	}
	return p.Container.Class == Sidecar && !s.facts.runsLong
}
