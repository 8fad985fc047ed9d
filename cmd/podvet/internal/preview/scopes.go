package preview

import (
	"fmt"
	"slices"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// pairScopes finds for each scope of next which one of old it was, -1 for none. Names tell; of those without one
// what they mean, and else what they say.
func pairScopes(c *rules.Catalogue, old, next []policy.Scope) []int {
	before, after := scopeKeys(c, old), scopeKeys(c, next)
	pairs := slices.Repeat([]int{-1}, len(next))
	paired := make([]bool, len(old))
	pair := func(same func(was, now scopeKey) bool) {
		for j, now := range after {
			for i := 0; i < len(before) && pairs[j] < 0; i++ {
				if !paired[i] && same(before[i], now) {
					pairs[j], paired[i] = i, true
				}
			}
		}
	}
	pair(func(was, now scopeKey) bool { return was.name != "" && was.name == now.name })
	pair(func(was, now scopeKey) bool { return was == now })
	pair(func(was, now scopeKey) bool { return was.name == now.name && was.match == now.match })
	pair(func(was, now scopeKey) bool { return was.name == now.name && was.content == now.content })
	pair(func(was, now scopeKey) bool { return was.match == now.match && was.content == now.content }) // another name
	return pairs
}

// scopeKey is a scope in words.
type scopeKey struct{ name, match, content string }

func scopeKeys(c *rules.Catalogue, scopes []policy.Scope) []scopeKey {
	keys := make([]scopeKey, len(scopes))
	for i := range scopes {
		s := &scopes[i]
		content := []any{keysOf(&s.Settings)}
		for _, rule := range c.Rules() {
			if entry, ok := s.Rules[rule.ID]; ok {
				content = append(content, rule.ID, entry.Level, fixWords(entry.Fix), writtenParams(entry.Params))
			}
		}
		keys[i] = scopeKey{string(s.Name), matchWords(&s.Match), fmt.Sprintf("%q", content)}
	}
	return keys
}
