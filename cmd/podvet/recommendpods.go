package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/live"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/recommend"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/webhook/budget"
)

// starts are those of the pods that are named, or of all.
type starts struct {
	*recommend.Collector
	names []live.Named
	found map[live.Named]bool
	pods  int
}

// take notes the starts of a pod if it is one of those named.
func (s *starts) take(p *corev1.Pod, now time.Time) {
	wanted := len(s.names) == 0
	for _, name := range s.names {
		if name.Owns(p) {
			wanted, s.found[name] = true, true
		}
	}
	if wanted {
		s.pods++
		kind, name := live.OwnerOf(p)
		s.Pod(p, recommend.Owner{Namespace: p.Namespace, Kind: kind, Name: name}, now)
	}
}

// missing names what was not found.
func (s *starts) missing(problem func(manifest.Problem)) {
	for _, name := range s.names {
		if !s.found[name] {
			problem(manifest.Problem{File: name.String(),
				Text: "has no pods here: see kubectl get pods, and write -n for another namespace"})
		}
	}
	if s.pods == 0 && len(s.names) == 0 {
		problem(manifest.Problem{File: "the input", Text: "holds no pods: write what kubectl get pods -o json prints"})
	}
}

// readFiles reads all files at once: an event may come after its pod.
func (s *starts) readFiles(cmd *cobra.Command, files []string, namespace string, problem func(manifest.Problem)) {
	var all live.Objects
	for _, file := range files {
		r := cmd.InOrStdin()
		if file != input.Stdin {
			open, err := os.Open(file)
			if err != nil {
				problem(stream.Unreadable(file, 0, err))
				continue
			}
			defer func() { _ = open.Close() }() // it was only read
			r = open
		}
		live.Read(input.NameOf(file), r, &all, problem)
	}
	for _, e := range all.Events {
		s.Event(e)
	}
	written := recommend.Latest(all.Pods)
	for _, p := range all.Pods {
		if namespace == "" || p.Namespace == namespace {
			s.take(p, written)
		}
	}
}

// readCluster reads a cluster by pages and keeps no pod.
func (f *recommendFlags) readCluster(cmd *cobra.Command, s *starts, problem func(manifest.Problem)) error {
	budget.Memory() // in a pod there is a limit
	reach, stop := context.WithTimeout(cmd.Context(), reachTimeout)
	defer stop()
	connected, err := f.Connect(reach, "podvet-recommend/"+version())
	if err != nil {
		return err
	}
	namespace := f.namespace
	if namespace == "" && !f.cluster {
		namespace = corev1.NamespaceDefault
	}
	tell, done := console.Progress(cmd.ErrOrStderr())
	defer done()
	cluster := live.Cluster{Client: connected.Client}
	counted := tell("of events read")
	if err := cluster.Events(cmd.Context(), namespace, func(e *corev1.Event) { counted(); s.Event(e) }); err != nil {
		problem(manifest.Problem{File: "events", Text: "cannot be listed because " + console.Reason(err) +
			". Boots that were killed count once, and stops are missing."})
	}
	counted = tell("of pods read")
	now := time.Now()
	if err := cluster.Pods(cmd.Context(), namespace, func(p *corev1.Pod) { counted(); s.take(p, now) }); err != nil {
		return fmt.Errorf("pods cannot be listed because %s", console.Reason(err))
	}
	return nil
}
