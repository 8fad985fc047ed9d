package catalogue

import (
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var inertExecProbeNoShell = rules.ForProbe(rules.Rule{
	ID:     "inert-exec-probe-no-shell",
	Group:  rules.ProbeSanity,
	Title:  "a probe's whole command is one string that no shell reads, so it never acts, or may not",
	Levels: rules.Levels{rules.Warn, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar, NeverRuns: true},
}, func(p *rules.Pass) {
	if p.Windows() {
		return
	}
	inert := p.Probe.Inert(p.Subject)
	found, certain := p.Probe.NoShell()
	switch {
	case certain && inert:
		p.Report(commandField(p.Probe),
			`no shell reads %s's %s, so the probe never acts. Put "sh", "-c" before it.`,
			p.Probe.Kind, onlyString(p.Probe.Handler))
	case found && !certain: // the path of a program may have a blank
		p.Report(commandField(p.Probe), "%s can only run if a file is called %s. If not, split it at the blanks.",
			p.Probe.Kind, onlyString(p.Probe.Handler))
	case inert && p.Probe.Kind == pod.Readiness && p.Probe.ShellWithoutC():
		p.Report(commandField(p.Probe), `%s takes %s for a file, so %s always fails. Put "-c" before it.`,
			shellOf(p.Probe.Handler), script(p.Probe.Handler), p.Probe.Kind)
	}
})
