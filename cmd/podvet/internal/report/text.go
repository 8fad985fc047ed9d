package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
	"unique"

	"github.com/podvet/podvet/rules"
)

// colors of the levels on a terminal.
var colors = map[rules.Level]string{rules.Deny: "\x1b[31m", rules.Warn: "\x1b[33m", rules.Audit: "\x1b[2m"}

const (
	bold  = "\x1b[1m"
	plain = "\x1b[0m"
)

// text groups by file and object. Pods of one owner that was not there itself are one object, at the place of
// the first of them.
func (r *Report) text(out io.Writer, o Options) error {
	owners := map[string]*group{}
	for s := range r.Subjects {
		if key := ownerKey(s); key != "" {
			if owners[key] == nil {
				owners[key] = &group{}
			}
			owners[key].add(s)
		}
	}
	file, text := "", strings.Builder{}
	for s := range r.Subjects {
		title, findings := s.title(), s.Findings
		if key := ownerKey(s); key != "" {
			if owners[key].written {
				continue
			}
			owners[key].written = true
			title, findings = owners[key].title(s), owners[key].findings
		}
		if len(findings) == 0 {
			continue
		}
		text.Reset()
		if s.File != file {
			if file != "" {
				text.WriteByte('\n')
			}
			text.WriteString(paint(o, bold, s.File) + "\n")
			file = s.File
		}
		fmt.Fprintf(&text, "  %s\n", title)
		for _, f := range findings {
			writeFinding(&text, f, o)
		}
		if _, err := io.WriteString(out, text.String()); err != nil {
			return err
		}
	}
	end := r.Summary.String() + "\n"
	if file != "" {
		end = "\n" + end
	}
	_, err := io.WriteString(out, end)
	return err
}

// group is the pods of one owner, with each finding once.
type group struct {
	pods     int
	findings []Finding
	written  bool
}

// ownerKey tells the pods of one owner in one file from others, "" for what has none.
func ownerKey(s *Subject) string {
	if s.Owner == "" || s.Kind != "Pod" {
		return ""
	}
	return s.File + " " + s.Namespace + "/" + s.Owner
}

func (g *group) add(s *Subject) {
	g.pods++
	for _, f := range s.Findings {
		if !containsMessage(g.findings, f) {
			// All that is written of it, and each text once: a cluster has many owners with the same defects.
			g.findings = append(g.findings, Finding{Level: f.Level, Line: f.Line, Message: unique.Make(f.Message).Value()})
		}
	}
}

func (g *group) title(s *Subject) string {
	return fmt.Sprintf("%s (%s)", s.OwnerTitle(), plural(g.pods, "pod"))
}

func containsMessage(list []Finding, f Finding) bool {
	for _, g := range list {
		if g.Message == f.Message && g.Level == f.Level {
			return true
		}
	}
	return false
}

// writeFinding puts line and level before the message and wraps it.
func writeFinding(out *strings.Builder, f Finding, o Options) {
	const indent = 4 + 5 + 2 + 5 + 2
	line := ""
	if f.Line > 0 {
		line = strconv.Itoa(f.Line)
	}
	fmt.Fprintf(out, "    %5s  %s%s  ", line, paint(o, colors[f.Level], f.Level.String()), strings.Repeat(" ", 5-len(f.Level.String())))
	column := indent
	for i, word := range strings.Fields(f.Message) {
		width := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case o.Width > 0 && column+1+width > o.Width:
			out.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += width
	}
	out.WriteByte('\n')
}

func paint(o Options, color, text string) string {
	if !o.Color {
		return text
	}
	return color + text + plain
}

// String is the summary in a sentence.
func (s Summary) String() string {
	text := fmt.Sprintf("%s: %d deny, %d warn, %d audit", plural(s.Subjects, "object"), s.Deny, s.Warn, s.Audit)
	if s.PassedOver > 0 {
		text += fmt.Sprintf("; %d passed over", s.PassedOver)
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
