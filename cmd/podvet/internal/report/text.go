package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/podvet/podvet/rules"
)

// colors of the levels on a terminal.
var colors = map[rules.Level]string{rules.Deny: "\x1b[31m", rules.Warn: "\x1b[33m", rules.Audit: "\x1b[2m"}

const (
	bold  = "\x1b[1m"
	plain = "\x1b[0m"
)

// text groups by file and object. Pods of one owner that was not there itself are one object.
func (r *Report) text(w io.Writer, o Options) error {
	var out strings.Builder
	file := ""
	for _, group := range r.groups() {
		if len(group.findings) == 0 {
			continue
		}
		if group.file != file {
			if file != "" {
				out.WriteByte('\n')
			}
			out.WriteString(paint(o, bold, group.file) + "\n")
			file = group.file
		}
		fmt.Fprintf(&out, "  %s\n", group.title)
		for _, f := range group.findings {
			writeFinding(&out, f, o)
		}
	}
	if file != "" {
		out.WriteByte('\n')
	}
	out.WriteString(r.Summary.String() + "\n")
	_, err := io.WriteString(w, out.String())
	return err
}

type group struct {
	file, title string
	findings    []Finding
	pods        int
}

// groups puts the findings of one owner's pods together, each once.
func (r *Report) groups() []*group {
	var all []*group
	byOwner := map[string]*group{}
	for _, s := range r.Subjects {
		if s.Owner == "" || s.Kind != "Pod" {
			all = append(all, &group{file: s.File, title: s.title(), findings: s.Findings})
			continue
		}
		key := s.File + " " + s.Namespace + "/" + s.Owner
		g := byOwner[key]
		if g == nil {
			g = &group{file: s.File}
			byOwner[key] = g
			all = append(all, g)
		}
		g.pods++
		kind, name, _ := strings.Cut(s.Owner, "/")
		owner := Subject{Kind: kind, Namespace: s.Namespace, Name: name}
		g.title = fmt.Sprintf("%s (%s)", owner.title(), plural(g.pods, "pod"))
		for _, f := range s.Findings {
			if !containsMessage(g.findings, f) {
				g.findings = append(g.findings, f)
			}
		}
	}
	return all
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
