package vet

import "github.com/podvet/podvet/cmd/podvet/internal/report"

// tally counts what is left out.
type tally struct {
	Skipped []report.Skipped       // in the order of the input
	places  map[report.Skipped]int // among them, by kind, group and reason
}

// Skip counts one that is left out.
func (t *tally) Skip(kind, group, reason string) {
	t.count(report.Skipped{Kind: kind, Group: group, Reason: report.Counted(reason), Count: 1})
}

func (t *tally) count(s report.Skipped) {
	key := s
	key.Count = 0
	place, known := t.places[key]
	if !known {
		if t.places == nil {
			t.places = map[report.Skipped]int{}
		}
		place = len(t.Skipped)
		t.places[key] = place
		t.Skipped = append(t.Skipped, key)
	}
	t.Skipped[place].Count += s.Count
}
