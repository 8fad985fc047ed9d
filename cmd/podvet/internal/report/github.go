package report

import (
	"fmt"
	"io"
	"strings"

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
	for s := range r.Subjects {
		for _, f := range s.Findings {
			place := "file=" + escapeProperty.Replace(Printable(s.File))
			if f.Line > 0 {
				place += fmt.Sprintf(",line=%d", f.Line)
			}
			_, err := fmt.Fprintf(out, "::%s %s,title=%s::%s\n", annotations[f.Level], place,
				escapeProperty.Replace("podvet: "+s.title()), escapeMessage.Replace(Printable(f.Message)))
			if err != nil {
				return err
			}
		}
	}
	for p := range r.Problems {
		_, err := fmt.Fprintf(out, "::error file=%s,line=%d,title=podvet%%3A invalid input::%s\n", escapeProperty.Replace(Printable(p.File)), max(p.Line, 1), escapeMessage.Replace(Printable(p.Text)))
		if err != nil {
			return err
		}
	}
	return nil
}
