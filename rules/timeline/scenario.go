package timeline

import (
	"math/rand/v2"
	"time"

	"github.com/podvet/podvet/rules/pod"
)

// Scenario is what happens to a pod.
type Scenario struct {
	Kubelet    int                 `json:"kubelet"` // its minor version
	Length     time.Duration       `json:"length"`  // how long to look
	DeleteAt   time.Duration       `json:"deleteAt,omitempty"`
	Containers map[string]Behavior `json:"containers,omitempty"` // by name; one that is missing behaves like Behavior{}
}

// Behavior is what the process in a container does. Times but HangAt count from the container's start, those that are
// 0 never come.
type Behavior struct {
	Boot      time.Duration `json:"boot,omitempty"`      // until then its probes fail; of an init container, how long it runs
	HangAt    time.Duration `json:"hangAt,omitempty"`    // of the pod's life: the process that runs then answers no more
	HangAfter time.Duration `json:"hangAfter,omitempty"` // each process
	Crash     time.Duration `json:"crash,omitempty"`     // it ends by itself
	Crashes   int           `json:"crashes,omitempty"`   // how many do so; 0 is all
	ExitCode  int32         `json:"exitCode,omitempty"`  // of a process that ends by itself
	StopTakes time.Duration `json:"stopTakes,omitempty"` // from SIGTERM to its end, with exit code 0
	Answer    time.Duration `json:"answer,omitempty"`    // how long its answers take, good ones and bad ones
}

// Timing is what a kubelet leaves to chance.
type Timing struct {
	// Workers is when a probe's worker first looks, by container and field, such as app/livenessProbe. From then on
	// its ticker has its phase.
	Workers map[string]time.Duration `json:"workers"`
	// Second is how much of the clock's second is over when the pod comes: the kubelet keeps start times in whole
	// seconds (K pkg/kubelet/status/status_manager.go normalizeStatus).
	Second time.Duration `json:"second"`
	// Relist, Tick and Housekeeping are the phases of the kubelet's loops.
	Relist       time.Duration `json:"relist"`
	Tick         time.Duration `json:"tick"`
	Housekeeping time.Duration `json:"housekeeping"`
	// Requeue stretches the time until the next sync by a half of its entry, which is below 1, used in turn.
	Requeue []float64 `json:"requeue"`
	// Pull is how long the first sync is busy before it starts a container: volumes, the sandbox and images.
	Pull time.Duration `json:"pull"`
	// Look is what a worker takes from a tick, or from being woken, until it looks at the status. Store is what a sync
	// takes from the waking of workers until the status is stored: where it takes longer, they are woken for nothing.
	Look  time.Duration `json:"look"`
	Store time.Duration `json:"store"`
	// TriggerFirst decides when a worker has missed a tick and was woken too.
	TriggerFirst bool `json:"triggerFirst"`
}

// moment is what a kubelet takes for something small, at most, and quickest what a probe or a process takes at least.
const (
	moment   = 100 * time.Microsecond
	quickest = time.Millisecond
)

// Drawn is a timing by chance.
func Drawn(s *pod.Subject, seed uint64) Timing {
	r := rand.New(rand.NewPCG(seed, 25))
	below := func(limit time.Duration) time.Duration { return time.Duration(r.Int64N(int64(limit))) }
	t := Timing{Second: below(time.Second), Relist: below(time.Second), Tick: below(time.Second),
		Housekeeping: below(housekeeping), TriggerFirst: r.IntN(2) == 0, Look: below(moment), Store: below(moment),
		Workers: map[string]time.Duration{}}
	for i := range s.Containers {
		c := &s.Containers[i]
		for _, kind := range pod.ProbeKinds {
			if p, ok := c.ProbeOf(kind); ok {
				t.Workers[workerName(c.Name, kind)] = below(time.Duration(p.Period()) * time.Second)
			}
		}
	}
	for range 16 {
		t.Requeue = append(t.Requeue, r.Float64())
	}
	return t
}

func workerName(container string, kind pod.ProbeKind) string { return container + "/" + kind.String() }
