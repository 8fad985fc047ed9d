package catalogue

import (
	"github.com/podvet/podvet/rules/catalogue/shell"
	"github.com/podvet/podvet/rules/pod"
)

// sleepOf is what a container's preStop hook sleeps.
type sleepOf struct {
	shell.Sleep
	action bool // by the sleep action, not by a command
}

// preStopSleep is how long the container's preStop hook sleeps for certain, and false for a hook of which that cannot
// be told or that sleeps for less than a second: the sleep action, the command sleep, or a shell script up to its first
// command that may do something else.
func preStopSleep(c *pod.Container) (sleepOf, bool) {
	hook, ok := c.Hook(pod.PreStop)
	var sleep sleepOf
	switch {
	case !ok:
	case hook.Sleep != nil:
		sleep = sleepOf{shell.Sleep{Seconds: hook.Sleep.Seconds, Only: true}, true}
	case hook.Exec != nil:
		sleep = sleepOf{shell.SleepOf(hook.Exec.Command), false}
	}
	return sleep, sleep.Seconds >= 1
}
