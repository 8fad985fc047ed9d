package timeline

import (
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/podvet/podvet/rules/pod"
)

// minimumGrace is what a container has to stop at least (K pkg/kubelet/kuberuntime/kuberuntime_manager.go).
const minimumGrace = 2 * time.Second

// aSleep is a command that begins with one.
var aSleep = regexp.MustCompile(`^\s*sleep\s+(\d{1,9})s?(\s|;|&|$)`)

// hookOf is a container's hook of a kind, nil for none. One that is not a sleep takes no time. One that can never run
// ends a container that has just been started, and is left out when one is stopped
// (K pkg/kubelet/lifecycle/handlers.go).
func hookOf(s *pod.Subject, c *pod.Container, kind pod.HookKind) *hook {
	h, ok := c.Hook(kind)
	if !ok {
		return nil
	}
	_, unresolved := h.Unresolved()
	_, noShell := h.NoShell()
	switch {
	case h.TCPSocket != nil || unresolved || noShell && !s.Windows():
		return &hook{fails: true}
	case h.Sleep != nil:
		return &hook{takes: seconds(h.Sleep.Seconds)}
	case h.Exec != nil:
		return &hook{takes: seconds(sleepsFor(h.Exec.Command))}
	}
	return &hook{}
}

// sleepsFor is how many seconds a command sleeps first: sleep 15, or a shell that is given that.
func sleepsFor(words []string) int64 {
	text := ""
	switch {
	case len(words) > 1 && words[0] == "sleep":
		text = "sleep " + words[1]
	case len(words) > 2 && pod.IsShell(words[0]) && slices.Contains([]string{"-c", "-ec", "-ce"}, words[1]):
		text = words[2]
	}
	match := aSleep.FindStringSubmatch(text)
	if match == nil {
		return 0
	}
	n, _ := strconv.ParseInt(match[1], 10, 64) // at most 9 digits
	return n
}

// PreStopTakes is how long a container's preStop hook takes, 0 without one.
func PreStopTakes(s *pod.Subject, c *pod.Container) time.Duration {
	if hook := hookOf(s, c, pod.PreStop); hook != nil {
		return hook.takes
	}
	return 0
}

// StopLeft is how long a container has to stop when the pod is deleted: what preStop leaves of the grace period, and at
// least 2 s. nil is an init container, which has no hooks.
func StopLeft(s *pod.Subject, c *pod.Container) time.Duration {
	grace := seconds(max(s.Grace(), 1))
	if c != nil {
		grace -= min(PreStopTakes(s, c), grace)
	}
	return max(grace, minimumGrace)
}
