package preview

import (
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
