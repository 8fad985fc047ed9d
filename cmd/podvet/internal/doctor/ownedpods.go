package doctor

import (
	"cmp"
	"slices"
	"strings"

	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/rules/policy/strict"
)

// OwnedPods says what ownedPods: warn does in a policy, for whom and in which mode, nothing where no place has it:
// where new work is refused instead of pods, and where nothing of a workload is refused.
func OwnedPods(p *policy.Policy) (newWork, nothing []string) {
	places := p.Lenient()
	for len(places) > 0 {
		first, scopes := places[0], []int(nil)
		places = slices.DeleteFunc(places, func(at policy.Lenient) bool {
			same := at.Mode == first.Mode && at.Templates == first.Templates
			if same {
				scopes = append(scopes, at.Scope)
			}
			return same
		})
		text := forWhom(p, scopes) + ": "
		if first.Mode != policy.ModeEnforce {
			text += "mode " + string(first.Mode) + " refuses nothing, and in mode enforce "
		}
		if first.Templates {
			newWork = append(newWork, text+"new workloads and changed templates are refused (workloads: deny), "+
				"while pods of workloads are created with a warning (ownedPods: warn)")
		} else {
			nothing = append(nothing, text+"neither workloads nor their pods are refused "+
				"(ownedPods: warn without workloads: deny)")
		}
	}
	return newWork, nothing
}

// forWhom names everyone and scopes by their indexes.
func forWhom(p *policy.Policy, scopes []int) string {
	var whom, names []string
	for _, i := range scopes {
		if i < 0 {
			whom = append(whom, "for everyone")
		} else {
			names = append(names, cmp.Or(string(p.Written().Scopes[i].Name), strict.Entry("scopes", i)))
		}
	}
	if names != nil {
		whom = append(whom, "in scope "+strings.Join(names, ", "))
	}
	return strings.Join(whom, " and ")
}
