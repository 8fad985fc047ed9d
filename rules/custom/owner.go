package custom

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// Owner is a kind of owner as a person names it. An operator's own kinds have names that podvet cannot know.
type Owner string

// Schema is that of a kind.
func (Owner) Schema() strict.Schema { return strict.TextLike(kindSyntax) }

// Problem says what is wrong with the name, "" for nothing.
func (k Owner) Problem() string {
	kinds := pod.OwnerKinds()
	if slices.Contains(kinds, string(k)) {
		return ""
	}
	for _, kind := range kinds {
		// Operators have kinds such as TFJob: only what is nearly one of these is taken for a typing mistake.
		distance := levenshtein.ComputeDistance(string(k), kind)
		if pod.OwnerKindLike(string(k)) == kind || distance <= 1 && len(kind) >= 5 || distance <= 2 && len(kind) >= 8 {
			return fmt.Sprintf("is %q, which is not a kind (did you mean %s?)", string(k), kind)
		}
	}
	if kindSyntax.MatchString(string(k)) {
		return ""
	}
	all := strings.Join(kinds, ", ")
	return fmt.Sprintf("is %q, which is not a kind: write %s, or the kind of an operator", string(k), all)
}

// Kinds are those of the built-in table and of a policy's own entries.
func Kinds(more []Entry) (kinds []string) {
	for i := range table {
		kinds = append(kinds, table[i].Kind)
	}
	for _, entry := range more {
		kinds = append(kinds, string(entry.Kind))
	}
	return kinds
}
