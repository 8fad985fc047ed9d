package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
)

const diffContext = 3 // lines around a change

// change says which lines of the text become which.
type change struct {
	from, to int // bytes of the text, whole lines
	line     int // of from, from 0
	old, new []string
}

// changes are what edits, in the order of their places, do to the lines of a text.
func changes(text []byte, edits []manifest.Edit) []change {
	var all []change
	line, counted := 0, 0
	for len(edits) > 0 {
		from, to := touched(text, edits[0])
		n := 1
		for ; n < len(edits); n++ {
			next, end := touched(text, edits[n])
			if next >= to {
				break
			}
			to = max(to, end)
		}
		within := slices.Clone(edits[:n])
		for i := range within {
			within[i].Offset -= from
		}
		edits = edits[n:]
		c := change{from: from, to: to, old: splitLines(text[from:to]), new: splitLines(manifest.Splice(text[from:to], within))}
		for len(c.old) > 0 && len(c.new) > 0 && c.old[len(c.old)-1] == c.new[len(c.new)-1] {
			c.to -= len(c.old[len(c.old)-1])
			c.old, c.new = c.old[:len(c.old)-1], c.new[:len(c.new)-1]
		}
		line += bytes.Count(text[counted:from], []byte{'\n'})
		c.line, counted = line, from
		if len(c.old)+len(c.new) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// touched are the lines that an edit changes, none where it puts in whole lines.
func touched(text []byte, e manifest.Edit) (from, to int) {
	from = bytes.LastIndexByte(text[:e.Offset], '\n') + 1
	to = e.Offset + e.Length
	if from == to && strings.HasSuffix(e.Text, "\n") {
		return from, to
	}
	return from, lineEnd(text, to)
}

// lineEnd is behind the line that a place is in.
func lineEnd(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

// writeDiff prints what edits do to a file's text as a unified diff; nothing where there are none.
func writeDiff(w io.Writer, name string, text []byte, edits []manifest.Edit) error {
	all := changes(text, edits)
	if len(all) == 0 {
		return nil
	}
	if report.Printable(name) != name {
		name = strconv.Quote(name)
	} else if strings.ContainsAny(name, " \t") {
		name += "\t" // with which patch knows where it ends
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
	shift := 0
	for len(all) > 0 {
		n := 1
		for n < len(all) && bytes.Count(text[all[n-1].to:all[n].from], []byte{'\n'}) <= 2*diffContext {
			n++
		}
		shift += writeHunk(&out, text, all[:n], shift)
		all = all[n:]
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// writeHunk prints changes that stand close together, the new text's lines shifted by those before. It returns
// how many lines more the new text has after it.
func writeHunk(out *strings.Builder, text []byte, changes []change, shift int) (more int) {
	first, last := changes[0], changes[len(changes)-1]
	start, end, line := first.from, last.to, first.line
	for range diffContext {
		if start > 0 {
			start = bytes.LastIndexByte(text[:start-1], '\n') + 1
			line--
		}
		end = lineEnd(text, end)
	}
	for _, c := range changes {
		more += len(c.new) - len(c.old)
	}
	lines := len(splitLines(text[start:end]))
	fmt.Fprintf(out, "@@ -%s +%s @@\n", lineRange(line, line+lines), lineRange(line+shift, line+shift+lines+more))
	put := func(sign string, lines []string) {
		for _, line := range lines {
			out.WriteString(sign + line)
			if !strings.HasSuffix(line, "\n") {
				out.WriteString("\n\\ No newline at end of file\n")
			}
		}
	}
	at := start
	for _, c := range changes {
		put(" ", splitLines(text[at:c.from]))
		put("-", c.old)
		put("+", c.new)
		at = c.to
	}
	put(" ", splitLines(text[at:end]))
	return more
}

// lineRange is a range as diff writes it.
func lineRange(from, to int) string {
	switch to - from {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return strconv.Itoa(from + 1)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
}

// splitLines keeps the line ends.
func splitLines(text []byte) []string {
	return slices.Collect(strings.Lines(string(text)))
}
