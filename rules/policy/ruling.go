package policy

import (
	"fmt"
	"slices"

	"github.com/podvet/podvet/rules/pod"
)

// For decides about a subject, which knows its namespace, by the labels of that namespace. What it depends on is
// the namespace with its mode, the owner's kind and the labels that selectors mention: for these the answer is
// kept, so that Jobs with labels of their own fill no memory.
func (p *Policy) For(s *pod.Subject, namespaceLabels map[string]string) Ruling {
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
	r := p.cache.rulings[string(key)]
	p.cache.RUnlock()
	if r == nil {
		r = p.rule(string(key), placeOf(s, namespaceLabels))
	}
	ruling := r.Ruling
	ruling.Notes = r.notes
	exempt, note := exemptionsOf(p.catalogue, s, r.podExemptions, r.exemptions)
	if ask := exempt.forEngine(); ask != nil {
		ruling.Plan = ruling.Plan.Exempting(ask)
	}
	if note != "" {
		ruling.Notes = append(slices.Clip(r.notes), note)
	}
	if s.Custom != nil {
		made := s.Made()
		pods := p.For(made, namespaceLabels)
		if pods.Workloads != WorkloadsDeny { // which refuses what the controller makes of the template
			made = made.Pods()
		}
		ruling.Plan, ruling.pods = ruling.Plan.Making(made, pods.Plan), &pods
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

// maxRulings bounds what is kept: with more places than that, all is worked out again.
const maxRulings = 16_384

// rule works out what is in force in a place, and keeps it. No lock is held while plans are made, so that no review
// waits for those of another; at worst two make the same.
func (p *Policy) rule(key string, at place) *ruling {
	scopes, exemptions := p.matching(at)
	label, note := namespaceMode(p.written, scopes, at.namespaceLabels)
	planKey, exemptionKey := p.planKey(scopes, label), indexKey(exemptions)
	p.cache.RLock()
	r := &ruling{plan: p.cache.plans[planKey], exemptions: p.cache.exemptions[exemptionKey]}
	p.cache.RUnlock()
	if ready := p.ready[planKey]; ready != nil {
		r.plan = ready
	} else if r.plan == nil {
		r.plan = p.newPlan(scopes, label, nil)
	}
	known := &p.cache.containers
	if len(key) > maxKey { // whoever may write such labels could fill the memory with what comes of them
		known = nil
	}
	if r.exemptions == nil && len(exemptions) > 0 {
		r.exemptions = p.exemptionSet(exemptions, known)
	}
	if note != "" {
		r.notes = []string{fmt.Sprintf("namespace %q: %s. Until then its mode is %s", at.namespace, note, r.Mode)}
	}
	if known == nil {
		return r
	}
	p.cache.Lock()
	defer p.cache.Unlock()
	if len(p.cache.rulings) >= maxRulings {
		p.cache.empty()
	}
	if p.ready[planKey] == nil {
		r.plan = keepFirst(p.cache.plans, planKey, r.plan)
	}
	if r.exemptions != nil {
		r.exemptions = keepFirst(p.cache.exemptions, exemptionKey, r.exemptions)
	}
	p.cache.rulings[key] = r
	return r
}

// keepFirst keeps a value, unless another was faster: then it returns that one.
func keepFirst[V any](kept map[string]*V, key string, value *V) *V {
	if first := kept[key]; first != nil {
		return first
	}
	kept[key] = value
	return value
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

func (p *Policy) exemptionSet(indexes []int, known *knownContainers) *exemptionSet {
	all := make([]*exemption, len(indexes))
	for i, index := range indexes {
		all[i] = p.exemptions[index]
	}
	return newExemptionSet(p.catalogue, all, known)
}
