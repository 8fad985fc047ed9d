package policy

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podvet/podvet/rules"
)

// Ruling is what the policy says of one subject.
type Ruling struct {
	Plan      *rules.Plan
	Mode      Mode
	Workloads Workloads
	Notes     []string // what is wrong with the namespace's mode and the subject's own exemption
}

// For decides about a subject, which knows its namespace, by the labels of that namespace. What it depends on is
// the namespace with its mode, the owner's kind and the labels that selectors mention: for these the answer is
// kept, so that Jobs with labels of their own fill no memory.
func (p *Policy) For(s *rules.Subject, namespaceLabels map[string]string) Ruling {
	var buffer [512]byte
	key := append(buffer[:0], s.Namespace...)
	key = append(append(key, 0), s.OwnerKind...)
	key = appendLabel(key, namespaceLabels, ModeLabel)
	for _, name := range p.namespaceKeys {
		key = appendLabel(key, namespaceLabels, name)
	}
	for _, name := range p.podKeys {
		key = appendLabel(key, s.Meta.Labels, name)
	}
	p.cache.RLock()
	d := p.cache.decisions[string(key)]
	p.cache.RUnlock()
	if d == nil {
		d = p.decide(string(key), place{s.Namespace, s.OwnerKind, namespaceLabels, s.Meta.Labels})
	}
	ruling := Ruling{Plan: d.plan, Mode: d.mode, Workloads: d.workloads}
	exempt, note := d.exempting(s)
	if exempt != nil {
		ruling.Plan = ruling.Plan.Exempting(exempt)
	}
	ruling.Notes = d.notes
	if note != "" {
		ruling.Notes = append(slices.Clip(d.notes), note)
	}
	return ruling
}

// appendLabel tells a label that is not there from an empty one.
func appendLabel(key []byte, labels map[string]string, name string) []byte {
	value, ok := labels[name]
	if !ok {
		return append(key, 0)
	}
	return append(append(key, 0, 1), value...)
}

// place is where a pod or a template is, as selectors see it.
type place struct {
	namespace, kind            string
	namespaceLabels, podLabels map[string]string
}

// compiledMatch is a match ready to be asked.
type compiledMatch struct {
	namespaces                     []pattern
	kinds                          []kindName
	namespaceSelector, podSelector labels.Selector // nil for all
}

func (m *compiledMatch) matches(at place) bool {
	return anyMatches(m.namespaces, at.namespace) &&
		(len(m.kinds) == 0 || slices.Contains(m.kinds, kindName(at.kind))) &&
		(m.namespaceSelector == nil || m.namespaceSelector.Matches(labels.Set(at.namespaceLabels))) &&
		(m.podSelector == nil || m.podSelector.Matches(labels.Set(at.podLabels)))
}

type compiledExemption struct {
	compiledMatch
	containers, images []pattern
	index              int                  // in the document
	rules              map[*rules.Rule]bool // nil for all
	note               *rules.Exemption
}

// about tells whether a finding about a container, nil for the pod, is meant.
func (e *compiledExemption) about(c *rules.Container) bool {
	if c == nil {
		return len(e.containers) == 0 && len(e.images) == 0
	}
	return anyMatches(e.containers, c.Name) && anyMatches(e.images, c.Image)
}

// compile makes the selectors ready and looks at the calendar.
func (p *Policy) compile(now time.Time) {
	p.now = now
	mentioned := map[string]bool{}
	podMentioned := map[string]bool{}
	for i := range p.doc.Scopes {
		p.scopes = append(p.scopes, compileMatch(&p.doc.Scopes[i].Match, mentioned, podMentioned))
	}
	for i := range p.doc.Exemptions {
		e := &p.doc.Exemptions[i]
		compiled := &compiledExemption{compiledMatch: compileMatch(&e.Match.match, mentioned, podMentioned),
			containers: e.Match.Containers, images: e.Match.Images, index: i, note: &rules.Exemption{Reason: string(e.Reason)}}
		if !slices.Contains(e.Rules, "*") {
			compiled.rules = map[*rules.Rule]bool{}
			for _, id := range e.Rules {
				compiled.rules[rules.Lookup(string(id))] = true // nil for one that this version does not know
			}
		}
		if e.Expires != "" {
			switch start := e.Expires.Start(); {
			case !now.Before(start):
				compiled.note.Expired = string(e.Expires)
				p.Expired++
			case p.Until.IsZero() || start.Before(p.Until):
				p.Until = start
			}
		}
		p.exemptions = append(p.exemptions, compiled)
	}
	p.namespaceKeys, p.podKeys = sortedKeys(mentioned), sortedKeys(podMentioned)
	p.cache.empty()
}

func compileMatch(m *match, namespaceKeys, podKeys map[string]bool) compiledMatch {
	return compiledMatch{m.Namespaces, m.Kinds, compileSelector(m.NamespaceSelector, namespaceKeys), compileSelector(m.PodSelector, podKeys)}
}

func compileSelector(s *metav1.LabelSelector, keys map[string]bool) labels.Selector {
	if matchesAll(s) {
		return nil
	}
	selector, _ := metav1.LabelSelectorAsSelector(s) // it was checked when it was read
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		keys[r.Key()] = true
	}
	return selector
}

func sortedKeys(set map[string]bool) []string {
	keys := make([]string, 0, len(set))
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// maxDecisions bounds what is kept: where more places are asked about, all is worked out anew.
const maxDecisions = 16_384

// maxKey bounds a key in bytes: what it is made of has not been validated yet, and may be long to fill the memory.
const maxKey = 1024

// cache keeps decisions, and what many of them share. It is dropped with its policy.
type cache struct {
	sync.RWMutex
	decisions  map[string]*decision
	plans      map[string]*rules.Plan   // by mode and matching scopes
	exemptions map[string]*exemptionSet // by matching exemptions
	containers knownContainers
}

func (c *cache) empty() {
	c.decisions, c.plans, c.exemptions = map[string]*decision{}, map[string]*rules.Plan{}, map[string]*exemptionSet{}
	c.containers.Lock()
	defer c.containers.Unlock()
	c.containers.about = map[containerKey][]*compiledExemption{}
}

// decision is a ruling but for the exemptions of the subject's containers.
type decision struct {
	plan          *rules.Plan
	mode          Mode
	workloads     Workloads
	podExemptions bool
	exemptions    *exemptionSet // nil for none
	notes         []string
}

// decide works out a decision and keeps it.
func (p *Policy) decide(key string, at place) *decision {
	scopes, exemptions := p.matching(at)
	effective := p.doc.settings
	for _, i := range scopes {
		effective = effective.with(p.doc.Scopes[i].settings)
	}
	mode, note := namespaceMode(at.namespaceLabels)
	effective.Mode = cmp.Or(mode, effective.Mode)
	d := &decision{mode: effective.Mode, workloads: effective.Workloads, podExemptions: *effective.AllowPodExemptions}
	if note != "" {
		d.notes = []string{fmt.Sprintf("namespace %q: %s: until then its mode is %s", at.namespace, note, effective.Mode)}
	}

	p.cache.Lock()
	defer p.cache.Unlock()
	if len(p.cache.decisions) >= maxDecisions {
		p.cache.empty()
	}
	if len(key) > maxKey { // whoever may write such labels could fill the memory with what comes of them
		d.plan = p.plan(effective, scopes)
		if len(exemptions) > 0 {
			d.exemptions = p.exemptionSet(exemptions)
		}
		return d
	}
	planKey := string(effective.Mode) + indexKey(scopes)
	if d.plan = p.cache.plans[planKey]; d.plan == nil {
		d.plan = p.plan(effective, scopes)
		p.cache.plans[planKey] = d.plan
	}
	if len(exemptions) > 0 {
		exemptionKey := indexKey(exemptions)
		if d.exemptions = p.cache.exemptions[exemptionKey]; d.exemptions == nil {
			d.exemptions = p.exemptionSet(exemptions)
			p.cache.exemptions[exemptionKey] = d.exemptions
		}
	}
	p.cache.decisions[key] = d
	return d
}

// namespaceMode is the mode that a namespace has by its label, "" for none. note says what is wrong with the label.
func namespaceMode(namespaceLabels map[string]string) (mode Mode, note string) {
	switch mode = Mode(namespaceLabels[ModeLabel]); {
	case mode == "" || slices.Contains(mode.words(), string(mode)):
		return mode, ""
	default:
		return "", fmt.Sprintf("label %s is %q, no mode: write %s", ModeLabel, string(mode), orList(mode.words()))
	}
}

// matching lists the scopes and the exemptions that a place is in.
func (p *Policy) matching(at place) (scopes, exemptions []int) {
	for i := range p.scopes {
		if p.scopes[i].matches(at) {
			scopes = append(scopes, i)
		}
	}
	for i, e := range p.exemptions {
		if e.matches(at) {
			exemptions = append(exemptions, i)
		}
	}
	return scopes, exemptions
}

func indexKey(indexes []int) string {
	var key []byte
	for _, i := range indexes {
		key = binary.AppendUvarint(key, uint64(i))
	}
	return string(key)
}

// with is the settings with those of a scope over them, its rules apart: these are merged rule by rule.
func (s settings) with(over settings) settings {
	if over.Profile != "" {
		s.Profile = over.Profile
	}
	if over.Mode != "" {
		s.Mode = over.Mode
	}
	if over.Fixes != nil {
		s.Fixes = over.Fixes
	}
	if over.Workloads != "" {
		s.Workloads = over.Workloads
	}
	if over.InjectedContainers != nil {
		s.InjectedContainers = over.InjectedContainers
	}
	if over.AllowPodExemptions != nil {
		s.AllowPodExemptions = over.AllowPodExemptions
	}
	return s
}

func (p *Policy) plan(effective settings, scopes []int) *rules.Plan {
	return rules.NewPlan(p.settings(effective, scopes), effective.InjectedContainers, effective.Mode.level())
}

// Plan is what to judge and repair where no scope and no exemption matches.
func (p *Policy) Plan() *rules.Plan { return p.plan(p.doc.settings, nil) }

// Settings are what the policy says of each rule where no scope matches, in the order of the catalogue.
func (p *Policy) Settings() []rules.Setting { return p.settings(p.doc.settings, nil) }

func (p *Policy) settings(effective settings, scopes []int) []rules.Setting {
	profile, _ := rules.ParseProfile(string(effective.Profile))
	list := make([]rules.Setting, len(rules.Catalogue()))
	for i, rule := range rules.Catalogue() {
		layers := make([]ruleSetting, 0, len(scopes)+1)
		layers = append(layers, p.doc.Rules[rule.ID])
		for _, scope := range scopes {
			layers = append(layers, p.doc.Scopes[scope].Rules[rule.ID])
		}
		list[i] = setting(rule, rule.Levels[profile], layers, effective)
	}
	return list
}

// setting lays what the document and the scopes say of a rule over its level in the profile.
func setting(rule *rules.Rule, level rules.Level, layers []ruleSetting, effective settings) rules.Setting {
	s := rules.Setting{Level: level}
	var asked *bool
	for _, layer := range layers {
		if layer.Level != "" {
			s.Level, _ = rules.ParseLevel(string(layer.Level))
		}
		if layer.Fix != nil {
			asked = layer.Fix
		}
		if layer.Params != nil {
			if s.Params == nil {
				s.Params = rule.Defaults()
			}
			d := decoder{at: map[string]*yaml.Node{}}
			s.Params = d.parameters(layer.Params, "", rule, s.Params)
		}
	}
	switch {
	case !*effective.Fixes || effective.Mode == ModeOff:
	case asked != nil && *asked:
		s.Fix = rules.AskedFix
	case asked == nil && rule.FixByDefault && s.Level != rules.Off:
		s.Fix = rules.DefaultFix
	}
	if effective.Mode == ModeOff {
		s.Level = rules.Off
	}
	return s
}

// exemptionSet is the exemptions that hold in some places, by rule and in the order of the document.
type exemptionSet struct {
	byRule map[*rules.Rule][]*compiledExemption
	all    []*compiledExemption
	known  *knownContainers
}

// knownContainers remembers which exemptions of a set are about a container. It is shared by all sets.
type knownContainers struct {
	sync.RWMutex
	about map[containerKey][]*compiledExemption
}

type containerKey struct {
	set         *exemptionSet
	name, image string
}

// maxKnown bounds what is remembered: images have a tag for each build.
const maxKnown = 8192

func (p *Policy) exemptionSet(indexes []int) *exemptionSet {
	set := &exemptionSet{byRule: map[*rules.Rule][]*compiledExemption{}, known: &p.cache.containers}
	for _, i := range indexes {
		e := p.exemptions[i]
		set.all = append(set.all, e)
		for _, rule := range rules.Catalogue() {
			if e.rules == nil || e.rules[rule] {
				set.byRule[rule] = append(set.byRule[rule], e)
			}
		}
	}
	return set
}

// find returns the first exemption that holds, else the first that has expired, nil for none.
func (s *exemptionSet) find(rule *rules.Rule, c *rules.Container) *rules.Exemption {
	candidates := s.byRule[rule]
	if c == nil || len(candidates) < 8 || len(c.Name)+len(c.Image) > maxKey { // asking them costs less than remembering
		return firstOf(candidates, c)
	}
	about := s.about(c)
	if len(about) == 0 {
		return nil
	}
	return firstOf(slices.DeleteFunc(slices.Clone(about), func(e *compiledExemption) bool { return e.rules != nil && !e.rules[rule] }), c)
}

// about are the exemptions of the set about a container, whatever their rules.
func (s *exemptionSet) about(c *rules.Container) []*compiledExemption {
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
	for other := range s.known.about { // any: what is asked about often comes back
		if len(s.known.about) < maxKnown {
			break
		}
		delete(s.known.about, other)
	}
	key.name, key.image = strings.Clone(key.name), strings.Clone(key.image) // they are parts of a request
	s.known.about[key] = about
	return about
}

func firstOf(candidates []*compiledExemption, c *rules.Container) *rules.Exemption {
	var expired *rules.Exemption
	for _, e := range candidates {
		switch {
		case !e.about(c):
		case e.note.Expired == "":
			return e.note
		case expired == nil:
			expired = e.note
		}
	}
	return expired
}

// ExemptAnnotation on a pod or a template exempts it, where the policy allows it: "rule-a,rule-b: reason".
const ExemptAnnotation = "podvet.dev/exempt"

// maxAnnotation bounds it in bytes: it is read before anything has validated it.
const maxAnnotation = 4096

// podExemption reads the annotation: the rules, and why. note says what is wrong with it, "" for nothing.
func podExemption(s *rules.Subject) (ids []string, own *rules.Exemption, note string) {
	text := s.Meta.Annotations[ExemptAnnotation]
	if text == "" {
		return nil, nil, ""
	}
	if len(text) > maxAnnotation {
		return nil, nil, fmt.Sprintf("annotation %s is not honoured: it is longer than %d bytes", ExemptAnnotation, maxAnnotation)
	}
	list, reason, _ := strings.Cut(text, ":")
	reason = strings.TrimSpace(reason)
	for id := range strings.SplitSeq(list, ",") {
		ids = append(ids, strings.TrimSpace(id))
	}
	if problem := reasonText(reason).problem(); problem != "" {
		return nil, nil, fmt.Sprintf(`annotation %s is not honoured: its reason %s: write "rule-a,rule-b: reason"`, ExemptAnnotation, problem)
	}
	for _, id := range ids {
		if rules.Lookup(id) == nil {
			note = fmt.Sprintf("annotation %s: there is no rule %q%s", ExemptAnnotation, id, DidYouMean(id, rules.IDs()))
			break // one is enough to look at it again
		}
	}
	return ids, &rules.Exemption{Reason: reason}, note
}

// exempting is how the plan asks about the exemptions of a subject, nil where there are none.
func (d *decision) exempting(s *rules.Subject) (exempt func(*rules.Rule, *rules.Container) *rules.Exemption, note string) {
	var ids []string
	var own *rules.Exemption
	if d.podExemptions {
		ids, own, note = podExemption(s)
	}
	switch {
	case own == nil && d.exemptions == nil:
		return nil, note
	case own == nil:
		return d.exemptions.find, note
	}
	return func(rule *rules.Rule, c *rules.Container) *rules.Exemption {
		if slices.Contains(ids, rule.ID) {
			return own
		}
		if d.exemptions == nil {
			return nil
		}
		return d.exemptions.find(rule, c)
	}, note
}
