package report

import (
	"fmt"
	"hash/maphash"
	"io"
	"slices"
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

// text groups by file and object. Pods of one owner that was not there itself are one object, at the place of
// the first of them.
func (r *Report) text(out io.Writer, o Options) error {
	g := groups{seed: maphash.MakeSeed(), owners: map[uint64]*group{}, numbers: map[message]uint32{}}
	for s := range r.Subjects {
		if s.pod() {
			g.add(s)
		}
	}
	file, text, shared := "", strings.Builder{}, false
	for s := range r.Subjects {
		title, findings := s.title(), s.Findings
		if s.pod() {
			one := g.of(s)
			if one.written {
				continue
			}
			one.written = true
			title, findings = s.ownersTitle(one.pods), g.findings(one)
			shared = shared || one.pods > 1 && len(findings) > 0
		}
		if len(findings) == 0 {
			continue
		}
		text.Reset()
		if s.File != file {
			if file != "" {
				text.WriteByte('\n')
			}
			text.WriteString(paint(o, bold, Printable(s.File)) + "\n")
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
	end := r.Summary.String()
	if shared { // or the counts would not add up
		end += "; what pods of one owner share is shown once"
	}
	end += "\n"
	if file != "" {
		end = "\n" + end
	}
	_, err := io.WriteString(out, end)
	return err
}

// groups are the pods of each owner, with each finding once. A cluster has many owners with the same defects: what is
// said is kept once, of an owner no more than where.
type groups struct {
	seed     maphash.Seed
	owners   map[uint64]*group
	messages []message
	numbers  map[message]uint32 // places in messages
}

type message struct {
	level rules.Level
	text  string
}

type group struct {
	pods    int32
	written bool
	said    []said
}

// said is a message, by its number, and the line of the first that it is about.
type said struct {
	message uint32
	line    int32
}

// pod tells whether this is a pod with an owner.
func (s *Subject) pod() bool { return s.Owner != "" && s.Kind == "Pod" }

// of is the group of a pod: of one owner in one file.
func (g *groups) of(s *Subject) *group {
	key := maphash.Comparable(g.seed, [3]string{s.File, s.Namespace, s.Owner})
	one := g.owners[key]
	if one == nil {
		one = &group{}
		g.owners[key] = one
	}
	return one
}

func (g *groups) add(s *Subject) {
	one := g.of(s)
	one.pods++
	for _, f := range s.Findings {
		m := message{f.Level, f.Message}
		number, known := g.numbers[m]
		if !known {
			number = uint32(len(g.messages))
			g.messages = append(g.messages, m)
			g.numbers[m] = number
		}
		if !slices.ContainsFunc(one.said, func(s said) bool { return s.message == number }) {
			one.said = append(one.said, said{number, int32(f.Line)})
		}
	}
}

// findings are all that is written of a group's.
func (g *groups) findings(one *group) []Finding {
	list := make([]Finding, 0, len(one.said))
	for _, s := range one.said {
		list = append(list, Finding{Level: g.messages[s.message].level, Message: g.messages[s.message].text, Line: int(s.line)})
	}
	return list
}

func (s *Subject) ownersTitle(pods int32) string {
	return fmt.Sprintf("%s (%s)", s.OwnerTitle(), plural(int(pods), "pod"))
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
	for i, word := range strings.Fields(Printable(f.Message)) {
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
