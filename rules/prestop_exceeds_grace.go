package rules

import (
	"path"
	"regexp"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

type stopParams struct {
	MinSeconds      int64 `json:"minSeconds" doc:"what must be left for the app between SIGTERM and SIGKILL"`
	MaxGraceSeconds int64 `json:"maxGraceSeconds" doc:"the fix raises the grace period at most to this"`
}

var _ = register(ForContainer(Rule{
	ID:           "prestop-exceeds-grace",
	Group:        Termination,
	Title:        "a preStop sleep eats the grace period, so the app is killed before it can stop",
	Levels:       Levels{Off, Warn, Warn},
	Who:          Who{Containers: App | Sidecar},
	FixByDefault: true,
}, stopParams{MinSeconds: 10, MaxGraceSeconds: 300},
	func(p *Pass, params stopParams) {
		sleep, ok := preStopSleep(p.Container.Container)
		if grace := p.Grace(); ok && grace-sleep < params.MinSeconds {
			left := max(grace-sleep, 2) // the kubelet gives 2 s after the hook (K pkg/kubelet/kuberuntime/kuberuntime_manager.go)
			if grace == 0 {
				left = 0 // deleted at once
			}
			p.Report("lifecycle.preStop", "preStop sleeps %s of %s grace, which leaves %s to stop, policy asks %s: raise terminationGracePeriodSeconds to %d",
				seconds(sleep), seconds(grace), seconds(left), seconds(params.MinSeconds), sleep+params.MinSeconds)
		}
	},
	func(p *Pass, params stopParams) {
		sleep, _ := preStopSleep(p.Container.Container)
		if need := sleep + params.MinSeconds; need <= params.MaxGraceSeconds {
			p.SetGrace(need)
		}
	},
))

// sleepFirst is a script that starts with a sleep of whole seconds and then goes on or ends.
var sleepFirst = regexp.MustCompile(`^\s*(?:[\w./-]*/)?sleep[ \t]+(\d+)s?[ \t]*(?:;|&&|\|\||\n|$)`)

// sleepWord is the argument of a sleep of whole seconds.
var sleepWord = regexp.MustCompile(`^(\d+)s?$`)

// preStopSleep is how long the container's preStop hook sleeps for certain, in seconds: a sleep action, the
// command sleep, or a shell script that starts with it.
func preStopSleep(c *corev1.Container) (int64, bool) {
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
		return 0, false
	}
	hook := c.Lifecycle.PreStop
	if hook.Sleep != nil {
		return min(hook.Sleep.Seconds, endless), hook.Sleep.Seconds >= 1
	}
	if hook.Exec == nil || len(hook.Exec.Command) < 2 {
		return 0, false
	}
	command := hook.Exec.Command
	var match []string
	switch path.Base(command[0]) {
	case "sleep":
		if len(command) == 2 {
			match = sleepWord.FindStringSubmatch(command[1])
		}
	case "sh", "bash", "ash", "dash":
		if command[1] == "-c" && len(command) > 2 {
			match = sleepFirst.FindStringSubmatch(command[2])
		}
	}
	if match == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil { // so many digits that it does not fit
		n = endless
	}
	return min(n, endless), n >= 1
}

// endless is longer than any grace period; sums with it cannot overflow.
const endless = 1 << 40
