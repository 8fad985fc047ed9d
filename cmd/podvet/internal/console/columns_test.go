package console

import "testing"

func TestColumns(t *testing.T) {
	for _, c := range []struct {
		name  string
		rows  [][]string
		width int
		want  string
	}{
		{"nothing", nil, 80, ""},
		{"all fits", [][]string{{"a", "bb", "c d"}, {"aaa", "", "e"}}, 80, "  a    bb  c d\n  aaa      e\n"},
		{"the last is wrapped", [][]string{{"key", "one two three four five six seven"}}, 37,
			"  key  one two three four five six\n       seven\n"},
		{"another first", [][]string{{"a", "a list of many names", "one two three four"}}, 36,
			"  a  a list of    one two three four\n     many names\n"},
		{"both", [][]string{{"a", "a list of many names", "one two three four"}}, 19,
			"  a  a      one two\n     list   three\n     of     four\n     many\n     names\n"},
		{"a word that never fits", [][]string{{"key", "a-word-that-is-wider-than-all-of-the-line"}}, 20,
			"  key  a-word-that-is-wider-than-all-of-the-line\n"},
		{"characters, not bytes", [][]string{{"é", "x"}, {"e", "x"}}, 80, "  é  x\n  e  x\n"},
	} {
		if got := Columns(c.rows, "  ", c.width); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}
