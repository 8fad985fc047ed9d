package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// hookRule declares the rule about a hook that can never run, and what that does to the container.
func hookRule(id, title string, kind pod.HookKind, levels rules.Levels, so string) *rules.Rule {
	return rules.ForHook(rules.Rule{
		ID: id, Group: rules.Termination, Title: title, Levels: levels,
		Who: rules.Who{Containers: pod.App | pod.Sidecar, Hooks: []pod.HookKind{kind}},
	}, func(p *rules.Pass) {
		if field, why, advice := cannotRun(p); why != "" {
			p.Report("lifecycle."+kind.String()+"."+field, "%s, so %s. %s.", why, so, advice)
		}
	})
}

// cannotRun says why a hook always fails, "" where it may succeed, and what to write instead.
func cannotRun(p *rules.Pass) (field, why, advice string) {
	hook := p.Hook
	if hook.TCPSocket != nil {
		return "tcpSocket", fmt.Sprintf("%s uses tcpSocket, which hooks cannot run", hook.Kind), "Use httpGet or exec"
	}
	if name, unresolved := hook.Unresolved(); unresolved {
		wrong, advice := explainUnresolved(p, name)
		return hook.PortField(), fmt.Sprintf("%s uses %s", hook.Kind, wrong), advice
	}
	if p.DialsNodeLoopback(hook.Handler) {
		return "httpGet.host", fmt.Sprintf("%s dials %q on the node", hook.Kind, hook.Host()), "Remove host"
	}
	if p.Windows() {
		return "", "", ""
	}
	if _, certain := hook.NoShell(); certain {
		return "exec.command", fmt.Sprintf("no shell reads %s's %s", hook.Kind, onlyString(hook.Handler)),
			`Put "sh", "-c" before it`
	}
	if hook.ShellWithoutC() {
		return "exec.command", fmt.Sprintf("%s takes %s's %s for a file", shellOf(hook.Handler), hook.Kind,
			script(hook.Handler)), `Put "-c" before it`
	}
	return "", "", ""
}
