package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
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
	doc *Document
}

// Explainer reads a good policy once, for any number of subjects.
func (s Source) Explainer(c *rules.Catalogue, now time.Time) (*Explainer, error) {
	doc, err := s.Document(c)
	if err != nil {
		return nil, err
	}
	return &Explainer{doc.Compile(now), doc}, nil
}

// Explain says which scopes, modes, levels and exemptions decide about a subject, by the labels of its namespace, and
// which lines of the policy say so.
func (e *Explainer) Explain(subject *pod.Subject, namespaceLabels map[string]string) *Explanation {
	scopes, exemptions := e.matching(placeOf(subject, namespaceLabels))
	label, _ := namespaceMode(e.written, scopes, namespaceLabels)
	d := decide(e.catalogue, e.written, scopes, label)
	profile := e.words(d.profile.value.String(), d.profile.key, d.profile.where)
	mode := e.words(string(d.mode.value), d.mode.key, d.mode.where)
	out := &Explanation{Rules: make([]RuleDecided, 0, len(d.rules)), Keys: []Decided{
		profile, mode,
		e.words(strconv.FormatBool(d.fixes.value), d.fixes.key, d.fixes.where),
		e.words(string(d.workloads.value), d.workloads.key, d.workloads.where),
		e.words(string(d.ownedPods.value), d.ownedPods.key, d.ownedPods.where),
		e.words(d.namespace.value.String(), d.namespace.key, d.namespace.where),
		e.words(string(d.kubernetes()), d.kubelets.key, d.kubelets.where),
		e.words(string(d.help.value), d.help.key, d.help.where),
		e.words(strconv.FormatBool(d.exempt.value), d.exempt.key, d.exempt.where),
		e.words(strings.Join(texts(d.injected.value), ","), d.injected.key, d.injected.where),
	}}
	for _, i := range scopes {
		line := e.line(strict.Entry("scopes", i))
		out.Scopes = append(out.Scopes, Decided{Key: "scope", Value: e.scopeName(i), Line: line})
	}
	exempt, _ := exemptionsOf(e.catalogue, subject, d.exempt.value, e.exemptionSet(exemptions, nil))
	profile.By = strings.TrimSuffix("profile "+profile.Value+", "+profile.By, ", by default")
	mode.By = "mode " + mode.Value + ", " + mode.By
	for i, rule := range e.catalogue.Rules() {
		level := d.rules[i].level
		one := RuleDecided{Rule: rule, Uncapped: level.value, Level: min(level.value, d.mode.value.level())}
		switch level.key {
		case keyLevel:
			one.LevelBy = e.words("", "rules."+rule.ID+"."+keyLevel, level.where)
		case keyProfile:
			one.LevelBy = profile
		case keyMode:
			one.LevelBy = mode
		}
		one.LevelBy.Key, one.LevelBy.Value = keyLevel, level.value.String()
		one.FixBy = e.fixBy(rule, d.rules[i].fix, d)
		if one.Level != rules.Off {
			one.Lower = e.lower(subject, &one, d, exempt)
		}
		out.Rules = append(out.Rules, one)
	}
	return out
}

// line is where in the file a path of the document is written, 0 where it is not.
func (e *Explainer) line(path string) int { return e.doc.source.lineOf(e.doc.places.Line(path)) }

// words says where the value of a key is written.
func (e *Explainer) words(value, path string, where int) Decided {
	out := Decided{Key: path[strings.LastIndexByte(path, '.')+1:], Value: value}
	switch where {
	case byDefault:
		out.By = "by default"
	case forEveryone:
		out.By, out.Line = "for everyone", e.line(path)
	case onNamespace:
		out.By = "the namespace's label " + ModeLabel
	default:
		out.By, out.Line = "scope "+e.scopeName(where), e.line(strict.Entry("scopes", where)+"."+path)
	}
	return out
}

func (e *Explainer) scopeName(i int) string {
	if name := e.written.Scopes[i].Name; name != "" {
		return string(name)
	}
	return strict.Entry("scopes", i)
}

// fixBy says whether a rule's fix is applied, and why.
func (e *Explainer) fixBy(rule *rules.Rule, fix answer[rules.FixMode], d *decision) Decided {
	value := "off"
	switch {
	case !rule.HasFix():
		return Decided{Key: keyFix, Value: "none"}
	case fix.key == keyMode:
		return Decided{Key: keyFix, Value: value}
	case fix.key == keyFixes:
		return e.words(value, keyFixes, fix.where)
	case fix.value != rules.NoFix && d.mode.value == ModeAudit:
		value = "would be on"
	case fix.value != rules.NoFix:
		value = "on"
	}
	return e.words(value, "rules."+rule.ID+"."+keyFix, fix.where)
}

// lower says where findings of a rule are quieter than its level.
func (e *Explainer) lower(s *pod.Subject, rule *RuleDecided, d *decision, exempt exemptions) (lower []Decided) {
	containers := []*pod.Container{nil} // the pod
	if !rule.Rule.PerPod() {
		containers = containers[:0]
		for i := range s.Containers {
			containers = append(containers, &s.Containers[i])
		}
		containers = slices.AppendSeq(containers, s.InitContainers())
	}
	who := &rule.Rule.Who
	for _, c := range containers {
		if who.Containers != 0 && !who.Includes(s, c) { // a rule about the object may name any container
			continue
		}
		level, name := rule.Level, ""
		if c != nil {
			name = c.Name
			injected := slices.Contains(d.injected.value, containerName(name)) && !rule.Rule.AboutInjected
			if level > rules.Audit && injected {
				level = rules.Audit
				by := e.words(level.String(), keyInjected, d.injected.where)
				lower = append(lower, Decided{name, by.Value, keyInjected + " " + by.By, by.Line})
			}
		}
		if found := exempt.find(rule.Rule, c); found != nil {
			by := Decided{Key: name, Value: min(found.note.Level(), level).String(), By: found.note.Whole()}
			if found.index == ofPod {
				by.By += ", the annotation " + ExemptAnnotation
			} else {
				by.Line = e.line(strict.Entry("exemptions", found.index))
			}
			lower = append(lower, by)
		}
	}
	return lower
}
