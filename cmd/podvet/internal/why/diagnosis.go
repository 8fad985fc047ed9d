// Package why says why a pod is not well, from what its status, its events and its owner tell, by the kubelet's
// arithmetic. It knows pods and formulas; it must not know how they were read, and not the time, which it is handed.
//
// In comments K is k8s.io/kubernetes v1.37.2, where each fact was read.
package why

import "slices"

// Diagnosis is one thing that is wrong with a pod or a workload, or that is worth knowing of it.
type Diagnosis struct {
	ID        string   `json:"id"`
	Container string   `json:"container,omitempty"`
	Wrong     bool     `json:"wrong"`
	Message   string   `json:"message"`          // what happened, and why
	Advice    string   `json:"advice,omitempty"` // what to write
	Evidence  []string `json:"evidence,omitempty"`
}

// What podvet finds, gravest first: what keeps a pod from being made, then what ends it, then what keeps traffic away,
// then what is over or will be.
const (
	NoPods           = "no-pods"
	JobFailed        = "job-failed"
	Deadline         = "deadline"
	Evicted          = "evicted"
	Unscheduled      = "unscheduled"
	Volume           = "volume"
	Sandbox          = "sandbox"
	Image            = "image"
	CannotBeMade     = "cannot-be-made"
	InitFails        = "init-fails"
	StuckTerminating = "stuck-terminating"
	PostStartFails   = "poststart-fails"
	WrongProbe       = "wrong-probe"
	KilledAtBoot     = "killed-at-boot"
	KilledAfterHang  = "killed-after-hang"
	OutOfMemory      = "out-of-memory"
	EndsByItself     = "ends-by-itself"
	KilledBySignal   = "killed-by-signal"
	Completes        = "completes-again-and-again"
	JobNeverEnds     = "job-never-completes"
	NeverStarted     = "never-started"
	NeverReady       = "never-ready"
	NotReadyAnyMore  = "not-ready-any-more"
	ReadyOnAndOff    = "ready-on-and-off"
	ReadinessGate    = "readiness-gate"
	KilledAfterGrace = "killed-after-grace"
	PreStopFails     = "prestop-fails"
	InitRuns         = "init-runs"
	NoProgress       = "no-progress"
	Unclear          = "unclear"
)

// What is not wrong, and worth knowing.
const (
	Starting     = "starting"
	Stopping     = "stopping"
	WasRestarted = "was-restarted"
)

// IDs are all of them, in that order.
var IDs = []string{
	NoPods, JobFailed, Deadline, Evicted, Unscheduled, Volume, Sandbox, Image, CannotBeMade, InitFails,
	StuckTerminating, PostStartFails, WrongProbe, KilledAtBoot, KilledAfterHang, OutOfMemory, EndsByItself,
	KilledBySignal, Completes, JobNeverEnds, NeverStarted, NeverReady, NotReadyAnyMore, ReadyOnAndOff, ReadinessGate,
	KilledAfterGrace, PreStopFails, InitRuns, NoProgress, Unclear, Starting, Stopping, WasRestarted,
}

// byGravity sorts the gravest first. Those of one kind stay as they are.
func byGravity(all []Diagnosis) {
	slices.SortStableFunc(all, func(a, b Diagnosis) int { return slices.Index(IDs, a.ID) - slices.Index(IDs, b.ID) })
}

// Wrong counts the diagnoses of what is wrong.
func Wrong(all []Diagnosis) (n int) {
	for _, d := range all {
		if d.Wrong {
			n++
		}
	}
	return n
}
