package console

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Printable is a text of which nothing acts on a terminal: names in a manifest may hold anything. Control characters
// and others that cannot be seen are written as Go writes them; all else stays.
func Printable(text string) string {
	visible := utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) < 0
	if visible {
		return text
	}
	quoted := strconv.Quote(text)
	return unquote.Replace(quoted[1 : len(quoted)-1])
}

// PrintableLines is a text each line of which is printable.
func PrintableLines(text string) string {
	var out strings.Builder
	for line := range strings.SplitAfterSeq(text, "\n") {
		line, ended := strings.CutSuffix(line, "\n")
		out.WriteString(Printable(line))
		if ended {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

var unquote = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// longest is how many bytes of a text OneLine keeps.
const longest = 300

// OneLine is a text that fits a line: each run of blanks and line breaks is one blank, and a long text is cut.
func OneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// Wrap breaks a text at blanks, so that no line is wider than width; a width of 0 is none. The text begins at column,
// after what the caller has written on that line. The lines after the first begin with indent. The last one ends with a
// line break.
func Wrap(text string, column, width int, indent string) string {
	var out strings.Builder
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width > 0 && column+1+n > width:
			out.WriteString("\n" + indent)
			column = len(indent)
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += n
	}
	return out.String() + "\n"
}
