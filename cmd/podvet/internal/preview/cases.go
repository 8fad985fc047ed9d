package preview

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/rules/policy/strict"
)

// CasesKind is the kind of a file of cases.
const CasesKind = "PolicyTest"

// Cases is a file of cases for a policy.
type Cases struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Policy     string     `json:"policy"`
	Date       policy.Day `json:"date"`
	Cases      []Case     `json:"cases"`
}

// Case is manifests, or the text itself under objects, with the findings and fixes wanted by the objects' names.
type Case struct {
	Name      string              `json:"name"`
	Date      policy.Day          `json:"date"`
	Manifests string              `json:"manifests"`
	Objects   string              `json:"objects"`
	Want      map[string][]string `json:"want"`
	Fixed     map[string][]string `json:"fixed"`
}

// DecodeCases reads a file of cases as strictly as a policy. The error is of type policy.Errors.
func DecodeCases(file string, text []byte, into any) error {
	return strict.Decode(file, text, strict.Head{APIVersion: policy.APIVersion, Kind: CasesKind}, into)
}

// Differences says how what was found differs from what is wanted.
func (c Case) Differences(found *report.Report) ([]string, error) {
	findings, fixed := map[string][]string{}, map[string][]string{}
	for s := range found.Subjects {
		name := s.Kind + "/" + s.Name
		if s.Namespace != "" {
			name = s.Kind + "/" + s.Namespace + "/" + s.Name
		}
		findings[name] = append(findings[name], findingWords(s)...)
		fixed[name] = append(fixed[name], fixedWords(s)...)
		if findings[name] == nil {
			findings[name] = []string{}
		}
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	want, err := fullNames(c.Want, findings)
	if err != nil {
		return nil, fmt.Errorf("want: %w", err)
	}
	names := slices.Collect(maps.Keys(want))
	differences := compareWanted("findings", want, findings, findings)
	if c.Fixed != nil {
		if want, err = fullNames(c.Fixed, findings); err != nil {
			return nil, fmt.Errorf("fixed: %w", err)
		}
		differences = append(differences, compareWanted("fixed", want, fixed, findings)...)
	}
	unjudged := func(name string) bool { return findings[name] == nil }
	if about := aboutPatches(found); about != "" && slices.ContainsFunc(names, unjudged) {
		differences = append(differences, about)
	}
	return differences, nil
}

// aboutPatches says what to do about patches in the input, "" where there are none.
func aboutPatches(found *report.Report) string {
	for _, s := range found.Skipped {
		if s.Reason == report.LooksLikeAPatch || report.IsPatch(s.Reason) {
			return "A patch is part of an object: name a file with what kubectl kustomize DIR prints"
		}
	}
	return ""
}

// check names all levels and rules that do not exist: what is misspelt would only be missing.
func (c Case) check() error {
	var errs []error
	for _, list := range []struct {
		name string
		want map[string][]string
	}{{"want", c.Want}, {"fixed", c.Fixed}} {
		for _, object := range slices.Sorted(maps.Keys(list.want)) {
			for _, words := range list.want[object] {
				if wrong := misspelt(words, list.name == "want"); wrong != "" {
					errs = append(errs, fmt.Errorf("%s of %s: %s", list.name, object, wrong))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// misspelt says what is wrong with "LEVEL RULE/CONTAINER", or without a level with "RULE/CONTAINER".
func misspelt(words string, withLevel bool) string {
	if withLevel {
		levels := []string{rules.Deny.String(), rules.Warn.String(), rules.Audit.String()}
		level, rule, found := strings.Cut(words, " ")
		switch {
		case !found:
			return fmt.Sprintf("write LEVEL RULE, not %q", words)
		case !slices.Contains(levels, level):
			return fmt.Sprintf("%q has no level%s, write %s", words, strict.DidYouMean(level, levels),
				strict.OrList(levels))
		}
		words = rule
	}
	rule, _, _ := strings.Cut(words, "/")
	if catalogue.All.Lookup(rule) != nil {
		return ""
	}
	return fmt.Sprintf("there is no rule %q%s, podvet rules lists them", rule,
		strict.DidYouMean(rule, catalogue.All.IDs()))
}

// fullNames puts the namespace into names that are written without it and mean one object.
func fullNames(want, known map[string][]string) (map[string][]string, error) {
	full, writtenAs := map[string][]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		written := name
		kind, short, _ := strings.Cut(name, "/")
		meant := []string{}
		for other := range known {
			if parts := strings.Split(other, "/"); len(parts) == 3 && parts[0] == kind && parts[2] == short {
				meant = append(meant, other)
			}
		}
		if known[name] == nil && len(meant) == 1 {
			name = meant[0]
		}
		if first, twice := writtenAs[name]; twice {
			return nil, fmt.Errorf("%s and %s name one object: write it once", first, written)
		}
		full[name], writtenAs[name] = want[written], written
	}
	return full, nil
}

func findingWords(s *report.Subject) []string {
	words := make([]string, 0, len(s.Findings))
	for _, f := range s.Findings {
		words = append(words, f.Level.String()+" "+f.Rule+"/"+f.Container)
	}
	return words
}

// compareWanted says what of each object is missing and what is too much; known are all objects.
func compareWanted(what string, want, got, known map[string][]string) []string {
	var lines []string
	names := map[string]bool{}
	for name := range want {
		names[name] = true
	}
	for name := range got {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if known[name] == nil {
			lines = append(lines, fmt.Sprintf("%s was not judged: there are %s",
				name, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
			continue
		}
		wanted := withContainers(want[name], got[name])
		for _, missing := range minus(wanted, got[name]) {
			lines = append(lines, fmt.Sprintf("%s: %s: missing: %s", name, what, ofPod(missing)))
		}
		for _, extra := range minus(got[name], wanted) {
			lines = append(lines, fmt.Sprintf("%s: %s: not expected: %s", name, what, ofPod(extra)))
		}
	}
	return lines
}

// withContainers replaces what is wanted without a container, "deny RULE", with all that there is of it: any container
// will do, and so will the pod.
func withContainers(want, got []string) []string {
	var all []string
	for _, wanted := range want {
		if strings.Contains(wanted, "/") {
			all = append(all, wanted)
			continue
		}
		found := false
		for _, one := range got {
			if strings.HasPrefix(one, wanted+"/") {
				found = true
				if !slices.Contains(want, one) {
					all = append(all, one)
				}
			}
		}
		if !found {
			all = append(all, wanted)
		}
	}
	return all
}
