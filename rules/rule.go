// Package rules knows what a good pod is: the catalogue of rules, the formulas behind them, and the
// engine that finds defects in a pod or a pod template and repairs those that can be repaired safely.
// It is pure: no clients, no I/O, no clock.
package rules

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Level is how loud a finding is.
type Level uint8

// The levels, from silent to refusing.
const (
	Off   Level = iota // neither finds nor fixes
	Audit              // admitted, only recorded
	Warn               // admitted, the user sees a warning
	Deny               // refused
)

var levelNames = [...]string{"off", "audit", "warn", "deny"}

func (l Level) String() string { return levelNames[l] }

// MarshalText writes the level as policies and reports spell it.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// ParseLevel reads a level as policies spell it.
func ParseLevel(s string) (Level, bool) { return parseName[Level](levelNames[:], s) }

// Profile chooses the level of every rule at once.
type Profile uint8

// The profiles, from lenient to strict.
const (
	Minimal Profile = iota
	Recommended
	Strict
)

var profileNames = [...]string{"minimal", "recommended", "strict"}

func (p Profile) String() string { return profileNames[p] }

// ParseProfile reads a profile as policies spell it.
func ParseProfile(s string) (Profile, bool) { return parseName[Profile](profileNames[:], s) }

func parseName[T ~uint8](names []string, s string) (T, bool) {
	for i, name := range names {
		if name == s {
			return T(i), true
		}
	}
	return 0, false
}

// Levels are a rule's levels in the profiles minimal, recommended and strict.
type Levels [3]Level

// Group is a section of the catalogue.
type Group uint8

// The groups, in the order of the catalogue.
const (
	Presence Group = iota
	StartupBudget
	ProbeSanity
	Ports
	RestartPolicy
	Termination
)

var groupNames = [...]string{"Presence", "Startup budget", "Probe sanity", "Ports", "Restart policy", "Termination"}

func (g Group) String() string { return groupNames[g] }

// Who says what a rule looks at. The engine does the looping; an empty field means all.
type Who struct {
	Containers  Class  // app containers, sidecars or both
	LongRunning bool   // only containers that are meant to run until they are stopped
	Probes      Kinds  // for rules about probes
	Owners      Owners // whose pods
	PodsOnly    bool   // not templates
}

// Rule finds one defect and may offer a repair.
type Rule struct {
	ID     string
	Group  Group
	Title  string // the defect in a few words, lower case
	Levels Levels
	Who    Who

	// FixByDefault turns the fix on unless a policy turns it off.
	FixByDefault bool
	// NeedsTemplate: the fix does nothing until a policy promises a handler in the parameter template.
	NeedsTemplate bool
	// YieldsTo names a rule whose finding on the same container silences this one's.
	YieldsTo string

	defaults any
	unit     unit
	hasFix   bool
	bind     func(params any) (check, fix func(*Pass))
	index    int // in the catalogue
}

// Defaults returns the rule's parameters as they are without a policy: a struct, or nil for none.
func (r *Rule) Defaults() any {
	if r.defaults == (None{}) {
		return nil
	}
	return r.defaults
}

// HasFix tells whether the rule can repair what it finds.
func (r *Rule) HasFix() bool { return r.hasFix }

// PerPod tells whether the rule judges the pod as a whole: its findings name no container.
func (r *Rule) PerPod() bool { return r.unit == perPod }

// None is the parameter type of a rule without parameters.
type None struct{}

// unit is what one call of a check or fix is about.
type unit uint8

const (
	perPod unit = iota
	perContainer
	perProbe
)

// ForPod declares a rule that judges the pod as a whole. fix may be nil.
func ForPod[P any](r Rule, defaults P, check, fix func(*Pass, P)) *Rule {
	return declare(r, perPod, defaults, check, fix)
}

// ForContainer declares a rule that is asked about each container it applies to. fix may be nil.
func ForContainer[P any](r Rule, defaults P, check, fix func(*Pass, P)) *Rule {
	return declare(r, perContainer, defaults, check, fix)
}

// ForProbe declares a rule that is asked about each probe it applies to. fix may be nil.
func ForProbe[P any](r Rule, defaults P, check, fix func(*Pass, P)) *Rule {
	return declare(r, perProbe, defaults, check, fix)
}

func declare[P any](r Rule, u unit, defaults P, check, fix func(*Pass, P)) *Rule {
	r.unit, r.defaults, r.hasFix = u, defaults, fix != nil
	r.bind = func(params any) (func(*Pass), func(*Pass)) {
		p := params.(P)
		bound := func(f func(*Pass, P)) func(*Pass) {
			if f == nil {
				return nil
			}
			return func(pass *Pass) { f(pass, p) }
		}
		return bound(check), bound(fix)
	}
	return &r
}

// Finding is one defect in one subject.
type Finding struct {
	Rule      *Rule
	Level     Level
	Uncapped  Level  // what Level would be in mode enforce
	Container string // "" for the pod
	Text      string // what will happen, when, and what to write instead
	Exempt    *Exemption

	where where
	field string
}

// Path is the place of the defect in the object, such as spec.containers[0].livenessProbe.
func (f Finding) Path() string {
	path := f.where.spec
	if f.where.list != "" {
		path += "." + f.where.list + "[" + strconv.Itoa(f.where.index) + "]"
	}
	if f.field != "" {
		path += "." + f.field
	}
	return path
}

// where is a container's place, or with an empty list the pod spec's.
type where struct {
	spec, list string
	index      int
}

// MaxLine is the longest a finding's line gets, in characters.
const MaxLine = 200

// String is the finding as people read it: one line of at most MaxLine characters that ends with the rule's id.
// Where it is too long the container's name is shortened first, in its middle, for the advice stands at the
// end of the text, and names that differ mostly do so at one of their ends.
func (f Finding) String() string {
	id := " [" + f.Rule.ID + "]"
	if f.Exempt != nil {
		id = " (" + f.Exempt.String() + ")" + id
	}
	text := f.Text
	if f.Container != "" {
		name := strconv.Quote(f.Container)
		room := MaxLine - len("container : ") - utf8.RuneCountInString(id) - utf8.RuneCountInString(f.Text)
		if runes := []rune(name); len(runes) > max(room, 24) {
			name = string(runes[:max(room, 24)-12]) + "…" + string(runes[len(runes)-11:])
		}
		text = "container " + name + ": " + f.Text
	}
	return truncate(text, MaxLine-utf8.RuneCountInString(id)) + id
}

// OneLine is a text as it may stand in a warning: at most MaxLine characters, and no line breaks.
func OneLine(text string) string {
	return truncate(strings.Join(strings.Fields(text), " "), MaxLine)
}

// truncate cuts text to at most n characters and marks the cut.
func truncate(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// Fixed says that a rule's fix was applied to a container ("" for the pod).
type Fixed struct {
	Rule      *Rule
	Container string
}

func (f Fixed) String() string { return f.Rule.ID + "/" + f.Container }
