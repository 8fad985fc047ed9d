package timeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/podvet/podvet/rules/pod"
)

// draws is how many lives are drawn to see what can happen, fewer of a large pod: most bounds the events of all.
const draws, fewest, most = 100, 20, 2_000_000

// Moment is an event of a life, with when it comes in others.
type Moment struct {
	Event
	Earliest, Latest time.Duration
	Lives            int // of all that were drawn
}

// Possible is a life, and what else can come of the same scenario.
type Possible struct {
	*Life
	Moments []Moment         // the events of the life but its probes
	Draws   int              // how many lives were drawn
	Killed  int              // in how many of the lives that were drawn a probe kills a container
	Lived   map[string]Lived // of containers that a probe kills, by name
}

// Lived is how long a container ran before a probe killed it, and in how many of the lives that were drawn one did.
type Lived struct {
	Range
	Lives int
}

// Range is from the lowest of some times to the highest.
type Range struct{ From, To time.Duration }

// Around is the life with a timing, among many that are drawn.
func Around(s *pod.Subject, scenario Scenario, timing Timing) *Possible {
	p := &Possible{Life: Simulate(s, scenario, timing), Lived: map[string]Lived{}}
	at := map[Event]int{} // of each moment, by its key
	number(p.Life, func(key, e Event) {
		at[key] = len(p.Moments)
		p.Moments = append(p.Moments, Moment{Event: e, Earliest: e.At, Latest: e.At})
	})
	p.Draws = min(draws, max(fewest, most/(len(p.Events)+1)))
	for seed := range uint64(p.Draws) {
		life := Simulate(s, scenario, Drawn(s, seed+1))
		number(life, func(key, e Event) {
			if i, ok := at[key]; ok {
				m := &p.Moments[i]
				m.Earliest, m.Latest = min(m.Earliest, e.At), max(m.Latest, e.At)
				m.Lives++
			}
		})
		p.kills(life)
	}
	return p
}

// number calls with each event but probes and what kubectl prints, and a key that it shares with the same event of
// other lives: how many of its kind there were before.
func number(life *Life, call func(key, e Event)) {
	before := map[Event]int{}
	for _, e := range life.Events {
		if e.Kind == Probed || e.Kind == Printed {
			continue
		}
		key := Event{Kind: e.Kind, Container: e.Container, Text: e.Text, Wait: e.Wait}
		before[key]++
		key.Restart = before[key]
		call(key, e)
	}
}

func (p *Possible) kills(life *Life) {
	killed := false
	for _, c := range life.Containers {
		created := life.Of(c.Name, Created)
		first := true
		for _, kill := range life.Of(c.Name, Killing) {
			if !kill.ByProbe() {
				continue
			}
			lived := kill.At - created[kill.Restart].At
			all := cmp.Or(p.Lived[c.Name], Lived{Range: Range{lived, lived}})
			all.From, all.To = min(all.From, lived), max(all.To, lived)
			all.Lives += boolInt(first)
			p.Lived[c.Name] = all
			killed, first = true, false
		}
	}
	p.Killed += boolInt(killed)
}

// ByProbe tells whether a kill is one because a probe has failed.
func (e *Event) ByProbe() bool {
	return e.Kind == Killing && slices.ContainsFunc(pod.ProbeKinds[:], func(kind pod.ProbeKind) bool {
		return kind.String() == e.Text
	})
}

// Middle is a timing in the middle of what can be.
func Middle(s *pod.Subject) Timing {
	t := Timing{Second: time.Second / 2, Relist: time.Second / 2, Tick: 3 * time.Second / 4, Look: moment,
		Workers: map[string]time.Duration{}, Requeue: []float64{0.5}}
	for i := range s.Containers {
		for _, kind := range pod.ProbeKinds {
			if p, ok := s.Containers[i].ProbeOf(kind); ok {
				t.Workers[workerName(s.Containers[i].Name, kind)] = seconds(p.Period()) / 2
			}
		}
	}
	return t
}
