package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// countsMarkdown writes a table of counts and the summary.
func (r *Report) countsMarkdown(out io.Writer, o Options) error {
	fmt.Fprintf(out, "| %s | %s |\n|---|%s\n", console.Markdown(title(o.By)), strings.Join(columns, " | "),
		strings.Repeat("--:|", len(columns)))
	rows, total, shared := r.rows(o.By)
	for _, row := range rows {
		fmt.Fprintf(out, "| %s | %s |\n", console.Markdown(cmp.Or(row[0], none)), strings.Join(row[1:], " | "))
	}
	fmt.Fprintf(out, "| **total** | **%s** |\n", strings.Join(total, "** | **"))
	return r.endMarkdown(out, shared)
}

// findingsMarkdown writes a table of findings and the summary.
func (r *Report) findingsMarkdown(out io.Writer, o Options) error {
	head := []string{"object", "level", "finding", "rule"}
	label := LabelOf(o.By)
	if label != "" {
		head = append([]string{console.Markdown(label)}, head...)
	}
	begun, shared := false, false
	for of := range r.edited {
		shared = shared || of.shared
		for _, l := range of.lines {
			if !begun {
				begun = true
				fmt.Fprintf(out, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
			}
			if label != "" {
				fmt.Fprintf(out, "| %s ", console.Markdown(cmp.Or(of.Label, none)))
			}
			fmt.Fprintf(out, "| %s | %s | %s | [%s](%s) |\n", console.Markdown(of.OwnerTitle()), l.word(),
				console.Markdown(l.words()), l.rule, pageOf(l.rule))
		}
	}
	return r.endMarkdown(out, shared)
}

func (r *Report) endMarkdown(out io.Writer, shared bool) error {
	for i, line := range r.lines(shared) {
		fmt.Fprintln(out, map[bool]string{true: "\n", false: "<br>"}[i == 0]+console.Markdown(line))
	}
	for p := range r.Invalid {
		fmt.Fprintf(out, "- %s: %s\n", console.Markdown(place(p.File, p.Line)), console.Markdown(p.Message))
	}
	return nil
}
