package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// countsCSV writes a row of counts for each group.
func (r *Report) countsCSV(w io.Writer, o Options) error {
	rows, _, _ := r.rows(o.By)
	out := csv.NewWriter(w)
	_ = out.Write(console.Cells(append([]string{title(o.By)}, columns...)...)) // Error has what is wrong
	for _, row := range rows {
		_ = out.Write(console.Cells(row...))
	}
	out.Flush()
	return out.Error()
}

// findingsCSV writes a row for each finding, with the label that it is grouped by in front.
func (r *Report) findingsCSV(w io.Writer, o Options) error {
	out := csv.NewWriter(w)
	head := []string{"namespace", "kind", "name", "level", "enforce refuses", "rule", "container", "message", "exempt",
		"file", "line"}
	label := LabelOf(o.By)
	if label != "" {
		head = append([]string{label}, head...)
	}
	_ = out.Write(console.Cells(head...))
	for of := range r.edited {
		_, kind, name := of.reference()
		for _, l := range of.lines {
			line := ""
			if l.line > 0 {
				line = strconv.Itoa(l.line)
			}
			row := console.Cells(of.Namespace, kind, name, l.word(), strconv.FormatBool(l.refused()), l.rule,
				l.container, l.words(), l.exempt, of.File, line)
			if label != "" {
				row = append(console.Cells(of.Label), row...)
			}
			_ = out.Write(row)
		}
	}
	out.Flush()
	return out.Error()
}
