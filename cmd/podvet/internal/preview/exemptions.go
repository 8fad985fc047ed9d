package preview

import (
	"slices"
	"strings"

	"github.com/podvet/podvet/rules/policy"
)

// exemption is an exemption in a sentence, and its reason, which may look like one with an owner there.
type exemption struct{ words, reason string }

func exemptionsOf(p *policy.Policy) []exemption {
	written := p.Written().Exemptions
	all := make([]exemption, 0, len(written))
	for i := range written {
		e := &written[i]
		ids := asSet(e.Rules)
		if slices.Contains(ids, "*") {
			ids = []string{"*"}
		}
		text := strings.Join(ids, ", ") + " for " + matchWords(&e.Match.Match)
		if len(e.Match.Containers) > 0 {
			text += ", containers " + strings.Join(asSet(e.Match.Containers), ", ")
		}
		if len(e.Match.Images) > 0 {
			text += ", images " + strings.Join(asSet(e.Match.Images), ", ")
		}
		if e.Expires != "" {
			text += ", until " + string(e.Expires)
		}
		text += " (" + string(e.Reason)
		if e.Owner != "" {
			text += "; " + string(e.Owner)
		}
		all = append(all, exemption{text + ")", string(e.Reason)})
	}
	return all
}

// shared is those of a list that another has too, each once.
func shared(list, other []exemption) []exemption {
	var both []exemption
	for _, one := range list {
		if slices.Contains(other, one) && !slices.Contains(both, one) {
			both = append(both, one)
		}
	}
	return both
}
