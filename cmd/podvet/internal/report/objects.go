package report

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// object is what a person edits: an object that was judged, or the owner of pods, where it was not there itself.
type object struct {
	*Subject       // of an owner's pods the first
	pods     int32 // of an owner, 0 for an object that was judged itself
	shared   bool  // what is said is said of several pods, and counts for each
	lines    []told
}

// reference is how Kubernetes names the object.
func (o *object) reference() (apiVersion, kind, name string) {
	if o.pods == 0 {
		return o.APIVersion, o.Kind, o.Name
	}
	kind, name, _ = strings.Cut(o.Owner, "/")
	return o.OwnerAPIVersion, kind, name
}

func (o *object) titleWithPods() string {
	if o.pods == 0 {
		return o.titleInSource()
	}
	return fmt.Sprintf("%s (%s)", o.OwnerTitle(), plural(int(o.pods), "pod"))
}

// objects are the entries, each with what is said of its object. Pods of one owner that was not there itself are one
// object, at the place of the first of them; the others have none. The entries are read twice.
func (r *Report) objects(yield func(Entry, *object) bool) {
	g := groups{seed: maphash.MakeSeed(), owners: map[uint64]*group{}, numbers: map[told]uint32{}}
	for s := range r.Subjects {
		if s.pod() {
			g.add(s)
		}
	}
	for e := range r.Entries {
		var of *object
		if s := e.Subject; s != nil && s.pod() {
			of = g.take(s)
		} else if s != nil {
			of = &object{Subject: s, lines: s.told()}
		}
		if !yield(e, of) {
			return
		}
	}
}

// edited are the objects that a person edits, in the order of the input.
func (r *Report) edited(yield func(*object) bool) {
	for _, of := range r.objects {
		if of != nil && !yield(of) {
			return
		}
	}
}

// groups gather the pods of each owner, and number the messages: many owners share one. Each group is taken where its
// first pod stands, so they hold for each owner no more than where.
type groups struct {
	seed     maphash.Seed
	owners   map[uint64]*group
	messages []told          // without their lines
	numbers  map[told]uint32 // places in messages
}

type group struct {
	pods  int32 // with those of which there is no more to say
	told  int32 // pods of which it is said
	taken bool
	said  []said
}

// said is a message, by its number, and the line of the first that it is about.
type said struct {
	message uint32
	line    int32
}

// of is the group of a pod: of one owner in one file, or in a cluster.
func (g *groups) of(s *Subject) *group {
	file := s.File
	if s.live() {
		file = ""
	}
	key := maphash.Comparable(g.seed, [3]string{file, s.Namespace, s.Owner})
	one := g.owners[key]
	if one == nil {
		one = &group{}
		g.owners[key] = one
	}
	return one
}

func (g *groups) add(s *Subject) {
	one := g.of(s)
	one.pods += 1 + int32(s.More)
	one.told++
	for _, l := range s.told() {
		m := l
		m.path, m.line = "", 0
		number, known := g.numbers[m]
		if !known {
			number = uint32(len(g.messages))
			g.messages = append(g.messages, m)
			g.numbers[m] = number
		}
		if !slices.ContainsFunc(one.said, func(s said) bool { return s.message == number }) {
			one.said = append(one.said, said{number, int32(l.line)})
		}
	}
}

// take is the owner of a pod with all that is said of its pods, nil where it was taken.
func (g *groups) take(s *Subject) *object {
	one := g.of(s)
	if one.taken {
		return nil
	}
	one.taken = true
	of := &object{Subject: s, pods: one.pods, lines: make([]told, 0, len(one.said))}
	of.shared = one.told > 1 && len(one.said) > 0
	for _, said := range one.said {
		m := g.messages[said.message]
		m.line = int(said.line)
		of.lines = append(of.lines, m)
	}
	return of
}
