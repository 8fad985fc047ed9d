package pod

import "strings"

// Match tells whether a name fits a pattern, in which * stands for any run of characters, / included.
func Match(pattern, name string) bool {
	// Most patterns differ from a name in the first letter, and a search for * would take longer than all the rest.
	if pattern != "" && pattern[0] != '*' && (name == "" || pattern[0] != name[0]) {
		return false
	}
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return first == name
	}
	name, ok := strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	for {
		part, more, wild := strings.Cut(rest, "*")
		if !wild { // the last part stands at the end
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], more
	}
}

// MatchAny tells whether a name fits one of the patterns.
func MatchAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if Match(pattern, name) {
			return true
		}
	}
	return false
}
