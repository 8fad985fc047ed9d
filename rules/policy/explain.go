package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/rules"
)

// Explanation says what decided about one subject.
type Explanation struct {
	Scopes []Decided // those that match, in order
	Keys   []Decided // profile, mode and the other keys
	Rules  []RuleDecided
}

// Decided is a value and what it comes from.
type Decided struct {
	Key, Value string
	By         string // in words: "scope payments", "by default"
	Line       int    // in the file of the policy, 0 where no line says it
}

// RuleDecided is the level of a rule and whether its fix is applied.
type RuleDecided struct {
	Rule            *rules.Rule
	Level, Uncapped rules.Level
	LevelBy, FixBy  Decided   // Value is the level without the mode's cap; and on, off or none
	Lower           []Decided // where the finding is quieter: Key is the container, "" for the pod
}

// Explainer explains one policy.
type Explainer struct {
	*Policy
	lines map[string]map[int]int // where each path is written, by the index of the scope that it is in
}

// noScope is the index of what is no scope's.
const noScope = -1

// Explainer reads a good policy once, for any number of subjects.
func (s Source) Explainer(now time.Time) (*Explainer, error) {
	p, err := s.Load(now)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: s.File, kind: Kind, at: map[string]*yaml.Node{}}
	d.read(s.Text)
	e := &Explainer{p, map[string]map[int]int{}}
	for path, n := range d.at {
		line := s.lineOf(n.Line)
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Tag == "!!null" { // all of it stands in comments: it says nothing
			continue
		}
		index := noScope
		if rest, ok := strings.CutPrefix(path, "scopes["); ok {
			number, key, _ := strings.Cut(rest, "]")
			index, _ = strconv.Atoi(number) // the decoder wrote it
			path = "scope" + key
		}
		if e.lines[path] == nil {
			e.lines[path] = map[int]int{}
		}
		e.lines[path][index] = line
	}
	return e, nil
}

// Explain says which scopes, modes, levels and exemptions decide about a subject, by the labels of its namespace, and
// which lines of the policy say so.
func (e *Explainer) Explain(subject *rules.Subject, namespaceLabels map[string]string) *Explanation {
	scopes, exemptions := e.matching(place{subject.Namespace, subject.OwnerKind, namespaceLabels, subject.Meta.Labels})
	one := explanation{e, subject, scopes}
	return one.explain(namespaceLabels, exemptions)
}

// explanation is what is asked about one subject.
type explanation struct {
	*Explainer
	subject *rules.Subject
	scopes  []int // that match
}

func (e *explanation) explain(namespaceLabels map[string]string, exemptions []int) *Explanation {
	out := &Explanation{}
	effective := e.doc.settings
	for _, i := range e.scopes {
		effective = effective.with(e.doc.Scopes[i].settings)
		out.Scopes = append(out.Scopes, Decided{Key: "scope", Value: e.scopeName(i), Line: e.lines["scope"][i]})
	}
	mode := e.lastSaying("mode", string(effective.Mode))
	if label, _ := namespaceMode(namespaceLabels); label != "" {
		effective.Mode = label
		mode = Decided{Key: "mode", Value: string(label), By: "the namespace's label " + ModeLabel}
	}
	out.Keys = []Decided{
		e.lastSaying("profile", string(effective.Profile)), mode,
		e.lastSaying("fixes", strconv.FormatBool(*effective.Fixes)), e.lastSaying("workloads", string(effective.Workloads)),
		e.lastSaying("allowPodExemptions", strconv.FormatBool(*effective.AllowPodExemptions)),
		e.lastSaying("injectedContainers", strings.Join(effective.InjectedContainers, ",")),
	}
	settings := e.settings(effective, e.scopes)
	exempt := e.exemptionSet(exemptions)
	injected := out.Keys[len(out.Keys)-1]
	var own *rules.Exemption
	var ownRules []string
	if *effective.AllowPodExemptions {
		ownRules, own, _ = podExemption(e.subject)
	}
	for i, rule := range rules.Catalogue() {
		one := RuleDecided{Rule: rule, Uncapped: settings[i].Level, Level: min(settings[i].Level, effective.Mode.level())}
		one.LevelBy = e.lastSaying("rules."+rule.ID+".level", settings[i].Level.String())
		if one.LevelBy.Line == 0 {
			one.LevelBy = out.Keys[0]
			one.LevelBy.Key, one.LevelBy.Value = "level", settings[i].Level.String()
			one.LevelBy.By = strings.TrimSuffix("profile "+string(effective.Profile)+", "+out.Keys[0].By, ", by default")
		}
		one.FixBy = e.fixDecided(rule, settings[i], effective)
		if effective.Mode == ModeOff { // whatever else is written
			one.LevelBy = Decided{"level", rules.Off.String(), "mode off, " + mode.By, mode.Line}
			if rule.HasFix() {
				one.FixBy = Decided{Key: "fix", Value: "off"}
			}
			out.Rules = append(out.Rules, one)
			continue
		}
		if one.Level != rules.Off {
			mine := own
			if !slices.Contains(ownRules, rule.ID) {
				mine = nil
			}
			for _, c := range e.targets(rule) {
				level := one.Level
				if c != nil && level > rules.Audit && slices.Contains(effective.InjectedContainers, c.Name) {
					level = rules.Audit
					one.Lower = append(one.Lower, Decided{c.Name, level.String(), "injectedContainers " + injected.By, injected.Line})
				}
				one.Lower = append(one.Lower, e.exempted(exempt.byRule[rule], c, mine, level)...)
			}
		}
		out.Rules = append(out.Rules, one)
	}
	return out
}

func (e *explanation) fixDecided(rule *rules.Rule, s rules.Setting, effective settings) Decided {
	by := e.lastSaying("rules."+rule.ID+".fix", "off")
	switch {
	case !rule.HasFix():
		return Decided{Key: "fix", Value: "none"}
	case s.Fix != rules.NoFix:
		by.Value = "on"
		if effective.Mode == ModeAudit {
			by.Value = "would be on"
		}
	case !*effective.Fixes:
		return e.lastSaying("fixes", "off")
	}
	return by
}

// targets are what findings of a rule are about: the containers, or the pod, which is nil.
func (e *explanation) targets(rule *rules.Rule) []*rules.Container {
	if rule.PerPod() {
		return []*rules.Container{nil}
	}
	list := make([]*rules.Container, len(e.subject.Containers))
	for i := range list {
		list[i] = &e.subject.Containers[i]
	}
	return list
}

// exempted is the exemption that decides about a container, nil for the pod, where there is one; own is that of the
// subject itself. It makes no level louder.
func (e *explanation) exempted(candidates []*compiledExemption, c *rules.Container, own *rules.Exemption, level rules.Level) []Decided {
	d := Decided{By: ", the annotation " + ExemptAnnotation}
	if own == nil {
		if own = firstOf(candidates, c); own == nil {
			return nil
		}
		i := slices.IndexFunc(candidates, func(x *compiledExemption) bool { return x.note == own })
		d = Decided{Line: e.lines[fmt.Sprintf("exemptions[%d]", candidates[i].index)][noScope]}
	}
	d.Value, d.By = min(own.Level(), level).String(), own.String()+d.By
	if c != nil {
		d.Key = c.Name
	}
	return []Decided{d}
}

// lastSaying finds the last scope that says something at a path, else the document, else nothing but the default.
func (e *explanation) lastSaying(path, value string) Decided {
	name := path[strings.LastIndexByte(path, '.')+1:]
	if inScopes := e.lines["scope."+path]; inScopes != nil {
		for _, i := range slices.Backward(e.scopes) {
			if line := inScopes[i]; line > 0 {
				return Decided{name, value, "scope " + e.scopeName(i), line}
			}
		}
	}
	if line := e.lines[path][noScope]; line > 0 {
		return Decided{name, value, "for everyone", line}
	}
	return Decided{name, value, "by default", 0}
}

func (p *Policy) scopeName(i int) string {
	if name := p.doc.Scopes[i].Name; name != "" {
		return name
	}
	return fmt.Sprintf("scopes[%d]", i)
}
