package recommend

// Past is a pod that is gone, as somebody remembers it, with times in seconds since 1970.
type Past struct {
	Owner      Owner
	Containers map[string]PastStarts
	Ready      int64 // all containers, for the first time; 0 for never
}

// PastStarts are the first and the last start of a container, and how often it was restarted.
type PastStarts struct{ First, Last, Restarts int64 }

// Past notes the starts of a pod that is gone, and tells whether its owner has a pod now: without one nobody knows the
// probes.
func (c *Collector) Past(p Past) bool {
	w := c.owners[p.Owner]
	if w == nil {
		return false
	}
	for i := range w.subject.Containers {
		container := &w.subject.Containers[i]
		k, tells := clockOf(w.subject, container)
		starts, known := p.Containers[container.Name]
		if !tells || !known || !container.LongRunning || starts.First == 0 {
			continue
		}
		w.of(container.Name).remember(k, w.subject.Grace(), starts, p, container.Name)
	}
	return true
}

// remember notes what is sure: the start after which the pod was Ready for the first time, and before it the one that
// was killed.
func (s *seen) remember(k clock, grace int64, starts PastStarts, p Past, name string) {
	start := starts.Last
	switch {
	case p.Ready == 0:
		return // how long it lived is not known
	case p.Ready < starts.Last && starts.Restarts > 1:
		return // nor after which start it was Ready
	case p.Ready < starts.Last:
		start = starts.First
	}
	if lived := starts.Last - starts.First; start == starts.Last && starts.Restarts == 1 && k.killed &&
		k.kills.Guaranteed()-1 <= lived && lived <= k.kills.Worst()+rounding+grace+quickStop {
		s.spans = append(s.spans, Span{min(lived, k.kills.Guaranteed()), unseen})
	}
	for other, at := range p.Containers {
		if other != name && at.Last > start && (at.Restarts > 0 || p.Ready-at.Last < rounding) {
			s.together++
			return
		}
	}
	seconds := p.Ready - start
	if seconds < 0 || seconds > k.mostSeconds() {
		s.again++
		return
	}
	s.spans = append(s.spans, spanOf(seconds, k.lag))
}
