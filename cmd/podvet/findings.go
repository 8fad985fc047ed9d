package main

import (
	"bytes"
	"compress/flate"
	"encoding/gob"
	"errors"
	"hash/maphash"
	"io"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
)

// findings keeps what was judged until all of the input is read, for an object's owner may come after it. They
// are kept packed: the same words come again and again, so that little is held however long the input is.
type findings struct {
	packed  bytes.Buffer
	zip     *flate.Writer
	encoder *gob.Encoder

	summary report.Summary // of what has no owner
	seed    maphash.Seed
	present map[uint64]struct{} // hashes of all objects' refs
	owned   []owned             // in the order of the input
}

// owned is a subject that is passed over when one of its owners is present.
type owned struct {
	owners  []uint64
	summary report.Summary
}

// packedSubject is one record.
type packedSubject struct {
	Owned   bool
	Subject *report.Subject
}

func newFindings() *findings {
	f := &findings{seed: maphash.MakeSeed(), present: map[uint64]struct{}{}}
	f.zip, _ = flate.NewWriter(&f.packed, flate.BestSpeed) // the level is one
	f.encoder = gob.NewEncoder(f.zip)
	return f
}

func (f *findings) add(one item) {
	if one.self.kind == "" {
		return
	}
	f.present[maphash.Comparable(f.seed, one.self)] = struct{}{}
	if one.subject == nil {
		f.summary.PassedOver++
		return
	}
	if err := f.encoder.Encode(packedSubject{len(one.owners) > 0, one.subject}); err != nil {
		panic(err) // a buffer takes all, and the types are known
	}
	if len(one.owners) == 0 {
		f.summary.Count(one.subject)
		return
	}
	held := owned{}
	held.summary.Count(one.subject)
	for _, owner := range one.owners {
		held.owners = append(held.owners, maphash.Comparable(f.seed, owner))
	}
	f.owned = append(f.owned, held)
}

// report is about all of the input. Nothing can be added after it.
func (f *findings) report() *report.Report {
	if err := f.zip.Close(); err != nil {
		panic(err)
	}
	kept := make([]bool, len(f.owned))
	for i, one := range f.owned {
		kept[i] = !f.anyPresent(one.owners)
		if kept[i] {
			f.summary.Add(one.summary)
		} else {
			f.summary.PassedOver++
		}
	}
	return &report.Report{Summary: f.summary, Subjects: func(yield func(*report.Subject) bool) {
		decoder, next := gob.NewDecoder(flate.NewReader(bytes.NewReader(f.packed.Bytes()))), 0
		for {
			var one packedSubject
			switch err := decoder.Decode(&one); {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				panic(err) // add wrote it
			}
			if one.Owned {
				if next++; !kept[next-1] {
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

func (f *findings) anyPresent(owners []uint64) bool {
	for _, owner := range owners {
		if _, ok := f.present[owner]; ok {
			return true
		}
	}
	return false
}

// notNil: an empty list comes back as none, which JSON would write as null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
