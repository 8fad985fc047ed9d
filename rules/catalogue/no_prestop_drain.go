package catalogue

import (
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type drainParams struct {
	SleepSeconds int64 `json:"sleepSeconds" doc:"how long requests may still arrive after the pod is deleted"`
}

var noPrestopDrain = rules.ForContainerWith(rules.Rule{
	ID:     "no-prestop-drain",
	Group:  rules.Termination,
	Title:  "a container that serves stops while requests still arrive",
	Levels: rules.Levels{rules.Off, rules.Off, rules.Warn},
	Who:    rules.Who{Containers: pod.App, LongRunning: true},
}, drainParams{SleepSeconds: 5},
	func(p *rules.Pass, params drainParams) {
		c := p.Container
		ignored := rules.ParamsOf[readinessParams](p, noReadinessProbe).IgnorePortNames
		hooked := c.Lifecycle != nil && c.Lifecycle.PreStop != nil
		if hooked || c.ReadinessProbe == nil || !c.Serves(ignored) || p.Grace() == 0 {
			return
		}
		advice := "Add one that sleeps " + seconds(params.SleepSeconds)
		longest := rules.ParamsOf[graceParams](p, terminationGraceTooLong).MaxSeconds
		if p.Grace() <= longest-params.SleepSeconds {
			const raise = " and raise terminationGracePeriodSeconds to at least %d"
			advice += fmt.Sprintf(raise, p.Grace()+params.SleepSeconds)
		}
		p.Report("", "no preStop, so late requests fail. %s.", advice)
	},
	// All hooks of a pod run at once, so one longer grace period does for all of them.
	func(p *rules.Pass, params drainParams) {
		grace := p.Grace()
		if grace > math.MaxInt64-params.SleepSeconds {
			return
		}
		p.SetPreStop(corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: params.SleepSeconds}})
		if !p.FixedAnother() {
			p.SetGrace(grace + params.SleepSeconds)
		}
	},
)
