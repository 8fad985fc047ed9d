package catalogue

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

var prestopExecSleep = rules.ForContainerWith(rules.Rule{
	ID:     "prestop-exec-sleep",
	Group:  rules.Termination,
	Title:  "preStop sleeps by a command, which fails in an image without that binary",
	Levels: rules.Levels{rules.Off, rules.Audit, rules.Warn},
	Who:    rules.Who{Containers: pod.App | pod.Sidecar},
}, rules.None{},
	func(p *rules.Pass, _ rules.None) {
		sleep, ok := preStopSleep(p.Container)
		if !ok || !sleep.Only || sleep.action || p.Windows() {
			return
		}
		// The API server refuses a sleep action that is longer than the grace period.
		stop := rules.ParamsOf[stopParams](p, prestopExceedsGrace)
		if sleep.Seconds > stop.graceFor(p.Grace(), sleep.Seconds) {
			return
		}
		advice := "Use the sleep action with " + seconds(sleep.Seconds)
		if stop.tooShort(p.Grace(), sleep.Seconds) && !stop.mayRaise(sleep.Seconds) { // it must be shortened as well
			advice = "Use the sleep action"
		}
		p.Report("lifecycle.preStop.exec", "preStop is skipped if the image has no sleep binary. %s.", advice)
	},
	func(p *rules.Pass, _ rules.None) {
		if sleep, _ := preStopSleep(p.Container); sleep.Seconds <= p.Grace() {
			p.SetPreStop(corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: sleep.Seconds}})
		}
	},
)
