package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Reasons for which something is skipped. Those about files and documents begin with the word to count.
const (
	NotAWorkload      = "not a workload"
	UnknownKind       = "podvet does not know this kind"
	JudgedWithOwner   = "judged with the owner"
	OldReplicaSet     = "old, scaled to 0"
	LooksLikeAPatch   = "looks like a patch: " + Builds
	NoTemplate        = "incomplete: no pod template with containers"
	TemplateElsewhere = "workloadRef names the workload with its pod template"
	NoObject          = "file without a Kubernetes object"
	NoObjectDocument  = "document without apiVersion and kind"
	NotRendered       = "file with {{ (template)"
	JSONPatch         = "operation of a JSON patch (" + Builds + ")"
	HelmValues        = "file with Helm values (helm template CHART -f FILE | podvet check -)"
	belowChart        = "file below the Helm chart "
	patchFile         = "file with a patch ("
	// Builds is what to run in place of looking at a patch.
	Builds = "kubectl kustomize DIR | podvet check -"
)

// PatchIn is the reason of a file that a kustomization lists as a patch, with what to run in its place.
func PatchIn(folder string) string {
	return patchFile + strings.Replace(Builds, "DIR", folder, 1) + ")"
}

// IsPatch tells whether a file or a document is skipped as a patch, which no one can judge without its object.
func IsPatch(reason string) bool { return reason == JSONPatch || strings.HasPrefix(reason, patchFile) }

// Counted is a reason as counts have it: of patches there is one for all folders.
func Counted(reason string) string {
	if strings.HasPrefix(reason, patchFile) {
		return PatchIn("DIR")
	}
	return reason
}

// BelowChart is the reason of files of a Helm chart in a folder.
func BelowChart(folder string) string { return belowChart + folder }

// Holds tells whether the input held an object that podvet judges or knows to skip.
func (r *Report) Holds() bool {
	return r.Summary.Subjects > 0 ||
		slices.ContainsFunc(r.Skipped, func(s Skipped) bool {
			return s.Kind != "" || IsPatch(s.Reason)
		})
}

// lines are the summary for people.
func (r *Report) lines(shared bool) []string {
	s := r.Summary
	first := fmt.Sprintf("%s: %d deny, %d warn, %d audit, %d fixable",
		plural(s.Subjects, "object"), s.Deny, s.Warn, s.Audit, s.Fixable)
	if s.Invalid > 0 {
		first += fmt.Sprintf(", %d invalid", s.Invalid)
	}
	if shared { // or the counts would not add up
		first += "; what pods of one owner share is shown once and counts for each"
	}
	lines := []string{first}
	if len(r.Skipped) > 0 {
		lines = append(lines, "skipped: "+SkippedWords(r.Skipped))
	}
	if r.OneByOne != "" {
		lines = append(lines, r.OneByOne)
	}
	if s.Capped > 0 {
		lines = append(lines, fmt.Sprintf("%d would be denied in mode enforce", s.DeniedInEnforce))
	}
	return lines
}

// SkippedWords names kinds with their number, the most frequent first, and then what is not an object.
func SkippedWords(skipped []Skipped) string {
	skipped = slices.Clone(skipped)
	slices.SortStableFunc(skipped, func(a, b Skipped) int {
		if (a.Kind == "") != (b.Kind == "") {
			return cmp.Compare(b.Kind, a.Kind) // "" last
		}
		return b.Count - a.Count
	})
	named := map[string]int{} // kinds that nothing but their groups tells apart
	for _, s := range skipped {
		if s.byKind() {
			named[s.Kind]++
		}
	}
	words := make([]string, len(skipped))
	for i, s := range skipped {
		switch {
		case s.byKind() && s.Group != "" && named[s.Kind] > 1:
			words[i] = fmt.Sprintf("%s.%s %d", s.Kind, s.Group, s.Count)
		case s.Kind == "":
			unit, rest, _ := strings.Cut(s.Reason, " ")
			words[i] = plural(s.Count, unit) + " " + rest
		case s.byKind():
			words[i] = fmt.Sprintf("%s %d", s.Kind, s.Count)
		default:
			words[i] = fmt.Sprintf("%s %d (%s)", s.Kind, s.Count, s.Reason)
		}
	}
	return strings.Join(words, ", ")
}

// byKind tells whether the kind is all that is said of what was skipped.
func (s Skipped) byKind() bool {
	return s.Kind != "" && (s.Reason == NotAWorkload || s.Reason == UnknownKind)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
