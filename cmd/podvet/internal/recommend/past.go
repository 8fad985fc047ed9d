package recommend

import "github.com/podvet/podvet/rules/pod"

// Starts are the first and the last start of a container in seconds since 1970, how often it was restarted, and how
// often probes failed, by Startup and Liveness: nil where nobody counted.
type Starts = struct {
	First, Last, Restarts int64
	Failed                map[string]int64
}

// past is a pod that is gone.
type past struct {
	containers map[string]*Starts
	ready      int64 // all containers, for the first time; 0 for never
}

// Past notes the starts of a pod that is gone, whose containers were all Ready at a time. It is left out where its
// owner has no pod now: then nobody knows the probes.
func (c *Collector) Past(owner Owner, containers map[string]*Starts, ready int64) {
	w := c.owners[owner]
	if w == nil {
		return
	}
	p := past{containers, ready}
	for i := range w.subject.Containers {
		container := &w.subject.Containers[i]
		k, tells := clockOf(w.subject, container)
		starts, known := p.containers[container.Name]
		if !tells || !known || !container.LongRunning || starts.First == 0 {
			continue
		}
		w.of(container.Name).remember(k, k.grace(w.subject), *starts, p, container.Name)
	}
}

// remember notes what is sure: the start after which the pod was Ready for the first time, and before it the one that
// was killed.
func (s *seen) remember(k clock, grace int64, starts Starts, p past, name string) {
	start := starts.Last
	counted, each := killedEach(k, starts)
	if each && (p.ready == 0 || p.ready >= starts.Last) {
		for range min(starts.Restarts, mostKills) {
			s.kills = append(s.kills, kill{Span: Span{k.kills.Guaranteed() - 1, unseen}, probe: k.kills.Kind,
				asks: k.asks()})
		}
	}
	switch {
	case p.ready == 0:
		return // how long it lived is not known
	case p.ready < starts.Last && starts.Restarts > 1:
		return // nor after which start it was Ready
	case p.ready < starts.Last:
		start = starts.First
	}
	if lived := starts.Last - starts.First; !counted && start == starts.Last && starts.Restarts == 1 && k.killed &&
		k.kills.Guaranteed()-1 <= lived && lived <= k.kills.Worst()+rounding+grace+quickStop {
		span := Span{min(lived, k.kills.Guaranteed()), unseen}
		s.kills = append(s.kills, kill{Span: span, probe: k.kills.Kind, asks: k.asks()})
	}
	for other, at := range p.containers {
		if other != name && at.Last > start && (at.Restarts > 0 || p.ready-at.Last < rounding) {
			s.together++
			return
		}
	}
	seconds := p.ready - start
	if seconds < 0 || seconds > k.mostSeconds() {
		s.again++
		return
	}
	s.note(k, spanOf(seconds, k.lag), k.killed && k.kills.Kind == pod.Startup)
}

// mostKills bounds how much one pod counts.
const mostKills = 10

// killedEach tells whether the kubelet counted the failures of the probe that kills boots, and whether these are enough
// to have ended each start but the last. Without any the metric is not there.
func killedEach(k clock, starts Starts) (counted, each bool) {
	if !k.killed || starts.Failed == nil {
		return false, false
	}
	failed := starts.Failed["Liveness"]
	if k.kills.Kind == pod.Startup {
		failed = starts.Failed["Startup"]
	}
	return true, starts.Restarts > 0 && failed >= k.kills.Failures()*starts.Restarts
}
