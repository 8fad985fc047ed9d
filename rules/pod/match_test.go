package pod

import "testing"

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "", false}, {"*", "", true}, {"*", "a/b", true}, {"a", "a", true},
		{"a", "b", false}, {"a*", "abc", true}, {"a*", "bac", false}, {"*c", "abc", true}, {"*c", "cab", false},
		{"a*c", "ac", true}, {"a*a", "a", false}, {"a*b*c", "a-b-b-c", true}, {"a*b*c", "a-c-b", false},
		{"**", "", true}, {"*-*", "a-b", true}, {"*-*", "ab", false},
	} {
		if got := Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}
