package webhook

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// maxListed bounds how many findings a refusal, the audit log and the log name.
const maxListed = 100

// verdict is what podvet makes of one object.
type verdict struct {
	findings []rules.Finding
	fixed    []rules.Fixed
	applied  bool // the fixes are in the patch
	patch    []rules.Operation

	subject *pod.Subject // nil where nothing was judged
	mode    policy.Mode
	policy  string // the hash of the policy that it was judged by
	help    string // the policy's, where people find more

	// Of a policy, its mistakes or what is worth a second look:
	lines   []string
	refused bool
}

// add makes of the verdicts about two templates of one object one.
func (v *verdict) add(other verdict) {
	if v.subject == nil {
		*v = other
		return
	}
	v.findings = append(v.findings, other.findings...)
	for _, line := range other.lines {
		if !slices.Contains(v.lines, line) {
			v.lines = append(v.lines, line)
		}
	}
}

func (v verdict) decision() string {
	switch {
	case v.refused:
		return "denied"
	case v.subject == nil && len(v.lines) == 0:
		return "passed"
	case len(v.patch) > 0:
		return "patched"
	case v.has(rules.Deny):
		return "denied"
	case len(v.lines) > 0 || v.has(rules.Warn):
		return "warned"
	}
	return "allowed"
}

// has tells whether a finding is of a level.
func (v verdict) has(level rules.Level) bool {
	return slices.ContainsFunc(v.findings, func(f rules.Finding) bool { return f.Level == level })
}

// at are the findings of a level.
func (v verdict) at(level rules.Level) []rules.Finding {
	return slices.DeleteFunc(slices.Clone(v.findings), func(f rules.Finding) bool { return f.Level != level })
}

// placeOf names a finding in a word, and says where it is exempted.
func placeOf(f rules.Finding) string {
	place := rules.Place(f.Rule, f.Container)
	if f.Exempt != nil {
		place += " (" + strings.ReplaceAll(f.Exempt.String(), ",", ";") + ")" // the list is separated by commas
	}
	return rules.OneLine(place)
}

// listed is the first maxListed of a list in words, and how many more there are.
func listed[T any](list []T, text func(T) string, more string) []string {
	words := make([]string, 0, min(len(list), maxListed)+1)
	for _, one := range list[:min(len(list), maxListed)] {
		words = append(words, text(one))
	}
	if rest := len(list) - maxListed; rest > 0 {
		words = append(words, fmt.Sprintf(more, rest))
	}
	return words
}
