package catalogue

import (
	"fmt"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

type stopParams struct {
	MinSeconds      int64 `json:"minSeconds" doc:"what must be left for the app between SIGTERM and SIGKILL"`
	MaxGraceSeconds int64 `json:"maxGraceSeconds" doc:"the fix raises the grace period at most to this"`
}

// minStopSeconds is what the kubelet gives a container after its hook, whatever the grace period
// (K pkg/kubelet/kuberuntime/kuberuntime_manager.go minimumGracePeriodInSeconds).
const minStopSeconds = 2

var prestopExceedsGrace = rules.ForContainerWith(rules.Rule{
	ID:           "prestop-exceeds-grace",
	Group:        rules.Termination,
	Title:        "a preStop sleep uses up the grace period, so the app is killed before it can stop",
	Levels:       rules.Levels{rules.Off, rules.Warn, rules.Warn},
	Who:          rules.Who{Containers: pod.App | pod.Sidecar},
	FixByDefault: true,
}, stopParams{MinSeconds: 10, MaxGraceSeconds: 300},
	func(p *rules.Pass, params stopParams) {
		sleep, ok := preStopSleep(p.Container)
		if !ok || !params.tooShort(p.Grace(), sleep.Seconds) {
			return
		}
		p.Report("lifecycle.preStop", "preStop leaves the app %d of %s to stop (policy: %s). %s.",
			max(p.Grace()-sleep.Seconds, 0), seconds(p.Grace()), seconds(params.MinSeconds),
			params.advice(p.Grace(), sleep.Seconds))
	},
	func(p *rules.Pass, params stopParams) {
		if sleep, _ := preStopSleep(p.Container); params.mayRaise(sleep.Seconds) {
			p.SetGrace(sleep.Seconds + params.MinSeconds)
		}
	},
)

// tooShort tells whether a grace period leaves too little after a sleep. A pod without one is deleted at once.
func (params stopParams) tooShort(grace, sleep int64) bool {
	return grace > 0 && grace-sleep < params.MinSeconds
}

// mayRaise tells whether a grace period that fits a sleep is within what the policy allows.
func (params stopParams) mayRaise(sleep int64) bool {
	return sleep <= params.MaxGraceSeconds-params.MinSeconds
}

// graceFor is the grace period of a container that sleeps, raised where the policy allows it.
func (params stopParams) graceFor(grace, sleep int64) int64 {
	if params.tooShort(grace, sleep) && params.mayRaise(sleep) {
		return sleep + params.MinSeconds
	}
	return grace
}

func (params stopParams) advice(grace, sleep int64) string {
	switch room := grace - params.MinSeconds; {
	case params.mayRaise(sleep):
		return fmt.Sprintf("Raise terminationGracePeriodSeconds to at least %d", sleep+params.MinSeconds)
	case room > 0:
		return "Shorten the sleep to " + seconds(room)
	}
	return "Remove the sleep"
}
