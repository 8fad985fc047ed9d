package report

import (
	"cmp"
	"io"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// table writes counts for people, then the summary.
func (r *Report) table(out io.Writer, o Options) error {
	counted, total, shared := r.rows(o.By)
	rows := append([][]string{append([]string{title(o.By)}, columns...)}, counted...)
	for i := range rows[0] {
		rows[0][i] = strings.ToUpper(rows[0][i])
	}
	for _, row := range counted {
		row[0] = cmp.Or(row[0], none)
	}
	rows = append(rows, append([]string{"total"}, total...))
	if _, err := io.WriteString(out, console.Numbers(rows)); err != nil {
		return err
	}
	return r.end(out, true, shared, o)
}
