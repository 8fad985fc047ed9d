package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// neverStarts tells whether the container waits without end for a startupProbe that can never run: it never gets
// traffic that a readinessProbe could keep away.
func neverStarts(p *rules.Pass) bool {
	_, runs := p.Other(pod.Startup)
	return p.Container.StartupProbe != nil && !runs
}
