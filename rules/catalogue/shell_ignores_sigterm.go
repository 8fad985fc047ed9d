package catalogue

import (
	"slices"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue/shell"
	"github.com/podvet/podvet/rules/pod"
)

var shellIgnoresSIGTERM = rules.ForContainer(rules.Rule{
	ID:     "shell-ignores-sigterm",
	Group:  rules.Termination,
	Title:  "a shell is process 1 and does not pass SIGTERM on, so every stop ends in SIGKILL",
	Levels: rules.Levels{rules.Off, rules.Audit, rules.Warn},
	Who:    rules.Who{Containers: pod.App, LongRunning: true},
}, func(p *rules.Pass) {
	// With the processes of the node or the pod in view the shell is not process 1, and SIGTERM ends it.
	shared := p.Spec.ShareProcessNamespace != nil && *p.Spec.ShareProcessNamespace
	if p.Windows() || p.Spec.HostPID || shared {
		return
	}
	found, deaf := shell.IgnoresSIGTERM(slices.Concat(p.Container.Command, p.Container.Args))
	if !deaf {
		return
	}
	advice := "Let a trap pass it on, or exec the app."
	if found.Exec {
		advice = "Write exec before its last command."
	}
	field := "command"
	if len(p.Container.Command) < 3 {
		field = "args"
	}
	p.Report(field, "%s does not pass SIGTERM on, so stops end in SIGKILL after %s. %s",
		found.Name, seconds(max(p.Grace(), minStopSeconds)), advice)
})
