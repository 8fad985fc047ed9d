package vet

import (
	"cmp"
	"iter"
	"slices"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
)

// family is an owner that is judged itself, with all that is folded into it.
type family struct {
	own   map[uint64][]*mark // by what they are about: the owner's, and those of what it makes but for pods
	pods  map[uint64]bool    // what is told of the pods beside that, and whether as a denial
	first *owned             // of the pods of which something is told
}

// fold leaves of the subjects that are folded what is not told of their owner already, nor of others of that owner. Its
// pods come last.
func (o *outcomes) fold() {
	families := map[int32]*family{} // by the owners
	for _, pods := range []bool{false, true} {
		for i := range o.owned {
			one := &o.owned[i]
			if one.fate != folded || (one.kind == "Pod") != pods {
				continue
			}
			if !one.adds {
				one.marks = nil
				continue
			}
			top := o.top(one.into)
			f := families[top]
			if f == nil {
				f = &family{map[uint64][]*mark{}, map[uint64]bool{}, nil}
				f.add(o.marks(top))
				families[top] = f
			}
			if pods {
				f.pod(one)
			} else {
				f.made(one)
			}
		}
	}
}

func (f *family) add(marks []mark) {
	for i := range marks {
		m := &marks[i]
		f.own[m.about] = append(f.own[m.about], m)
	}
}

// made leaves of what the owner makes, but for pods, what the owner does not have.
func (f *family) made(one *owned) {
	var left []mark
	for _, m := range one.marks {
		if f.own[m.about] == nil {
			left = append(left, m)
		}
	}
	if one.marks = left; left != nil {
		f.add(left)
		one.fate = partly
	}
}

// pod leaves of a pod what is told neither of its owner nor of another pod. Findings about custom resources warn at
// most: of one for which a pod is refused is known more.
func (f *family) pod(one *owned) {
	var left []mark
	more := false
	for _, m := range one.marks {
		if f.has(m) {
			continue
		}
		more = true
		if denied, known := f.pods[m.about]; !known || m.denied() && !denied {
			left = append(left, m)
		}
	}
	for _, m := range left {
		f.pods[m.about] = f.pods[m.about] || m.denied()
	}
	one.marks = left
	if left != nil {
		one.fate, f.first = partly, cmp.Or(f.first, one)
	} else if more {
		f.first.more++
	}
}

// has tells whether the owner has what is said of a pod. Its warning is as grave as that.
func (f *family) has(m mark) bool {
	own := f.own[m.about]
	if own == nil || !m.denied() || slices.ContainsFunc(own, func(o *mark) bool { return o.denied() }) {
		return own != nil
	}
	raised := false
	for _, o := range own {
		if o.level == rules.Warn && !o.fixed {
			o.level, o.inEnforce, o.refuses, o.raised, raised = m.level, m.inEnforce, m.refuses, true, true
		}
	}
	return raised
}

// owner is one that a person edits.
type owner struct{ apiVersion, kind, name string }

// ownersOfPods are those of pods of which something is told, by their places.
func (o *outcomes) ownersOfPods(records iter.Seq[record]) map[int32]owner {
	owners := map[int32]owner{}
	for i := range o.owned {
		if one := &o.owned[i]; one.fate == partly && one.kind == "Pod" {
			owners[o.top(one.into)] = owner{}
		}
	}
	if len(owners) == 0 {
		return nil
	}
	for e, at := range o.places(records) {
		if _, wanted := owners[at]; wanted && e.Subject != nil {
			owners[at] = owner{e.Subject.APIVersion, e.Subject.Kind, e.Subject.Name}
		}
	}
	return owners
}

// places are the entries of the records, each with the place of its subject, as judged has it.
func (o *outcomes) places(records iter.Seq[record]) iter.Seq2[report.Entry, int32] {
	return func(yield func(report.Entry, int32) bool) {
		owned, heads := int32(0), int32(0)
		for r := range records {
			at := owned
			switch {
			case r.Owned:
				owned++
			case r.Entry.Subject != nil:
				heads++
				at = -heads
			}
			if !yield(r.Entry, at) {
				return
			}
		}
	}
}

// top is the owner at the top of those that are folded.
func (o *outcomes) top(at int32) int32 {
	for at >= 0 && o.owned[at].fate != kept {
		at = o.owned[at].into
	}
	return at
}

func (o *outcomes) marks(at int32) []mark {
	if at < 0 {
		if own := o.heads[-at-1]; own != nil {
			return own.marks
		}
		return nil
	}
	return o.owned[at].marks
}

// keepMarked leaves in a subject the findings that have one of the marks, as grave as these are.
func (o *outcomes) keepMarked(s *report.Subject, left []mark) {
	all := marksOf(o.seed, s)
	findings, fixed := s.Findings, s.Fixed
	s.Findings, s.Fixed, s.DeniedInEnforce = nil, nil, 0
	for i, m := range all {
		at := slices.IndexFunc(left, func(l mark) bool { return l.of(m) })
		switch {
		case at < 0:
		case m.fixed:
			s.Fixed = append(s.Fixed, fixed[i-len(findings)])
		default:
			f, l := findings[i], left[at]
			f.Level, f.DeniedInEnforce, f.RefusesPods = l.level, l.inEnforce, l.refuses
			s.Findings = append(s.Findings, f)
			if l.inEnforce {
				s.DeniedInEnforce++
			}
		}
	}
}
