package strict

import (
	"regexp"
	"strings"
)

// said is what the library says, and what people should read in its place.
var said = []struct{ library, words string }{
	{"tab character", "a tab indents this line: indent with spaces"},
	{"cannot start any token", "a value cannot begin with this character: quote it"},
	{"expected <document start>", "text follows the end of the document: write --- on a line between documents"},
	{"mapping values are not allowed",
		`a key cannot stand here: correct the indentation, or quote a value that holds ": "`},
	{"mapping keys are not allowed",
		`a key cannot stand here: correct the indentation, or quote a value that begins with "? "`},
	{"block sequence entries are not allowed", `a list entry cannot stand here: begin a new line with the "- "`},
	{"expected key",
		"this line does not fit those around it: correct its indentation, or a quote or bracket before it"},
	{"expected '-' indicator",
		`this line does not fit the list before it: begin it with "- ", or correct its indentation`},
	{"expected ',' or ']'", "a list in brackets is not closed: write , or ]"},
	{"expected ',' or '}'", "a mapping in braces is not closed: write , or }"},
	{"expected node content",
		"a value is missing or cannot begin like this: quote it, or close the bracket before it"},
	{"expected ':'", `a key has no colon: write ": " after it, or correct the indentation`},
	{"unexpected ':'", "a colon stands inside of a value: quote the value"},
	{"unexpected end of stream", "a quote is not closed: close it"},
	{"unexpected document indicator", "a quote is not closed before the next document: close it"},
	{"escape", `a \ in double quotes escapes nothing that YAML knows: write \\, or use single quotes`},
	{"UTF-8", "it holds bytes that are not UTF-8: convert it to UTF-8"},
	{"UTF-16", "it is not UTF-8: convert it to UTF-8"},
	{"surrogate", "it is not UTF-8: convert it to UTF-8"},
	{"invalid Unicode character", "it holds bytes that are not UTF-8: convert it to UTF-8"},
	{"control characters", "it holds a control character: remove it, or escape it in double quotes"},
	{"excessive aliasing", "it is too large once its aliases are expanded: write them out"},
	{"value contains itself", "an anchor holds an alias of itself: remove the alias"},
	{"max depth", "it is nested too deep: make it flatter"},
	{"anchor", "an alias or an anchor has no name: write one after the * or &, or quote the value"},
	{"alphabetic or numeric", "a value begins with * or &: quote it"},
	{"tag", "a value begins with !: quote it"},
	{"directive", "a line begins with %: quote it if it is a value"},
	{"digit or '.'", "the version after %YAML is not one: write %YAML 1.1, or remove the line"},
	{"version number", "the version after %YAML is not one: write %YAML 1.1, or remove the line"},
	{"incompatible YAML", "the version after %YAML is not known: write %YAML 1.1, or remove the line"},
	{"indentation indicator", "the number after | or > is not an indentation: write 1 to 9"},
	{"comment or line break", "text follows where the line should end: put it on the next line"},
}

var noAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)

// Words puts what Read returns into words that say what is wrong and what to write. None of them are the library's.
func Words(reason string) string {
	if found := noAnchor.FindStringSubmatch(reason); found != nil {
		return "the alias *" + found[1] + " has no anchor before it: write &" + found[1] + " there, or quote the value"
	}
	for _, one := range said {
		if strings.Contains(reason, one.library) {
			return one.words
		}
	}
	return "this line, or the one before it, does not follow YAML's rules: see what is quoted and indented there"
}
