package live

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

// Wanted are the pods of what is named, or without names all, in one namespace, or in "" in all. They are handed on one
// by one, after the events, and none is kept.
type Wanted struct {
	Names     []Named
	Namespace string
	Event     func(*corev1.Event)
	Pod       func(p *corev1.Pod, owner Owner, now time.Time)
	Past      func(owner Owner, containers map[string]*Starts, ready int64) // of pods that are gone, see Prometheus

	seen  int
	found []Named
	uids  map[string]bool
}

func (w *Wanted) take(p *corev1.Pod, now time.Time) {
	wanted := len(w.Names) == 0
	for _, name := range w.Names {
		if name.Owns(p) {
			wanted = true
			if !slices.Contains(w.found, name) {
				w.found = append(w.found, name)
			}
		}
	}
	if wanted && (w.Namespace == "" || w.Namespace == p.Namespace) {
		w.seen++
		if w.uids == nil {
			w.uids = map[string]bool{}
		}
		w.uids[string(p.UID)] = true
		kind, owner := OwnerOf(p)
		w.Pod(p, Owner{p.Namespace, kind, owner}, now)
	}
}

// missing names what was not found.
func (w *Wanted) missing(place string, problem func(stream.Problem)) {
	for _, name := range w.Names {
		if !slices.Contains(w.found, name) {
			problem(stream.Problem{File: place,
				Text: fmt.Sprintf("has no pods of %s: see kubectl get pods, and write -n for another namespace", name)})
		}
	}
	if w.seen == 0 && len(w.Names) == 0 {
		problem(stream.Problem{File: place, Text: "holds no pods that podvet could look at"})
	}
}

// FromFiles reads files, which were written when they tell of something for the last time, or later.
func (w *Wanted) FromFiles(files []string, stdin io.Reader, problem func(stream.Problem)) {
	all, failed := readAll(files, stdin, problem)
	for _, e := range all.Events {
		w.Event(e)
	}
	written := latest(all.Pods)
	for _, p := range all.Pods {
		w.take(p, written)
	}
	if !failed {
		w.missing(files[0], problem)
	}
}

// FromCluster reads a cluster by pages.
func (w *Wanted) FromCluster(ctx context.Context, c Cluster, problem func(stream.Problem)) {
	if err := c.Events(ctx, w.Namespace, w.Event); err != nil {
		problem(stream.Problem{File: "events", Text: "cannot be listed because " + console.Reason(err) +
			". What they tell of kills and stops is missing."})
	}
	now := time.Now()
	if err := c.Pods(ctx, w.Namespace, func(p *corev1.Pod) { w.take(p, now) }); err != nil {
		problem(stream.Problem{File: "pods", Text: "cannot be listed because " + console.Reason(err) +
			". Some or all of them are missing."})
		return
	}
	place := "the cluster"
	if w.Namespace != "" {
		place = "namespace " + w.Namespace
	}
	w.missing(place, problem)
}

// FromPrometheus hands on the pods that are gone.
func (w *Wanted) FromPrometheus(ctx context.Context, p Prometheus, problem func(stream.Problem)) {
	err := p.pods(ctx, w.Namespace, time.Now(), func(uid string, gone *past) {
		if !w.uids[uid] {
			w.Past(gone.owner, gone.containers, gone.ready)
		}
	})
	if err != nil {
		problem(stream.Problem{File: "Prometheus", Text: "cannot be asked because " + console.Reason(err)})
	}
}

// latest is when pods were last heard of.
func latest(pods []*corev1.Pod) (at time.Time) {
	hear := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	for _, p := range pods {
		for i := range p.Status.Conditions {
			hear(p.Status.Conditions[i].LastTransitionTime.Time)
		}
		for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
			for i := range list {
				for _, state := range []corev1.ContainerState{list[i].State, list[i].LastTerminationState} {
					if state.Running != nil {
						hear(state.Running.StartedAt.Time)
					}
					if state.Terminated != nil {
						hear(state.Terminated.FinishedAt.Time)
					}
				}
			}
		}
	}
	return at
}
