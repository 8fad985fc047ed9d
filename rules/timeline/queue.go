package timeline

import (
	"slices"
	"time"
)

// queue holds what will happen, in the order of time and, at one time, in the order in which it was put in.
type queue struct {
	now     time.Duration // since the kubelet saw the pod
	entries []entry
}

type entry struct {
	at time.Duration
	do func()
}

// at lets something happen at a time that is not past.
func (q *queue) at(when time.Duration, do func()) {
	next := entry{max(when, q.now), do}
	i, _ := slices.BinarySearchFunc(q.entries, next.at+1, func(e entry, at time.Duration) int { return int(e.at - at) })
	q.entries = slices.Insert(q.entries, i, next)
}

// run lets things happen until a time, or until nothing is left.
func (q *queue) run(until time.Duration) {
	for len(q.entries) > 0 && q.entries[0].at <= until {
		next := q.entries[0]
		q.entries = slices.Delete(q.entries, 0, 1)
		q.now = next.at
		next.do()
	}
	q.now = until
}

// seconds are at most a hundred years, which no simulation reaches: numbers in a pod can be larger than a Duration.
func seconds(n int64) time.Duration { return time.Duration(min(n, 100*365*24*3600)) * time.Second }
