package timeline

import "time"

// Kind is what an event is about.
type Kind string

// The kinds of events. Those of the pod have no container.
const (
	Created  Kind = "Created"  // of a container: its process runs
	Serves   Kind = "Serves"   // the process has booted
	Hangs    Kind = "Hangs"    // the process answers no more
	Probed   Kind = "Probed"   // a probe has answered, or was thrown away
	Started  Kind = "Started"  // as the startupProbe says, or without one as soon as it runs
	Ready    Kind = "Ready"    //
	NotReady Kind = "NotReady" //
	Killing  Kind = "Killing"  // the kubelet begins to stop the container
	PreStop  Kind = "PreStop"  // the hook has ended, or its time is over
	SigTerm  Kind = "SIGTERM"  //
	SigKill  Kind = "SIGKILL"  //
	Exited   Kind = "Exited"   //
	BackOff  Kind = "BackOff"  // the kubelet does not restart the container yet
	Deleted  Kind = "Deleted"  // of the pod: someone deletes it
	Printed  Kind = "Printed"  // kubectl get pods prints something else
	Phase    Kind = "Phase"    // the pod has another phase
	Finished Kind = "Finished" // all containers have ended for good

	InEndpoints    Kind = "InEndpoints"
	OutOfEndpoints Kind = "OutOfEndpoints"
)

// Event is one thing that happens in a life.
type Event struct {
	At        time.Duration `json:"at"` // since the kubelet saw the pod
	Kind      Kind          `json:"kind"`
	Container string        `json:"container,omitempty"`
	Restart   int           `json:"restart,omitempty"` // how many containers of the name there were before
	Probe     string        `json:"probe,omitempty"`   // livenessProbe, readinessProbe or startupProbe
	Result    string        `json:"result,omitempty"`  // Success, Failure or Error
	Began     time.Duration `json:"began,omitempty"`   // of a probe
	Grace     time.Duration `json:"grace,omitempty"`   // of a kill
	Wait      time.Duration `json:"wait,omitempty"`    // of a back-off, from the end of the container
	ExitCode  int32         `json:"exitCode,omitempty"`
	Text      string        `json:"text,omitempty"` // why a container is killed, the phase, or what kubectl prints
}

// Life is what happens to a pod in one scenario with one timing.
type Life struct {
	Scenario   Scenario    `json:"scenario"`
	Events     []Event     `json:"events"` // in the order of time
	Containers []Container `json:"containers"`
	Endpoints  []Span      `json:"endpoints"` // when the pod is in them
	Printed    []Span      `json:"printed"`   // what kubectl get pods prints: READY, STATUS and RESTARTS
	Phases     []Span      `json:"phases"`
}

// Container is one lane.
type Container struct {
	Name  string `json:"name"`
	Class string `json:"class"` // init, sidecar or app
	Spans []Span `json:"spans"`
}

// Span is how something is from one time to another.
type Span struct {
	From  time.Duration `json:"from"`
	To    time.Duration `json:"to"`
	State string        `json:"state"`
}

// States of a container: Booting until it is started, Started until it is ready, Stopping from the begin of a kill.
const (
	Waiting   = "Waiting"
	Booting   = "Booting"
	Running   = "Started"
	Serving   = "Ready"
	Stopping  = "Stopping"
	InBackOff = "BackOff"
	Completed = "Completed"
	Failed    = "Failed"
)

// spans are built by saying what is from a time on.
func extend(spans []Span, at time.Duration, state string) []Span {
	if n := len(spans); n > 0 {
		last := &spans[n-1]
		if last.State == state {
			return spans
		}
		last.To = at
		if last.From == at { // it was nothing to see
			spans = spans[:n-1]
			if n > 1 && spans[n-2].State == state {
				return spans
			}
		}
	}
	return append(spans, Span{From: at, To: -1, State: state})
}

// closeSpans ends what has no end yet.
func closeSpans(spans []Span, at time.Duration) []Span {
	if n := len(spans); n > 0 && spans[n-1].To < 0 {
		spans[n-1].To = at
	}
	return spans
}

// Of are the events of a kind in a container, in order.
func (l *Life) Of(container string, kind Kind) (found []Event) {
	for _, e := range l.Events {
		if e.Container == container && e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}
