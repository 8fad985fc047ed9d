package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// noticeDays is how long before an exemption expires its owner is told.
const noticeDays = 14

// Namespaces are those of a cluster by name, with their labels; nil where they are not known.
type Namespaces = map[string]map[string]string

// Advice is what is allowed in a good policy and yet worth a second look: exemptions that have expired, soon will or
// can never hold, levels and templates that change nothing, workloads of which nothing is refused, kinds that podvet
// does not know and, where the namespaces of the cluster are known, by name with their labels, selectors that match
// none of them.
func (d *Document) Advice(now time.Time, namespaces Namespaces) Errors {
	a := adviser{Document: d, namespaces: namespaces, names: slices.Sorted(maps.Keys(namespaces)),
		kinds: append(pod.OwnerKinds(), custom.Kinds(d.written.Templates)...)}
	a.levels()
	a.idleTemplates()
	a.unrefused()
	for i := range d.written.Exemptions {
		e, path := &d.written.Exemptions[i], strict.Entry("exemptions", i)
		if e.Expires != "" {
			a.expiry(e.Expires, strict.Join(path, "expires"), now)
		}
		a.match(&e.Match.Match, strict.Join(path, "match"))
		a.pointless(e, path)
	}
	for i := range d.written.Scopes {
		a.match(&d.written.Scopes[i].Match, strict.Join(strict.Entry("scopes", i), "match"))
	}
	return d.source.inFile(a.advice)
}

type adviser struct {
	*Document
	namespaces Namespaces
	names      []string // of the namespaces
	kinds      []string // that podvet knows
	compared   int      // names, by nearest
	advice     Errors
}

func (a *adviser) advise(path, format string, args ...any) {
	if len(a.advice) < strict.MaxErrors {
		a.advice = append(a.advice, Error{File: a.source.File, Line: a.places.Nearest(path).Line, Path: path,
			Text: fmt.Sprintf(format, args...)})
	}
}

func (a *adviser) expiry(expires Day, path string, now time.Time) {
	switch left := expires.Start().Sub(now); {
	case left <= 0:
		a.advise(path, "expired on %s, so its findings are warnings now: remove the exemption, or write a later day",
			expires)
	case left <= noticeDays*24*time.Hour:
		a.advise(path, "expires on %s: from that day its findings are warnings", expires)
	}
}

// levels finds rules that are set to the level they have without that.
func (a *adviser) levels() {
	everyones := cmp.Or(a.written.Profile, defaults.Profile)
	profile, _ := rules.ParseProfile(string(everyones))
	// A level for everyone overrides the profile of a scope too.
	otherProfile := slices.ContainsFunc(a.written.Scopes, func(s Scope) bool {
		return s.Profile != "" && s.Profile != everyones
	})
	for id, entry := range a.written.Rules {
		rule := a.catalogue.Lookup(id)
		if rule != nil && !otherProfile && string(entry.Level) == rule.Levels[profile].String() {
			at := "rules." + id + ".level"
			a.advise(at, "%s is already its level in the profile %s: remove this", entry.Level, profile)
		}
	}
	for i := range a.written.Scopes {
		s := &a.written.Scopes[i]
		scopeProfile, own := rules.ParseProfile(string(s.Profile))
		if !own {
			scopeProfile = profile
		}
		for id, entry := range s.Rules {
			rule := a.catalogue.Lookup(id)
			if rule == nil || entry.Level == "" || a.anotherSays(i, id) {
				continue
			}
			level, from := rule.Levels[scopeProfile].String(), "in the profile "+scopeProfile.String()
			if everyones := a.written.Rules[id].Level; everyones != "" {
				level, from = string(everyones), "for everyone"
			}
			if string(entry.Level) == level {
				at := strict.Join(strict.Entry("scopes", i), "rules."+id+".level")
				a.advise(at, "%s is already its level %s: remove this", level, from)
			}
		}
	}
}

// idleTemplates finds handlers that are declared for a fix which nothing turns on.
func (a *adviser) idleTemplates() {
	entries := map[string]map[string]RuleSetting{"rules": a.written.Rules}
	for i := range a.written.Scopes {
		entries[strict.Entry("scopes", i)+".rules"] = a.written.Scopes[i].Rules
	}
	for path, settings := range entries {
		for id := range settings {
			at := strict.Join(path, id+"."+keyTemplate)
			isOn := func(settings map[string]RuleSetting) bool { fix := settings[id].Fix; return fix != nil && *fix }
			if a.places.Line(at) > 0 && !slices.ContainsFunc(slices.Collect(maps.Values(entries)), isOn) {
				a.advise(at, "does nothing without fix: true")
			}
		}
	}
}

// unrefused finds where no pod of a workload is ever refused, and no template either, and what is said of workloads
// where there are none.
func (a *adviser) unrefused() {
	for _, at := range a.written.lenient() {
		s, path := &a.written.Settings, keyOwnedPods
		if at.Scope >= 0 {
			s, path = &a.written.Scopes[at.Scope].Settings, strict.Join(strict.Entry("scopes", at.Scope), keyOwnedPods)
		}
		if at.Templates || !s.aboutWorkloads() {
			continue
		}
		if s.OwnedPods == "" {
			path = strings.TrimSuffix(path, keyOwnedPods) + keyWorkloads
		}
		text := "with ownedPods: warn and without workloads: deny nothing of a workload is refused, neither its " +
			"template nor its pods"
		if at.Mode != ModeEnforce {
			text = "mode " + string(at.Mode) + " refuses nothing, and in mode enforce ownedPods: warn without " +
				"workloads: deny refuses nothing of a workload either"
		}
		a.advise(path, "%s: write workloads: deny, or ownedPods: enforce", text)
	}
	for i := range a.written.Scopes {
		s, path := &a.written.Scopes[i], strict.Entry("scopes", i)
		onlyPods := !slices.ContainsFunc(s.Match.Kinds, func(kind custom.Owner) bool { return kind != "Pod" })
		switch {
		case s.Match.workloads():
		case s.OwnedPods != "":
			a.advise(strict.Join(path, keyOwnedPods),
				"does nothing, because kinds names none of Kubernetes' own workloads: remove it")
		case s.Workloads != "" && onlyPods:
			a.advise(strict.Join(path, keyWorkloads), "does nothing, because kinds names only pods: remove it")
		}
	}
}

// anotherSays tells whether another scope may have a say in the level of a rule where this one matches.
func (a *adviser) anotherSays(i int, id string) bool {
	for j := range a.written.Scopes {
		if s := &a.written.Scopes[j]; j != i && (s.Rules[id].Level != "" || s.Profile != "") {
			return true
		}
	}
	return false
}

// match finds kinds that podvet does not know, and selectors that match no namespace of the cluster.
func (a *adviser) match(m *Match, path string) {
	for i, kind := range texts(m.Kinds) {
		if !slices.Contains(a.kinds, kind) {
			meant := a.nearest(kind, a.kinds)
			if meant != "" {
				meant = " (did you mean " + meant + "?)"
			}
			a.advise(strict.Entry(strict.Join(path, "kinds"), i), "%s is not a kind that podvet knows%s. It matches "+
				"only pods whose controller is of this kind", kind, meant)
		}
	}
	a.nowhere(m, path)
}

// nowhere finds selectors that match no namespace of the cluster.
func (a *adviser) nowhere(m *Match, path string) {
	selector := newSelector(m.NamespaceSelector, labelKeys{})
	if a.namespaces == nil || len(m.Namespaces) == 0 && selector == nil {
		return
	}
	for name, its := range a.namespaces {
		if anyMatches(m.Namespaces, name) && (selector == nil || selector.Matches(labels.Set(its))) {
			a.mistyped(m.Namespaces, strict.Join(path, "namespaces"))
			return
		}
	}
	key, meant := "namespaces", strings.Join(texts(m.Namespaces), ", ")
	switch {
	case selector != nil && meant == "":
		key, meant = "namespaceSelector", selector.String()
	case selector != nil:
		meant += " with " + selector.String()
	}
	a.advise(strict.Join(path, key), "%s matches no namespace of this cluster: is that a typing mistake?", meant)
}

// maxCompared bounds how many names are compared with all that are known.
const maxCompared = 100

// nearest is the name that one may mean, "" for none.
func (a *adviser) nearest(name string, known []string) string {
	if a.compared++; a.compared > maxCompared {
		return ""
	}
	return strict.Nearest(name, known)
}

// mistyped finds names that are no namespace's among others that are, and nearly one's: a policy for several clusters
// may well name namespaces that not all of them have.
func (a *adviser) mistyped(names []pattern, path string) {
	for i, name := range names {
		_, known := a.namespaces[string(name)]
		if known || strings.Contains(string(name), "*") {
			continue
		}
		if meant := a.nearest(string(name), a.names); meant != "" {
			a.advise(strict.Entry(path, i), "this cluster has no namespace %s (did you mean %s?)", name, meant)
		}
	}
}

// pointless finds rules that judge the pod as a whole in an exemption of containers or images.
func (a *adviser) pointless(e *Exemption, path string) {
	if len(e.Match.Containers) == 0 && len(e.Match.Images) == 0 {
		return
	}
	for i, id := range e.Rules {
		if rule := a.catalogue.Lookup(string(id)); rule != nil && rule.PerPod() {
			a.advise(strict.Entry(path+".rules", i), "%s is about the whole pod, never about a container "+
				"or an image: write an exemption without these for it", id)
		}
	}
}
