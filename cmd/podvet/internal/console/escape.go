package console

import (
	"regexp"
	"strings"
)

// formula is what begins one in a spreadsheet, at the start of a cell or after a semicolon, which ends cells for
// spreadsheets of the many countries that have a comma in numbers (OWASP, CSV Injection).
var formula = regexp.MustCompile(`(^|;)([=+\-@＝＋－＠])`)

// Cells makes texts printable, and such that no spreadsheet takes one for a formula: what begins like one gets an
// apostrophe in front.
func Cells(texts ...string) []string {
	for i, text := range texts {
		texts[i] = formula.ReplaceAllString(Printable(text), "$1'$2")
	}
	return texts
}

// Markdown is a printable text that says in Markdown, and in GitHub's, what it says here: a name in a manifest may hold
// anything.
func Markdown(text string) string { return markdownEscapes.Replace(Printable(text)) }

// The comment after @ and in an address keeps GitHub from calling somebody and from making a link.
var markdownEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;", "|", `\|`, "~", `\~`, "$", `\$`, "#", `\#`, "!", `\!`,
	"@", "@<!-- -->", "://", ":<!-- -->//", "www.", "www<!-- -->.")

// Paint has a text in a color on a terminal that shows colors.
func Paint(on bool, color, text string) string {
	if !on {
		return text
	}
	return color + text + "\x1b[0m"
}
