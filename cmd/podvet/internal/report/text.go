package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules"
)

// colors of the levels on a terminal.
var colors = map[rules.Level]string{rules.Deny: "\x1b[31m", rules.Warn: "\x1b[33m", rules.Audit: "\x1b[2m"}

const bold = "\x1b[1m"

// text groups by file and object. What is invalid has lines of its own, which name file and line as errors do.
func (r *Report) text(out io.Writer, o Options) error {
	file, named, text, shared := "", "", strings.Builder{}, false
	for e, of := range r.objects {
		text.Reset()
		title, lines := "", []told(nil)
		if of != nil {
			title, lines = of.titleWithPods(), of.lines
			shared = shared || of.shared
		}
		if len(lines)+len(e.Invalid) > 0 && e.file() != file {
			if file != "" {
				text.WriteByte('\n')
			}
			file, named = e.file(), ""
		}
		for _, p := range e.Invalid {
			writeInvalid(&text, p, o)
		}
		live := of != nil && of.live()
		if len(lines) > 0 && named != file && !live {
			named = file
			text.WriteString(console.Paint(o.Color, bold, console.Printable(file)) + "\n")
		}
		switch {
		case len(lines) > 0 && live: // there is no file: the object stands in its place
			text.WriteString(console.Paint(o.Color, bold, title) + "\n")
		case len(lines) > 0:
			fmt.Fprintf(&text, "  %s\n", title)
		}
		for _, l := range lines {
			writeTold(&text, l, o)
		}
		if _, err := io.WriteString(out, text.String()); err != nil {
			return err
		}
	}
	return r.end(out, file != "", shared, o)
}

// end writes the summary.
func (r *Report) end(out io.Writer, afterMore, shared bool, o Options) error {
	var text strings.Builder
	if afterMore {
		text.WriteByte('\n')
	}
	for _, line := range r.lines(shared) {
		text.WriteString(console.Wrap(console.Printable(line), 0, o.Width, "  "))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// writeInvalid names the place as editors and terminals know it.
func writeInvalid(out *strings.Builder, p Problem, o Options) {
	at := console.Printable(place(p.File, p.Line)) + ":"
	text := console.Wrap(console.Printable(p.Message), utf8.RuneCountInString(at)+1, o.Width, "    ")
	fmt.Fprintf(out, "%s %s", console.Paint(o.Color, colors[rules.Deny], at), text)
}

// writeTold puts line and level before the message and wraps it.
func writeTold(out *strings.Builder, l told, o Options) {
	const words = len(fixable)
	const indent = 4 + 5 + 2 + words + 2
	line := ""
	if l.line > 0 {
		line = strconv.Itoa(l.line)
	}
	word := l.word()
	shown := console.Paint(o.Color, colors[l.level], word)
	fmt.Fprintf(out, "    %5s  %s%s  ", line, shown, strings.Repeat(" ", words-len(word)))
	out.WriteString(console.Wrap(console.Printable(l.message), indent, o.Width, strings.Repeat(" ", indent)))
}
