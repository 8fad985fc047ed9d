package main

import (
	"bytes"
	"compress/flate"
	"encoding/gob"
	"errors"
	"hash/maphash"
	"io"
	"iter"
	"slices"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
)

// findings keeps what was judged until all of the input is read, for an object's owner may come after it.
type findings struct {
	subjects *packed[packedSubject]
	problems *packed[report.Problem]

	notes []report.Problem // each text once

	summary report.Summary // of what has no owner
	seed    maphash.Seed
	judged  map[uint64]int32 // by the hashes of their refs: places in owned, noOwner for what has none
	owned   []owned          // in the order of the input
}

const noOwner = -1

// owned is a subject that is passed over when one of its owners is judged.
type owned struct {
	owners            [2]uint64 // 0 for none
	deny, warn, audit int32
	fate              fate
}

type fate uint8

const (
	unknown fate = iota
	asked        // while its owners are looked at
	kept         // judged itself
	folded       // into an owner that is judged, or folded itself
)

// packedSubject is one record.
type packedSubject struct {
	Owned   bool
	Subject *report.Subject
}

func newFindings() *findings {
	return &findings{subjects: newPacked[packedSubject](), problems: newPacked[report.Problem](), seed: maphash.MakeSeed(), judged: map[uint64]int32{}}
}

func (f *findings) add(one item) {
	for _, p := range one.problems {
		f.problems.add(report.Problem{File: p.File, Line: p.Line, Text: p.Text})
	}
	for _, n := range one.notes {
		f.note(report.Problem{File: n.File, Line: n.Line, Text: n.Text})
	}
	switch {
	case !one.counted:
		return
	case one.subject == nil:
		f.summary.PassedOver++
		return
	}
	f.subjects.add(packedSubject{len(one.owners) > 0, one.subject})
	self := maphash.Comparable(f.seed, one.self)
	if len(one.owners) == 0 {
		f.judged[self] = noOwner
		f.summary.Count(one.subject)
		return
	}
	if _, twice := f.judged[self]; !twice {
		f.judged[self] = int32(len(f.owned))
	}
	var count report.Summary
	count.Count(one.subject)
	held := owned{deny: int32(count.Deny), warn: int32(count.Warn), audit: int32(count.Audit)}
	for i, owner := range one.owners {
		held.owners[i] = maphash.Comparable(f.seed, owner)
	}
	f.owned = append(f.owned, held)
}

// maxNotes bounds what is said beside the findings.
const maxNotes = 20

func (f *findings) note(n report.Problem) {
	if len(f.notes) < maxNotes && !slices.ContainsFunc(f.notes, func(other report.Problem) bool { return other.Text == n.Text }) {
		f.notes = append(f.notes, n)
	}
}

// settle decides whether an owned subject is judged itself. Only an owner that is judged itself or folded into one
// that is counts: of those that own each other in a circle the one is kept that closes it.
func (f *findings) settle(i int32) fate {
	one := &f.owned[i]
	if one.fate != unknown {
		return one.fate
	}
	one.fate = asked
	end := kept
	for _, owner := range one.owners {
		if at, ok := f.judged[owner]; ok && (at == noOwner || f.settle(at) != asked) {
			end = folded
		}
	}
	one.fate = end
	return end
}

// report is about all of the input. Nothing can be added after it.
func (f *findings) report() *report.Report {
	for i := range f.owned {
		if f.settle(int32(i)) == folded {
			f.summary.PassedOver++
			continue
		}
		one := f.owned[i]
		f.summary.Add(report.Summary{Subjects: 1, Deny: int(one.deny), Warn: int(one.warn), Audit: int(one.audit)})
	}
	subjects := f.subjects.all()
	return &report.Report{Summary: f.summary, Problems: f.problems.all(), Notes: f.notes, Subjects: func(yield func(*report.Subject) bool) {
		next := 0
		for one := range subjects {
			if one.Owned {
				if next++; f.owned[next-1].fate == folded {
					continue
				}
			}
			one.Subject.Findings = notNil(one.Subject.Findings)
			one.Subject.Fixed = notNil(one.Subject.Fixed)
			if !yield(one.Subject) {
				return
			}
		}
	}}
}

// packed is a list that is kept packed: the same words come again and again, so that little is held however long the
// input is.
type packed[T any] struct {
	buffer  bytes.Buffer
	zip     *flate.Writer
	encoder *gob.Encoder
}

func newPacked[T any]() *packed[T] {
	p := &packed[T]{}
	p.zip, _ = flate.NewWriter(&p.buffer, flate.BestSpeed) // the level is one
	p.encoder = gob.NewEncoder(p.zip)
	return p
}

func (p *packed[T]) add(one T) {
	if err := p.encoder.Encode(one); err != nil {
		panic(err) // a buffer takes all, and the types are known
	}
}

// all is the list, to be read as often as is asked. It ends the adding.
func (p *packed[T]) all() iter.Seq[T] {
	if err := p.zip.Close(); err != nil {
		panic(err)
	}
	p.zip, p.encoder = nil, nil
	return func(yield func(T) bool) {
		for decoder := gob.NewDecoder(flate.NewReader(bytes.NewReader(p.buffer.Bytes()))); ; {
			var one T
			switch err := decoder.Decode(&one); {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				panic(err) // add wrote it
			}
			if !yield(one) {
				return
			}
		}
	}
}

// notNil: an empty list comes back as none, which JSON would write as null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
