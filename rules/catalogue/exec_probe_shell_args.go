package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var execProbeShellArgs = rules.ForProbe(rules.Rule{
	ID:     "exec-probe-shell-args",
	Group:  rules.ProbeSanity,
	Title:  "a probe gives a shell its script without -c, so every attempt fails",
	Levels: rules.Levels{rules.Deny, rules.Deny, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar},
}, func(p *rules.Pass) {
	if p.Windows() || !p.Probe.ShellWithoutC() {
		return
	}
	ends := "killed"
	if p.Probe.Kind == pod.Readiness {
		if p.Probe.Inert(p.Subject) { // inert-exec-probe-no-shell reports it
			return
		}
		ends = "never ready"
	}
	p.Report(commandField(p.Probe), `%s takes %s's %s for a file, so the container is %s. Put "-c" before it.`,
		shellOf(p.Probe.Handler), p.Probe.Kind, script(p.Probe.Handler), ends)
})
