package why

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// Seen is what podvet has of a pod.
type Seen struct {
	Pod    *corev1.Pod
	Events []*corev1.Event // about it
	Now    time.Time
}

// told is what events of one kind tell: the API server keeps one for many with the same words.
type told struct {
	count       int32
	first, last time.Time
	reason      string
	message     string // the last one's
}

// combined begins the message of events that differ only a little (k8s.io/client-go/tools/record/events_cache.go).
const combined = "(combined from similar events): "

// tell adds up events by their reason, and by what their message holds.
func tell(events []*corev1.Event, reason string, holds ...string) told {
	sum := told{reason: reason}
	for _, e := range events {
		message := strings.TrimPrefix(e.Message, combined)
		has := func(text string) bool { return strings.Contains(message, text) }
		if e.Reason != reason || len(holds) > 0 && !slices.ContainsFunc(holds, has) {
			continue
		}
		count, first, last := e.Count, e.FirstTimestamp.Time, e.LastTimestamp.Time
		if e.Series != nil {
			count, last = e.Series.Count, e.Series.LastObservedTime.Time
		}
		if first.IsZero() {
			first = e.EventTime.Time
		}
		if last.IsZero() {
			last = first
		}
		sum.count = int32(min(int64(sum.count)+int64(max(count, 1)), math.MaxInt32))
		if sum.first.IsZero() || first.Before(sum.first) {
			sum.first = first
		}
		if !last.Before(sum.last) {
			sum.last, sum.message = last, message
		}
	}
	return sum
}

// String is the events as evidence.
func (t told) String() string {
	text := fmt.Sprintf("event %s, %s", t.reason, times(t.count))
	if t.count == 1 || clock(t.first) == clock(t.last) {
		text += ", at " + clock(t.last)
	} else {
		text += ", from " + clock(t.first) + " to " + until(t.first, t.last)
	}
	return text + ": " + console.OneLine(t.message)
}

// of are the events about a container, by the field of the pod that they name: spec.containers{app}.
func eventsOf(events []*corev1.Event, container string) []*corev1.Event {
	var own []*corev1.Event
	for _, e := range events {
		if strings.HasSuffix(e.InvolvedObject.FieldPath, "{"+container+"}") {
			own = append(own, e)
		}
	}
	return own
}

// condition is a condition of the pod, the zero one where it has none.
func condition(p *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// statusText is the words of a condition, or its reason where it has none.
func statusText(c corev1.PodCondition) string { return cmp.Or(c.Message, c.Reason) }
