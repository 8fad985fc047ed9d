package vet

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

func newOutcomes(named func(manifest.Problem)) *outcomes {
	return &outcomes{records: stream.NewPacked[record](), named: named, oneLine: map[string]bool{},
		seed: maphash.MakeSeed(), judged: map[uint64]int32{}, through: map[uint64]uint64{}}
}

func (o *outcomes) add(one outcome) {
	if one.oneLine != "" {
		o.oneLine[one.oneLine] = true
	}
	if one.skipped != nil {
		o.skip(one.skipped.Kind, one.skipped.Group, one.skipped.Reason)
		if len(one.owners) > 0 {
			o.through[maphash.Comparable(o.seed, one.self)] = maphash.Comparable(o.seed, one.owners[0])
		}
		if o.named != nil {
			o.records.Add(record{Skipped: one.skipped})
		}
	}
	entry := report.Entry{Subject: one.subject, Object: one.object}
	for _, p := range one.problems {
		entry.Invalid = append(entry.Invalid, report.Problem{File: p.File, Line: p.Line, Message: p.Text})
	}
	if one.subject == nil && entry.Invalid == nil {
		return
	}
	if one.object == "" && one.subject == nil && slices.Equal(entry.Invalid, o.last) {
		return // on one line there may be many of which there is the same to say
	}
	o.last = entry.Invalid
	if len(entry.Invalid) > 0 {
		o.summary.Invalid++ // an object or a file, however much is wrong with it
	}
	o.records.Add(record{Owned: len(one.owners) > 0, Entry: entry})
	if one.subject != nil {
		o.addSubject(one)
	}
}

func (o *outcomes) addSubject(one outcome) {
	for _, n := range one.notes {
		o.note(n)
	}
	self := maphash.Comparable(o.seed, one.self)
	marks := marksOf(o.seed, one.subject)
	if len(one.owners) == 0 {
		var own *head
		if len(marks) > 0 && one.subject.Kind != "Pod" {
			own = &head{marks, one.subject.Capped}
		} else {
			o.summary.Count(one.subject)
		}
		o.heads = append(o.heads, own)
		o.judged[self] = -int32(len(o.heads))
		return
	}
	if _, twice := o.judged[self]; !twice {
		o.judged[self] = int32(len(o.owned))
	}
	held := owned{kind: one.subject.Kind, marks: marks, adds: one.adds, capped: one.subject.Capped,
		replica: one.subject.Kind == "Pod" && len(one.owners) == 2 && one.owners[1].kind == "Deployment"}
	if held.replica {
		o.replicasIn = cmp.Or(o.replicasIn, one.subject.File)
	}
	for i, owner := range one.owners {
		held.owners[i] = maphash.Comparable(o.seed, owner)
	}
	o.owned = append(o.owned, held)
}

// skip counts what is skipped.
func (o *outcomes) skip(kind, group, reason string) {
	o.summary.PassedOver++
	o.Skip(kind, group, reason)
}

// maxNotes bounds what is said beside the findings.
const maxNotes = 20

func (o *outcomes) note(n report.Problem) {
	said := func(other report.Problem) bool { return other.Message == n.Message }
	if len(o.notes) < maxNotes && !slices.ContainsFunc(o.notes, said) {
		o.notes = append(o.notes, n)
	}
}

// find is what is known of an object that is judged, or of the closest one above one that is not.
func (o *outcomes) find(object uint64) (at int32, found bool) {
	for range 10 { // they may own each other
		if at, found = o.judged[object]; found {
			return at, true
		}
		object = o.through[object]
	}
	return 0, false
}

// settle decides whether an owned subject is judged itself. Only an owner that is judged itself or folded into one
// that is counts: of those that own each other in a circle the one is kept that closes it.
func (o *outcomes) settle(i int32) fate {
	one := &o.owned[i]
	if one.fate != unknown {
		return one.fate
	}
	one.fate = asked
	end := kept
	for _, owner := range one.owners {
		if at, ok := o.find(owner); ok && (at < 0 || o.settle(at) != asked) {
			end, one.into = folded, at
			break
		}
	}
	one.fate = end
	return end
}

// report is about all of the input. Nothing can be added after it.
func (o *outcomes) report() *report.Report {
	for i := range o.owned {
		o.settle(int32(i))
	}
	o.fold()
	for _, one := range o.heads {
		if one != nil {
			o.summary.Add(counted(one.marks, one.capped))
		}
	}
	for _, one := range o.owned {
		if one.fate == folded {
			o.skip(one.kind, "", report.JudgedWithOwner)
		} else {
			o.summary.Add(counted(one.marks, one.capped))
		}
	}
	for i, n := range o.notes {
		if o.oneLine[n.File] {
			o.notes[i].Line = 0
		}
	}
	counted := o.oneByOne()
	if counted != "" {
		o.notes = append(o.notes, report.Problem{File: o.replicasIn, Message: counted})
	}
	records := o.records.All()
	owners := o.ownersOfPods(records)
	if o.named != nil {
		o.nameSkipped(records)
	}
	return &report.Report{Summary: o.summary, Notes: o.notes, OneByOne: counted, Skipped: o.Skipped,
		Entries: o.entries(records, owners)}
}

// oneByOne says how many pods of Deployments with several are counted each, because nothing that owns them is judged;
// "" for none.
func (o *outcomes) oneByOne() string {
	pods, all, deployments := map[uint64]int{}, 0, 0
	for _, one := range o.owned {
		if one.replica && one.fate == kept {
			pods[one.owners[1]]++
		}
	}
	for _, n := range pods {
		if n > 1 {
			all += n
			deployments++
		}
	}
	switch deployments {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%d pods of one Deployment count one by one, because the input lacks its ReplicaSet: "+
			"add rs to kubectl get", all)
	}
	return fmt.Sprintf("%d pods of %d Deployments count one by one, because the input lacks their ReplicaSets: "+
		"add rs to kubectl get", all, deployments)
}

// nameSkipped names all that is skipped, in the order of the input.
func (o *outcomes) nameSkipped(records iter.Seq[record]) {
	next := 0
	for r := range records {
		if r.Owned {
			if next++; o.owned[next-1].fate == folded {
				s := r.Entry.Subject
				r.Skipped = &skipped{s.File, s.Line, "", s.Kind, s.Name, report.JudgedWithOwner}
			}
		}
		if s := r.Skipped; s != nil {
			if o.oneLine[s.File] {
				s.Line = 0
			}
			o.named(manifest.Problem{File: s.File, Line: s.Line, Text: s.String()})
		}
	}
}

// entries are what is left of the records, in the order of the input, with the owners of pods as a person names them.
func (o *outcomes) entries(records iter.Seq[record], owners map[int32]owner) iter.Seq[report.Entry] {
	return func(yield func(report.Entry) bool) {
		for e, at := range o.places(records) {
			if e.Subject != nil {
				o.finish(&e, at, owners)
			}
			if e.Subject == nil && e.Invalid == nil {
				continue
			}
			o.forgetLines(e)
			if !yield(e) {
				return
			}
		}
	}
}

// finish leaves of a subject what is told of it.
func (o *outcomes) finish(e *report.Entry, at int32, owners map[int32]owner) {
	if at >= 0 {
		switch one := o.owned[at]; one.fate {
		case folded:
			e.Object, e.Subject = e.Subject.Kind+" "+e.Subject.Name, nil
			return
		case partly:
			e.Subject.More = int(one.more)
			if of, isPod := owners[o.top(at)]; isPod && one.kind == "Pod" {
				e.Subject.Owner, e.Subject.OwnerAPIVersion = of.kind+"/"+of.name, of.apiVersion
			}
		}
	}
	if marks := o.marks(at); marks != nil {
		o.keepMarked(e.Subject, marks)
	}
	e.Subject.Findings, e.Subject.Fixed = notNil(e.Subject.Findings), notNil(e.Subject.Fixed)
}

// forgetLines: of a text that is all on one line the number says nothing.
func (o *outcomes) forgetLines(e report.Entry) {
	for i := range e.Invalid {
		if o.oneLine[e.Invalid[i].File] {
			e.Invalid[i].Line = 0
		}
	}
	if s := e.Subject; s != nil && o.oneLine[s.File] {
		s.Line = 0
		for i := range s.Findings {
			s.Findings[i].Line = 0
		}
		for i := range s.Fixed {
			s.Fixed[i].Line = 0
		}
	}
}

// notNil: an empty list comes back from stream.Packed as none, which JSON would write as null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
