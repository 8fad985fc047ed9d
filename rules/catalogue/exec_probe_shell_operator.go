package catalogue

import (
	"path"
	"slices"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var execProbeShellOperator = rules.ForProbe(rules.Rule{
	ID:     "exec-probe-shell-operator",
	Group:  rules.ProbeSanity,
	Title:  "a probe's command has an operator of the shell, but no shell reads it",
	Levels: rules.Levels{rules.Warn, rules.Warn, rules.Deny},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar},
}, func(p *rules.Pass) {
	operator, found := strayOperator(p.Probe.Handler)
	if !found || p.Windows() {
		return
	}
	p.Report(commandField(p.Probe),
		`%s hands "%s" to %s, so it likely always fails. Write one string after "sh", "-c".`,
		p.Probe.Kind, operator, excerpt(path.Base(p.Probe.Exec.Command[0]), 12))
})

// strayOperator finds an operator of the shell that a program gets as an argument, where the program has no use for it
// of its own.
func strayOperator(h pod.Handler) (string, bool) {
	if h.Exec == nil || len(h.Exec.Command) < 2 {
		return "", false
	}
	program := h.Exec.Command[0]
	if pod.IsShell(program) || slices.Contains([]string{"find", "test", "[", "expr", "awk"}, path.Base(program)) {
		return "", false
	}
	for _, argument := range h.Exec.Command[1:] {
		if slices.Contains([]string{"|", "||", "&&", ";", ">", ">>", "<", "2>&1"}, argument) {
			return argument, true
		}
	}
	return "", false
}
