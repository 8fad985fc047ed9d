package strict

import (
	"bytes"
	"regexp"
	"strings"
)

// Explain says what the library's error about a text means: "is not valid YAML", why, and what to write. The line is
// one of the text, from 1.
func Explain(text []byte, err error) (line int, words string) {
	line, reason := Read(err)
	const tab = "tab character"
	at := tabLine(text, line)
	if at > 0 && (strings.Contains(reason, tab) || at == line && strings.Contains(reason, "any token")) {
		line, reason = at, tab
	}
	line = min(max(line, 1), bytes.Count(text, []byte{'\n'})+1) // the library may name a line after the last
	if isTemplate(text, line) || strings.Contains(reason, "expected ',' or") && hasBracedVariable(text, line) {
		return line, "is not valid YAML: a template has to be rendered first"
	}
	return line, "is not valid YAML, " + Words(reason)
}

// isTemplate tells whether {{ }} is why a text cannot be read: it stands beside the line that the library names, or
// begins a line before that.
func isTemplate(text []byte, line int) bool {
	mark, n := []byte("{{"), 0
	for content := range bytes.Lines(text) {
		n++
		switch {
		case n > line+1:
			return false
		case n >= line-1 && bytes.Contains(content, mark), bytes.HasPrefix(bytes.TrimLeft(content, " \t"), mark):
			return true
		}
	}
	return false
}

// bracedVariable is ${X} without quotes where a value begins: within brackets or braces its own braces end what stands
// before them.
var bracedVariable = regexp.MustCompile(`(^|[:,{\[])\s*\$\{`)

// hasBracedVariable tells whether one stands in the line that the library names or beside it.
func hasBracedVariable(text []byte, line int) bool {
	n := 0
	for content := range bytes.Lines(text) {
		if n++; n >= line-1 && n <= line+1 && bracedVariable.Match(content) {
			return true
		}
	}
	return false
}

// tabLine is the first line from about where the library says that is indented with a tab, 0 for none: it may name the
// line before.
func tabLine(text []byte, about int) int {
	line := 0
	for content := range bytes.Lines(text) {
		line++
		indent := content[:len(content)-len(bytes.TrimLeft(content, " \t"))]
		if line >= about && bytes.IndexByte(indent, '\t') >= 0 {
			return line
		}
	}
	return 0
}
