package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules"
)

// Change is one difference between two policies, in words.
type Change struct {
	Where string // everyone, a scope, or exemptions
	What  string
}

// Diff says what changes from one policy to another: keys, the levels, fixes and parameters of rules for everyone and
// in each scope, and exemptions. What only is written differently is no change.
func Diff(old, next *Policy) []Change {
	var changes []Change
	say := func(where, format string, args ...any) {
		changes = append(changes, Change{where, fmt.Sprintf(format, args...)})
	}
	diffSettings("everyone", old.doc.settings, next.doc.settings, old.Settings(), next.Settings(), say)

	before, after := old.scopesByName(), next.scopesByName()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[name]; !stays {
			say("scope "+name, "is gone: it meant %s", before[name].words(old))
		}
	}
	for i := range next.doc.Scopes {
		name := next.scopeName(i)
		now := next.scopeView(i)
		was, known := before[name]
		if !known {
			say("scope "+name, "is new: it means %s", now.words(next))
			// What it changes is what differs from everyone's.
			was = scopeView{settings: next.doc.settings, rules: next.Settings()}
		} else if was.match.words() != now.match.words() {
			say("scope "+name, "means %s instead of %s", now.words(next), was.words(old))
		}
		diffSettings("scope "+name, was.settings, now.settings, was.rules, now.rules, say)
	}
	if order := sharedNames(old, after); !slices.Equal(order, sharedNames(next, before)) {
		say("scopes", "another order: %s; the last one that matches wins", strings.Join(sharedNames(next, before), ", "))
	}

	exemptionsBefore, exemptionsAfter := old.exemptionWords(), next.exemptionWords()
	for _, words := range exemptionsBefore {
		if !slices.Contains(exemptionsAfter, words) {
			say("exemptions", "no longer: %s", words)
		}
	}
	for _, words := range exemptionsAfter {
		if !slices.Contains(exemptionsBefore, words) {
			say("exemptions", "new: %s", words)
		}
	}
	return changes
}

// scopeView is a scope as it is where no other scope matches.
type scopeView struct {
	index    int
	match    match
	settings settings
	rules    []rules.Setting
}

func (p *Policy) scopeView(i int) scopeView {
	effective := p.doc.with(p.doc.Scopes[i].settings)
	return scopeView{i, p.doc.Scopes[i].Match, effective, p.settings(effective, []int{i})}
}

func (v scopeView) words(p *Policy) string { return p.doc.Scopes[v.index].Match.words() }

func (p *Policy) scopesByName() map[string]scopeView {
	views := map[string]scopeView{}
	for i := range p.doc.Scopes {
		views[p.scopeName(i)] = p.scopeView(i)
	}
	return views
}

func sharedNames(p *Policy, others map[string]scopeView) []string {
	var names []string
	for i := range p.doc.Scopes {
		if _, shared := others[p.scopeName(i)]; shared {
			names = append(names, p.scopeName(i))
		}
	}
	return names
}

func diffSettings(where string, old, next settings, oldRules, nextRules []rules.Setting, say func(where, format string, args ...any)) {
	for _, key := range []struct {
		name     string
		was, now any
	}{
		{"profile", old.Profile, next.Profile}, {"mode", old.Mode, next.Mode}, {"fixes", *old.Fixes, *next.Fixes}, {"workloads", old.Workloads, next.Workloads},
		{"injectedContainers", strings.Join(old.InjectedContainers, ", "), strings.Join(next.InjectedContainers, ", ")},
		{"allowPodExemptions", *old.AllowPodExemptions, *next.AllowPodExemptions},
	} {
		if key.was != key.now {
			say(where, "%s: %v -> %v", key.name, key.was, key.now)
		}
	}
	for i, rule := range rules.Catalogue() {
		was, now := oldRules[i], nextRules[i]
		if was.Level != now.Level {
			say(where, "%s: %s -> %s", rule.ID, was.Level, now.Level)
		}
		if on, off := was.Fix != rules.NoFix, now.Fix != rules.NoFix; on != off {
			say(where, "%s: fix %s -> %s", rule.ID, onOff(on), onOff(off))
		}
		diffParams(where, rule, was.Params, now.Params, say)
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func diffParams(where string, rule *rules.Rule, was, now any, say func(where, format string, args ...any)) {
	defaults := rule.Defaults()
	if defaults == nil {
		return
	}
	if was == nil {
		was = defaults
	}
	if now == nil {
		now = defaults
	}
	a, b := reflect.ValueOf(was), reflect.ValueOf(now)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			say(where, "%s: %s: %s -> %s", rule.ID, a.Type().Field(i).Tag.Get("json"), valueWords(x), valueWords(y))
		}
	}
}

// valueWords writes a parameter in a few words.
func valueWords(v any) string {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return "none"
		}
		text, err := json.Marshal(v)
		if err != nil {
			return "another"
		}
		return string(text)
	}
	return fmt.Sprint(v)
}

// words says which pods are meant.
func (m match) words() string {
	var parts []string
	if len(m.Namespaces) > 0 {
		parts = append(parts, "namespaces "+joinWords(m.Namespaces))
	}
	if !matchesAll(m.NamespaceSelector) {
		parts = append(parts, "namespaces with "+metav1.FormatLabelSelector(m.NamespaceSelector))
	}
	if !matchesAll(m.PodSelector) {
		parts = append(parts, "pods with "+metav1.FormatLabelSelector(m.PodSelector))
	}
	if len(m.Kinds) > 0 {
		parts = append(parts, "kinds "+joinWords(m.Kinds))
	}
	if parts == nil {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// matchesAll tells whether a selector asks for nothing.
func matchesAll(s *metav1.LabelSelector) bool {
	return s == nil || len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

func joinWords[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	return strings.Join(words, ", ")
}

// exemptionWords is each exemption in a sentence.
func (p *Policy) exemptionWords() []string {
	all := make([]string, 0, len(p.doc.Exemptions))
	for _, e := range p.doc.Exemptions {
		text := joinWords(e.Rules) + " for " + e.Match.words()
		if len(e.Match.Containers) > 0 {
			text += ", containers " + joinWords(e.Match.Containers)
		}
		if len(e.Match.Images) > 0 {
			text += ", images " + joinWords(e.Match.Images)
		}
		if e.Expires != "" {
			text += ", until " + string(e.Expires)
		}
		text += " (" + string(e.Reason)
		if e.Owner != "" {
			text += "; " + e.Owner
		}
		all = append(all, text+")")
	}
	return all
}
