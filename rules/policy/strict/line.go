package strict

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Line is one line of text or nothing: it is written in logs and reports.
type Line string

// Controls are the characters that a line may not have, for a class of a regular expression.
const Controls = `\x00-\x1f\x7f-\x9f`

var noControls = regexp.MustCompile(`^[^` + Controls + `]*$`)

// Schema is that of one line.
func (Line) Schema() Schema { return TextLike(noControls) }

// Problem says what is wrong with the text, "" for nothing.
func (l Line) Problem() string {
	if noControls.MatchString(string(l)) {
		return ""
	}
	return "has a line break or a control character: write one line"
}

// Reason is one line that says why.
type Reason string

var oneLineOnly = regexp.MustCompile(`^[^` + Controls + `]*[^\s` + Controls + `][^` + Controls + `]*$`)

// Schema is that of a line that is not empty.
func (Reason) Schema() Schema { return TextLike(oneLineOnly) }

// Problem says what is wrong with the text, "" for nothing.
func (r Reason) Problem() string {
	if strings.TrimSpace(string(r)) == "" {
		return "is empty: say why, for those who read it later"
	}
	return Line(r).Problem()
}

// ShortLine is one line of at most 120 characters.
type ShortLine string

const maxShort = 120

// Schema is that of a short line. Its expression takes as long to compile as all others, so only who asks has it.
func (ShortLine) Schema() Schema {
	return TextLike(regexp.MustCompile(fmt.Sprintf(`^[^%s]{0,%d}$`, Controls, maxShort)))
}

// Problem says what is wrong with the text, "" for nothing.
func (s ShortLine) Problem() string {
	if n := utf8.RuneCountInString(string(s)); n > maxShort {
		return fmt.Sprintf("has %d characters: write at most %d", n, maxShort)
	}
	return Line(s).Problem()
}
