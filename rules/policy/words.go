package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/agnivade/levenshtein"
)

// pattern is a name in which * stands for any run of characters, / included.
type pattern string

var patternCharacters = regexp.MustCompile(`^[A-Za-z0-9._/:@*-]+$`)

func (p pattern) problem() string {
	switch {
	case p == "":
		return "is empty and matches nothing: write a name, or * for all"
	case !patternCharacters.MatchString(string(p)):
		return fmt.Sprintf("is %q: a pattern has only letters, digits and - . _ / : @, and * for any run of characters", string(p))
	}
	return ""
}

// matches tells whether a name fits the pattern.
func (p pattern) matches(name string) bool {
	first, rest, wild := strings.Cut(string(p), "*")
	if !wild {
		return first == name
	}
	name, ok := strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	for {
		part, more, wild := strings.Cut(rest, "*")
		if !wild { // the last part stands at the end
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], more
	}
}

// anyMatches tells whether one of the patterns fits; none given fits all.
func anyMatches(patterns []pattern, name string) bool {
	for _, p := range patterns {
		if p.matches(name) {
			return true
		}
	}
	return len(patterns) == 0
}

// kindName is a kind of owner as a person names it. An operator's own kinds have names that podvet cannot know.
type kindName string

var kinds = []string{"Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job", "CronJob"}

var kindCharacters = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

func (k kindName) problem() string {
	if slices.Contains(kinds, string(k)) {
		return ""
	}
	for _, kind := range kinds {
		// Operators have kinds such as TFJob: only what is nearly one of these is taken for a typing mistake.
		distance := levenshtein.ComputeDistance(string(k), kind)
		if strings.EqualFold(string(k), kind) || strings.EqualFold(string(k), kind+"s") || distance <= 1 && len(kind) >= 5 || distance <= 2 && len(kind) >= 8 {
			return fmt.Sprintf("is %q, no kind (did you mean %s?)", string(k), kind)
		}
	}
	if kindCharacters.MatchString(string(k)) {
		return ""
	}
	return fmt.Sprintf("is %q, no kind: write %s, or the kind of an operator's own", string(k), strings.Join(kinds, ", "))
}

// ruleName is the id of a rule, or * for all.
type ruleName string

func (r ruleName) problem() string {
	if r != "*" && strings.Contains(string(r), "*") {
		return fmt.Sprintf("is %q: write a rule's id, or \"*\" alone for all rules", string(r))
	}
	return ""
}

// reasonText is one line of text: it is written in logs and reports.
type reasonText string

func (r reasonText) problem() string {
	if strings.TrimSpace(string(r)) == "" {
		return "is empty: say why, for those who read it later"
	}
	return controls(string(r))
}

// controls is the problem with text of more than one line, "" for none.
func controls(text string) string {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "has a line break or a control character: write one line"
	}
	return ""
}

// Day is a date in UTC.
type Day string

func (d Day) problem() string {
	if _, err := time.Parse(time.DateOnly, string(d)); err != nil {
		return fmt.Sprintf("is %q, no day: write it as 2027-03-01", string(d))
	}
	return ""
}

// Start is when the day begins.
func (d Day) Start() time.Time {
	t, _ := time.Parse(time.DateOnly, string(d)) // it was checked when it was read
	return t
}
