package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/podvet/podvet/rules"
)

// noticeDays is how long before an exemption expires its owner is told.
const noticeDays = 14

// Advice is what is allowed in a good policy and yet worth a second look: exemptions that have expired or soon will,
// levels that change nothing and, where the namespaces of the cluster are known, by name with their labels, selectors
// that match none of them. Exemptions that can never hold are among it.
func Advice(file string, text []byte, now time.Time, namespaces map[string]map[string]string) Errors {
	d := &decoder{file: file, kind: Kind, at: map[string]*yaml.Node{}}
	doc := d.read(text)
	if len(d.errs) > 0 {
		return nil // first the mistakes
	}
	d.unknown = nil
	a := adviser{d, doc, namespaces, slices.Sorted(maps.Keys(namespaces)), 0}
	a.levels()
	for i, e := range doc.Exemptions {
		path := fmt.Sprintf("exemptions[%d]", i)
		if e.Expires != "" {
			a.expiry(e.Expires, join(path, "expires"), now)
		}
		a.nowhere(e.Match.match, join(path, "match"))
		a.pointless(e, path)
	}
	for i, s := range doc.Scopes {
		a.nowhere(s.Match, fmt.Sprintf("scopes[%d].match", i))
	}
	if len(d.errs) > 0 {
		sortErrors(d.errs)
	}
	return d.errs
}

type adviser struct {
	*decoder
	doc        *document
	namespaces map[string]map[string]string
	names      []string // of the namespaces
	compared   int      // names, by mistyped
}

func (a *adviser) advise(path, format string, args ...any) {
	a.fail(a.nearest(path), path, format, args...)
}

func (a *adviser) expiry(expires Day, path string, now time.Time) {
	switch left := expires.Start().Sub(now); {
	case left <= 0:
		a.advise(path, "has expired on %s: its findings are warnings now: remove the exemption, or write a later day", expires)
	case left <= noticeDays*24*time.Hour:
		a.advise(path, "expires on %s: from that day its findings are warnings", expires)
	}
}

// levels finds rules that are set to the level they have without that.
func (a *adviser) levels() {
	profile, _ := rules.ParseProfile(string(a.doc.Profile))
	for id, entry := range a.doc.Rules {
		// It overrides the profile of a scope too.
		otherProfile := slices.ContainsFunc(a.doc.Scopes, func(s scope) bool { return s.Profile != "" && s.Profile != a.doc.Profile })
		if rule := rules.Lookup(id); rule != nil && !otherProfile && entry.Level != "" && string(entry.Level) == rule.Levels[profile].String() {
			a.advise(join(join("rules", id), "level"), "%s is already its level in the profile %s: remove this", entry.Level, profile)
		}
	}
	for i, s := range a.doc.Scopes {
		scopeProfile, own := rules.ParseProfile(string(s.Profile))
		if !own {
			scopeProfile = profile
		}
		for id, entry := range s.Rules {
			rule := rules.Lookup(id)
			if rule == nil || entry.Level == "" || a.anotherSays(i, id) {
				continue
			}
			level, from := rule.Levels[scopeProfile].String(), "in the profile "+scopeProfile.String()
			if everyones := a.doc.Rules[id].Level; everyones != "" {
				level, from = string(everyones), "for everyone"
			}
			if string(entry.Level) == level {
				a.advise(fmt.Sprintf("scopes[%d].rules.%s.level", i, id), "%s is already its level %s: remove this", level, from)
			}
		}
	}
}

// anotherSays tells whether another scope may have a say in the level of a rule where this one matches.
func (a *adviser) anotherSays(i int, id string) bool {
	for j, s := range a.doc.Scopes {
		if j != i && (s.Rules[id].Level != "" || s.Profile != "") {
			return true
		}
	}
	return false
}

// nowhere finds selectors that match no namespace of the cluster.
func (a *adviser) nowhere(m match, path string) {
	selector := compileSelector(m.NamespaceSelector, map[string]bool{})
	if a.namespaces == nil || len(m.Namespaces) == 0 && selector == nil {
		return
	}
	for name, its := range a.namespaces {
		if anyMatches(m.Namespaces, name) && (selector == nil || selector.Matches(labels.Set(its))) {
			a.mistyped(m.Namespaces, join(path, "namespaces"))
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
	a.advise(join(path, key), "%s: no namespace of this cluster is meant: is that a typing mistake?", meant)
}

// maxMistyped bounds how many names are compared with all namespaces.
const maxMistyped = 100

// mistyped finds names that are no namespace's among others that are, and nearly one's: a policy for several clusters
// may well name namespaces that not all of them have.
func (a *adviser) mistyped(names []pattern, path string) {
	for i, name := range names {
		if _, known := a.namespaces[string(name)]; known || strings.Contains(string(name), "*") || a.compared == maxMistyped {
			continue
		}
		a.compared++
		if meant := DidYouMean(string(name), a.names); meant != "" {
			a.advise(fmt.Sprintf("%s[%d]", path, i), "this cluster has no namespace %s%s", name, meant)
		}
	}
}

// pointless finds rules that judge the pod as a whole in an exemption of containers or images.
func (a *adviser) pointless(e exemption, path string) {
	if len(e.Match.Containers) == 0 && len(e.Match.Images) == 0 {
		return
	}
	for i, id := range e.Rules {
		if rule := rules.Lookup(string(id)); rule != nil && rule.PerPod() {
			a.advise(fmt.Sprintf("%s.rules[%d]", path, i), "%s is about the pod as a whole, never about a container or an image: write an exemption without these for it", id)
		}
	}
}
