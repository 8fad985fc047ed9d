package rules

import (
	"cmp"
	"embed"
	"io/fs"
	"slices"
)

// The documentation and the fixtures of each rule, in a folder of its name.
//
//go:embed catalogue
var folders embed.FS

// catalogue holds every rule, by group and id. Each rule's file registers it.
var catalogue []*Rule

// fixOrder is the order in which fixes are applied: handlers first, then the numbers that depend on them,
// the grace period last, for it must hold all that runs in it.
var fixOrder = []string{
	"no-readiness-probe",
	"no-liveness-probe",
	"exec-probe-short-timeout",
	"startup-budget-too-short",
	"liveness-too-aggressive",
	"no-startup-probe",
	"no-prestop-drain",
	"prestop-exceeds-grace",
}

func register(r *Rule) *Rule {
	catalogue = append(catalogue, r)
	return r
}

func init() {
	slices.SortFunc(catalogue, func(a, b *Rule) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.ID, b.ID))
	})
	for i, r := range catalogue {
		r.index = i
	}
	fixOrder = slices.DeleteFunc(fixOrder, func(id string) bool { return Lookup(id) == nil })
}

// Catalogue returns all rules, by group and id. The slice must not be changed.
func Catalogue() []*Rule { return catalogue }

// IDs returns the ids of all rules, in the order of the catalogue.
func IDs() []string {
	ids := make([]string, len(catalogue))
	for i, r := range catalogue {
		ids[i] = r.ID
	}
	return ids
}

// Lookup returns the rule with an id, nil when there is none.
func Lookup(id string) *Rule {
	for _, r := range catalogue {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Documentation is the rule's page, in Markdown.
func (r *Rule) Documentation() string {
	page, err := fs.ReadFile(folders, "catalogue/"+r.ID+"/rule.md")
	if err != nil {
		panic(err) // embedded; a test reads every page
	}
	return string(page)
}
