package preview

import (
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/policy"
)

// ByBoth judges everything by both policies.
func ByBoth(
	in *input.Input, namespaces manifest.Namespaces, both [2]*policy.Policy,
) (reports [2]*report.Report, err error) {
	for i, p := range both {
		if i > 0 {
			if err := in.Rewind(); err != nil {
				return reports, err
			}
		}
		reports[i] = vet.Judge{Policy: p, Namespaces: namespaces}.All(in.Texts, func() {}, nil)
	}
	return reports, nil
}

// InWords lists changes below the places where they are.
func InWords(changes []Change) string {
	if len(changes) == 0 {
		return "The policies mean the same.\n"
	}
	var text strings.Builder
	where := ""
	for _, c := range changes {
		if c.Where != where {
			text.WriteString(c.Where + "\n")
			where = c.Where
		}
		text.WriteString("  " + c.What + "\n")
	}
	return text.String()
}
