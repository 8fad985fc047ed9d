package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// exemption is an Exemption ready for use, or a pod's own.
type exemption struct {
	matcher
	containers, images []pattern
	index              int                  // in the document, ofPod for a pod's own
	rules              map[*rules.Rule]bool // nil for all
	note               *rules.Exemption
}

const ofPod = -1

// newExemption looks at the calendar too: it returns when the exemption expires, zero for never.
func newExemption(c *rules.Catalogue, e *Exemption, m matcher, index int, now time.Time) (*exemption, time.Time) {
	ready := &exemption{matcher: m, containers: e.Match.Containers, images: e.Match.Images, index: index,
		note: &rules.Exemption{Reason: string(e.Reason)}}
	if !slices.Contains(e.Rules, "*") {
		ready.rules = map[*rules.Rule]bool{}
		for _, id := range e.Rules {
			ready.rules[c.Lookup(string(id))] = true // nil for one that this version does not know
		}
	}
	if e.Expires == "" {
		return ready, time.Time{}
	}
	until := e.Expires.Start()
	if !now.Before(until) {
		ready.note.Expired = string(e.Expires)
	}
	return ready, until
}

// about tells whether a finding about a container, nil for the pod, is meant.
func (e *exemption) about(c *pod.Container) bool {
	if c == nil {
		return len(e.containers) == 0 && len(e.images) == 0
	}
	return anyMatches(e.containers, c.Name) && anyMatches(e.images, c.Image)
}

// isFrom tells whether a rule is meant.
func (e *exemption) isFrom(rule *rules.Rule) bool { return e.rules == nil || e.rules[rule] }

// forEngine is what the engine needs to know of an exemption, nil for none.
func (e *exemption) forEngine() *rules.Exemption {
	if e == nil {
		return nil
	}
	return e.note
}

// exemptionSet is the exemptions that hold in some places, by rule and in the order of the document.
type exemptionSet struct {
	byRule map[*rules.Rule][]*exemption
	all    []*exemption
	known  *knownContainers // nil for a set that is used once
}

func newExemptionSet(c *rules.Catalogue, all []*exemption, known *knownContainers) *exemptionSet {
	set := &exemptionSet{byRule: map[*rules.Rule][]*exemption{}, all: all, known: known}
	for _, e := range all {
		for _, rule := range c.Rules() {
			if e.isFrom(rule) {
				set.byRule[rule] = append(set.byRule[rule], e)
			}
		}
	}
	return set
}

// knownContainers remembers which exemptions of a set are about a container. It is shared by all sets.
type knownContainers struct {
	sync.RWMutex
	about map[containerKey][]*exemption
}

type containerKey struct {
	set         *exemptionSet
	name, image string
}

// maxKnown bounds what is remembered: images have a tag for each build.
const maxKnown = 8192

// maxKey bounds a key in bytes: what it is made of has not been validated yet, and may be long to fill the memory.
const maxKey = 1024

func (k *knownContainers) empty() {
	k.Lock()
	defer k.Unlock()
	k.about = map[containerKey][]*exemption{}
}

// find returns the first exemption that holds, else the first that has expired, nil for none. The set may be nil.
func (s *exemptionSet) find(rule *rules.Rule, c *pod.Container) *exemption {
	if s == nil {
		return nil
	}
	candidates := s.byRule[rule]
	// Looking through a few costs less than remembering.
	if s.known == nil || c == nil || len(candidates) < 8 || len(c.Name)+len(c.Image) > maxKey {
		return firstOf(candidates, func(e *exemption) bool { return e.about(c) })
	}
	return firstOf(s.about(c), func(e *exemption) bool { return e.isFrom(rule) })
}

// about are the exemptions of the set about a container, whatever their rules.
func (s *exemptionSet) about(c *pod.Container) []*exemption {
	key := containerKey{s, c.Name, c.Image}
	s.known.RLock()
	about, known := s.known.about[key]
	s.known.RUnlock()
	if known {
		return about
	}
	for _, e := range s.all {
		if e.about(c) {
			about = append(about, e)
		}
	}
	s.known.Lock()
	defer s.known.Unlock()
	for other := range s.known.about { // any: what is needed often comes back
		if len(s.known.about) < maxKnown {
			break
		}
		delete(s.known.about, other)
	}
	key.name, key.image = strings.Clone(key.name), strings.Clone(key.image) // they are parts of a request
	s.known.about[key] = about
	return about
}

// firstOf is the first candidate that is meant and holds, else the first that is meant and has expired.
func firstOf(candidates []*exemption, meant func(*exemption) bool) *exemption {
	var expired *exemption
	for _, e := range candidates {
		switch {
		case !meant(e):
		case e.note.Expired == "":
			return e
		case expired == nil:
			expired = e
		}
	}
	return expired
}

// ExemptAnnotation on a pod or a template exempts it, where the policy allows it: "rule-a,rule-b: reason".
const ExemptAnnotation = "podvet.dev/exempt"

// maxAnnotation bounds it in bytes: it is read before anything has validated it.
const maxAnnotation = 4096

// exemptions are those of one subject.
type exemptions struct {
	own   *exemption // by its annotation, nil for none
	ids   []string   // of the rules that its own is about
	other *exemptionSet
}

// find returns the exemption from a rule for a container, nil for the pod; nil where the rule applies.
func (x exemptions) find(rule *rules.Rule, c *pod.Container) *exemption {
	if slices.Contains(x.ids, rule.ID) {
		return x.own
	}
	return x.other.find(rule, c)
}

// forEngine is how a plan finds an exemption, nil if there is none.
func (x exemptions) forEngine() func(*rules.Rule, *pod.Container) *rules.Exemption {
	switch {
	case x.own != nil:
		return func(rule *rules.Rule, c *pod.Container) *rules.Exemption { return x.find(rule, c).forEngine() }
	case x.other != nil:
		set := x.other
		return func(rule *rules.Rule, c *pod.Container) *rules.Exemption { return set.find(rule, c).forEngine() }
	}
	return nil
}

// exemptionsOf are those of the policy and, where that is allowed, the subject's own. note says what is wrong with its
// annotation, "" for nothing.
func exemptionsOf(c *rules.Catalogue, s *pod.Subject, own bool, other *exemptionSet) (x exemptions, note string) {
	x.other = other
	switch text := s.Meta.Annotations[ExemptAnnotation]; {
	case text == "":
	case own:
		note = x.readOwn(c, text)
	default:
		note = "annotation " + ExemptAnnotation + " is not honoured: write allowPodExemptions: true in the policy, " +
			"or an exemption"
	}
	return x, note
}

func (x *exemptions) readOwn(c *rules.Catalogue, text string) (note string) {
	if len(text) > maxAnnotation {
		return fmt.Sprintf("annotation %s is not honoured: it is longer than %d bytes", ExemptAnnotation, maxAnnotation)
	}
	list, reason, _ := strings.Cut(text, ":")
	reason = strings.TrimSpace(reason)
	if problem, _, _ := strings.Cut(strict.Reason(reason).Problem(), ":"); problem != "" {
		return fmt.Sprintf(`annotation %s is not honoured, because its reason %s: write "rule-a,rule-b: reason"`,
			ExemptAnnotation, problem)
	}
	for id := range strings.SplitSeq(list, ",") {
		id = strings.TrimSpace(id)
		x.ids = append(x.ids, id)
		if note == "" && c.Lookup(id) == nil { // one is enough to look at it again
			meant := strict.DidYouMean(id, c.IDs())
			note = fmt.Sprintf("annotation %s: there is no rule %q%s", ExemptAnnotation, id, meant)
		}
	}
	x.own = &exemption{index: ofPod, note: &rules.Exemption{Reason: reason}}
	return note
}
