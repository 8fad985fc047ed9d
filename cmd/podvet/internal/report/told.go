package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/podvet/podvet/rules"
)

// told is one line about a subject: a finding, or what a fix would repair.
type told struct {
	rule, container, path string
	level                 rules.Level // audit of what a fix would repair
	fixable               bool
	inEnforce             bool // mode enforce would make it a denial
	exempt                string
	line                  int // 0 where unknown
	message, figure       string
}

// word is what stands in front of the message.
func (t told) word() string {
	if t.fixable {
		return fixable
	}
	return t.level.String()
}

// refused tells whether mode enforce would refuse the object for it.
func (t told) refused() bool { return t.level == rules.Deny || t.inEnforce }

// gravity is the place in an order of the gravest first: what enforce refuses, warnings, what is fixed, the rest.
func (t told) gravity() int {
	switch {
	case t.refused():
		return 0
	case t.level == rules.Warn:
		return 1
	case t.fixable:
		return 2
	}
	return 3
}

// words are the message without the rule, for tables that have the rule in a column.
func (t told) words() string { return strings.TrimSuffix(t.message, " ["+t.rule+"]") }

// fails tells whether this is a failure; denials always are.
func (t told) fails(on FailOn) bool {
	return t.level == rules.Deny || t.level == rules.Warn && on.warnings() || t.fixable && on == Fixable
}

// told is all that is said of a subject, in the order of lines and at one line the gravest first.
func (s *Subject) told() []told {
	list := make([]told, 0, len(s.Findings)+len(s.Fixed))
	for _, f := range s.Findings {
		list = append(list, told{rule: f.Rule, container: f.Container, path: f.Path, level: f.Level,
			inEnforce: f.DeniedInEnforce, exempt: f.Exempt, line: f.Line, message: f.Message, figure: f.Figure})
	}
	for _, f := range s.Fixed {
		list = append(list, told{rule: f.Rule, container: f.Container, path: f.Path, level: rules.Audit,
			fixable: true, line: f.Line, message: f.line(), figure: f.Figure})
	}
	slices.SortStableFunc(list, func(a, b told) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(b.level, a.level))
	})
	return list
}
