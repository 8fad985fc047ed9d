package report

import (
	"bufio"
	"fmt"
	"io"
)

// Formats are the names that Write takes.
var Formats = []string{"text", "json", "sarif", "junit", "github", "csv", "markdown", "html",
	"policyreport", "openreports"}

// Tables are the formats that have counts by group, which are also what --by is about.
var Tables = []string{"text", "csv", "markdown", "html"}

// Write writes the report in a format, subject by subject: no more than one is held.
func (r *Report) Write(w io.Writer, format string, o Options) error {
	out := bufio.NewWriter(w)
	if err := r.write(out, format, o); err != nil {
		return err
	}
	return out.Flush()
}

func (r *Report) write(out *bufio.Writer, format string, o Options) error {
	switch format {
	case "text":
		if o.Summary {
			return r.table(out, o)
		}
		return r.text(out, o)
	case "json":
		return r.JSON(out)
	case "sarif":
		return r.sarif(out, o)
	case "junit":
		return r.junit(out, o)
	case "github":
		return r.github(out)
	case "csv":
		if o.Summary {
			return r.countsCSV(out, o)
		}
		return r.findingsCSV(out, o)
	case "markdown":
		if o.Summary {
			return r.countsMarkdown(out, o)
		}
		return r.findingsMarkdown(out, o)
	case "html":
		return r.html(out, o)
	case "policyreport", "openreports":
		return r.policyReports(out, PolicyReportAPIs[format], o)
	}
	return fmt.Errorf("no format %q", format)
}
