package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
)

// Catalogue is a list of rules, checked when it is built. It is immutable.
type Catalogue struct {
	rules []*Rule
	fixes []*Rule // in the order in which they are applied
	byID  map[string]*Rule
}

// NewCatalogue takes the rules in the order in which they are listed and judged, those with a fix in the order in which
// the fixes are applied, and a folder for each rule. The catalogue can be used even with an error, which names all that
// is wrong with it.
func NewCatalogue(list, fixes []*Rule, pages fs.FS) (*Catalogue, error) {
	c := &Catalogue{rules: list, fixes: fixes, byID: make(map[string]*Rule, len(list))}
	var problems []error
	group := Presence
	for i, r := range list {
		r.index = i
		if r.Group < group {
			problems = append(problems,
				fmt.Errorf("rule %s: group %s comes before %s: move it up in the list", r.ID, r.Group, group))
		}
		group = r.Group
		if c.byID[r.ID] != nil {
			problems = append(problems, fmt.Errorf("rule %s: listed twice", r.ID))
		}
		c.byID[r.ID] = r
		problems = append(problems, c.problems(r, pages)...)
	}
	return c, errors.Join(append(problems, c.fixProblems()...)...)
}

var ruleID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)

// problems names what is wrong with one rule.
func (c *Catalogue) problems(r *Rule, pages fs.FS) (problems []error) {
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("rule %s: "+format, append([]any{r.ID}, args...)...))
	}
	if !ruleID.MatchString(r.ID) {
		bad("an id is words in lower case, joined by hyphens")
	}
	if r.Title == "" {
		bad("no Title: say the defect in a few words")
	}
	if r.unit != perPod && r.unit != perObject && r.Who.Containers == 0 {
		bad("Who.Containers is empty: say which classes of containers it is about")
	}
	if r.unit == perPod && r.hasFix {
		bad("a fix belongs to a container: declare it with ForContainer, ForProbe or ForHook")
	}
	if r.FixByDefault && !r.hasFix {
		bad("FixByDefault without a fix")
	}
	for _, other := range r.YieldsTo {
		if !slices.Contains(c.rules, other) {
			bad("yields to %s, which is not in the list", other.ID)
		}
	}
	if _, err := fs.Stat(pages, r.ID+"/rule.md"); err != nil {
		bad("no page: write %s/rule.md", r.ID)
	}
	for _, fixture := range []string{"bad", "good"} {
		if files, err := fs.Glob(pages, r.ID+"/"+fixture+"*.yaml"); err != nil || len(files) == 0 {
			bad("no fixture: write %s/%s.yaml", r.ID, fixture)
		}
	}
	return problems
}

// fixProblems holds the list of fixes against the rules that have one.
func (c *Catalogue) fixProblems() (problems []error) {
	for i, r := range c.fixes {
		switch {
		case !slices.Contains(c.rules, r):
			problems = append(problems,
				fmt.Errorf("the order of fixes has %s, which is not in the list of rules", r.ID))
		case !r.hasFix:
			problems = append(problems, fmt.Errorf("the order of fixes has %s, which has no fix", r.ID))
		case slices.Contains(c.fixes[:i], r):
			problems = append(problems, fmt.Errorf("the order of fixes has %s twice", r.ID))
		}
	}
	for _, r := range c.rules {
		if r.hasFix && !slices.Contains(c.fixes, r) {
			problems = append(problems, fmt.Errorf("rule %s: its fix is missing in the order of fixes", r.ID))
		}
	}
	return problems
}

// Rules returns all rules, in the order of the catalogue. The slice must not be changed.
func (c *Catalogue) Rules() []*Rule { return c.rules }

// Fixes returns the rules with a fix, in the order in which fixes are applied. The slice must not be changed.
func (c *Catalogue) Fixes() []*Rule { return c.fixes }

// IDs returns the ids of all rules, in the order of the catalogue.
func (c *Catalogue) IDs() []string {
	ids := make([]string, len(c.rules))
	for i, r := range c.rules {
		ids[i] = r.ID
	}
	return ids
}

// Lookup returns the rule with an id, nil when there is none.
func (c *Catalogue) Lookup(id string) *Rule { return c.byID[id] }
