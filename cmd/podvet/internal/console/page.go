package console

import (
	"regexp"
	"strings"
)

// widest is how wide the paragraphs of a page get: longer lines are hard to read.
const widest = 100

// link is a link in Markdown.
var link = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)

// Page turns a page's Markdown into what reads well on a terminal: headings stand out, paragraphs and lists are
// wrapped, examples are indented as they are.
func Page(markdown string, width int, color bool) string {
	var out strings.Builder
	width, code := min(width, widest), false
	plain := func(line string) string {
		return link.ReplaceAllString(strings.ReplaceAll(line, "`", ""), "$1 ($2)")
	}
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		heading := strings.TrimLeft(line, "#")
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
		case code:
			out.WriteString("    " + line + "\n")
		case heading != line:
			heading = strings.TrimSpace(heading)
			if color {
				heading = "\x1b[1m" + heading + "\x1b[0m"
			}
			out.WriteString(heading + "\n")
		case strings.HasPrefix(line, "- "):
			out.WriteString(Wrap(plain(line), 0, width, "  "))
		default:
			out.WriteString(Wrap(plain(line), 0, width, ""))
		}
	}
	return out.String()
}
