package console

import (
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		name, text    string
		column, width int
		indent, want  string
	}{
		{"fits", "a bc", 0, 4, "  ", "a bc\n"},
		{"one column too wide", "a bcd", 0, 4, "  ", "a\n  bcd\n"},
		{"the indent counts", "aaaa bb c", 0, 5, "  ", "aaaa\n  bb\n  c\n"},
		{"what stands before it counts", "a bc", 3, 6, "   ", "a\n   bc\n"},
		{"characters, not bytes", "é éé", 0, 4, "", "é éé\n"},
		{"a word that never fits", "abcdef g", 0, 3, "", "abcdef\ng\n"},
		{"no width", "a  b\nc", 0, 0, "  ", "a b c\n"},
		{"nothing", "", 0, 80, "", "\n"},
	} {
		if got := Wrap(c.text, c.column, c.width, c.indent); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		" a\n\tb  c\r\n":                 "a b c",
		strings.Repeat("x", longest):     strings.Repeat("x", longest),
		strings.Repeat("x", longest+1):   strings.Repeat("x", longest) + "…",
		"x" + strings.Repeat("é", 150):   "x" + strings.Repeat("é", 149) + "…",
		strings.Repeat(" ", 500) + "end": "end",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		`a "b" \ é 실제`:   `a "b" \ é 실제`,
		"\x1b[31mred":    `\x1b[31mred`,
		"a\nb":           `a\nb`,
		"\u202ereversed": `\u202ereversed`,
		"\xff \"b\" \\":  `\xff "b" \`,
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestNoTerminal: what is written to a file or a pipe is whole and plain.
func TestNoTerminal(t *testing.T) {
	var out strings.Builder
	long := strings.Repeat("word ", 100)
	Say(&out, strings.Lines(long+"\n\x1b[31m\n"))
	if got, want := out.String(), long+"\n\\x1b[31m\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if Width(&out) != 0 || Color(&out, func(string) string { return "" }) {
		t.Error("a builder is taken for a terminal")
	}
	out.Reset()
	stage, done := Progress(&out)
	stage("read")()
	done()
	if out.Len() > 0 {
		t.Errorf("progress wrote %q", out.String())
	}
}

// TestCell: no spreadsheet takes a text for a formula, in the wide forms of East Asia either, nor the rest of one after
// what it may take for the end of a cell: where a comma is in numbers, that is a semicolon.
func TestCells(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "",
		"web-1":             "web-1",
		"=cmd|' /C calc'":   "'=cmd|' /C calc'",
		"+1":                "'+1",
		"-x":                "'-x",
		"@SUM(A1)":          "'@SUM(A1)",
		"＝1+1":              "'＝1+1",
		"＠SUM(A1)":          "'＠SUM(A1)",
		"x;=cmd|' /C calc'": "x;'=cmd|' /C calc'",
		"a;b;-c":            "a;b;'-c",
		"sleep 5; true":     "sleep 5; true",
		"\t=1":              `\t=1`,
	} {
		if got := Cells(text)[0]; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
