package vet

import (
	"hash/maphash"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

// outcome is what came of one document: a judged subject, something that is skipped, or problems, or the first and the
// last. Or it tells that a file is all on one line.
type outcome struct {
	self     ref
	owners   []ref // of a controlled object, see ownersOf
	adds     bool  // it may have findings of its own beside theirs
	subject  *report.Subject
	skipped  *skipped
	object   string // the name of one that is invalid
	problems []manifest.Problem
	notes    []report.Problem // that stand in nobody's way
	oneLine  string           // a file
}

// skipped is an object, a document or a file that is not judged.
type skipped struct {
	File                      string
	Line                      int // 0 for a file
	Group, Kind, Name, Reason string
}

func (s skipped) String() string {
	if s.Kind == "" {
		return "skipped: " + s.Reason
	}
	return strings.TrimSpace("skipped "+s.Kind+" "+s.Name) + ": " + s.Reason
}

// outcomes keeps what was judged until all of the input is read, for an object's owner may come after it.
type outcomes struct {
	records *stream.Packed[record]
	named   func(manifest.Problem) // of what is skipped; nil for no one to tell

	oneLine map[string]bool  // files
	notes   []report.Problem // each text once
	last    []report.Problem // what was invalid last
	tally

	summary report.Summary
	seed    maphash.Seed
	judged  map[uint64]int32  // by the hashes of their refs: places in owned, or below 0 those in heads
	owned   []owned           // in the order of the input
	heads   []*head           // those that nothing owns, likewise; nil for pods and where nothing is said
	through map[uint64]uint64 // the controllers of objects that are not judged

	replicasIn string // the first file with a Deployment's pod
}

// head is a subject that nothing owns.
type head struct {
	marks  []mark
	capped bool
}

// owned is a subject that is folded into one of its owners where that is judged.
type owned struct {
	owners [2]uint64 // 0 for none
	into   int32     // a value of judged
	more   int32     // pods of which there is no more to say than of this one
	marks  []mark    // that are reported
	kind   string    // one of the kinds that podvet judges
	fate   fate

	adds, capped bool
	replica      bool // a Deployment's pod, by its ReplicaSet
}

type fate uint8

const (
	unknown fate = iota
	asked        // while its owners are looked at
	kept         // judged itself
	folded       // into an owner that is judged, or folded itself
	partly       // folded, but for what is new
)

// record is one that is packed.
type record struct {
	Owned   bool
	Entry   report.Entry
	Skipped *skipped // only to be named
}
