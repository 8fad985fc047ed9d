package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules"
)

// annotations are GitHub's names of the levels.
var annotations = map[rules.Level]string{rules.Deny: "error", rules.Warn: "warning", rules.Audit: "notice"}

// The workflow commands' own escapes.
var (
	escapeMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// github writes workflow commands, which GitHub Actions shows at the lines of a pull request.
func (r *Report) github(out io.Writer) error {
	var text strings.Builder
	for e := range r.Entries {
		text.Reset()
		for _, p := range e.Invalid {
			annotate(&text, "error", p.File, max(p.Line, 1), "invalid input", p.Message)
		}
		if s := e.Subject; s != nil {
			for _, l := range s.told() {
				annotate(&text, annotations[l.level], s.File, l.line, s.titleInSource(), l.message)
			}
		}
		if _, err := io.WriteString(out, text.String()); err != nil {
			return err
		}
	}
	text.Reset()
	for _, n := range r.Notes {
		annotate(&text, "notice", n.File, n.Line, "note", n.Message)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func annotate(out *strings.Builder, level, file string, line int, title, message string) {
	place := "file=" + escapeProperty.Replace(console.Printable(file))
	if line > 0 {
		place += fmt.Sprintf(",line=%d", line)
	}
	fmt.Fprintf(out, "::%s %s,title=%s::%s\n", level, place,
		escapeProperty.Replace("podvet: "+title), escapeMessage.Replace(console.Printable(message)))
}
