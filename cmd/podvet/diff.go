package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

const (
	diffContext = 3   // lines around a change
	diffReach   = 200 // lines within which two texts that fixes made different agree again
)

// change says that lines a1 to a2 of the old text became lines b1 to b2 of the new one, from 0.
type change struct{ a1, a2, b1, b2 int }

// changes compares line by line. The texts differ only where fixes put in a few lines or changed one, so
// looking a little ahead finds where they agree again, and the time grows with the length alone.
func changes(a, b []string) []change {
	var all []change
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		di, dj := agreeAgain(a[i:], b[j:])
		all = append(all, change{i, i + di, j, j + dj})
		i, j = i+di, j+dj
	}
	return all
}

// agreeAgain is how many lines of each text to leave out until two lines in a row, or the ends, are the same.
func agreeAgain(a, b []string) (di, dj int) {
	same := func(i, j int) bool {
		if i >= len(a) || j >= len(b) {
			return i >= len(a) && j >= len(b)
		}
		return a[i] == b[j]
	}
	for n := 1; n <= diffReach; n++ {
		for di := range n + 1 {
			if dj := n - di; di <= len(a) && dj <= len(b) && same(di, dj) && (same(di+1, dj+1) || di == len(a)) {
				return di, dj
			}
		}
	}
	return len(a), len(b)
}

// writeDiff prints the changes of a file as a unified diff; nothing where there are none.
func writeDiff(w io.Writer, name string, a, b []string) error {
	all := changes(a, b)
	if len(all) == 0 {
		return nil
	}
	if strings.ContainsAny(name, " \t") {
		name += "\t" // with which patch knows where it ends
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].a1-all[n-1].a2 <= 2*diffContext {
			n++
		}
		writeHunk(&out, a, b, all[:n])
		all = all[n:]
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func writeHunk(out *strings.Builder, a, b []string, changes []change) {
	first, last := changes[0], changes[len(changes)-1]
	before := min(diffContext, first.a1)
	after := min(diffContext, len(a)-last.a2)
	a1, a2, b1, b2 := first.a1-before, last.a2+after, first.b1-before, last.b2+after
	fmt.Fprintf(out, "@@ -%s +%s @@\n", lineRange(a1, a2), lineRange(b1, b2))
	put := func(sign string, lines []string) {
		for _, line := range lines {
			out.WriteString(sign + line)
			if !strings.HasSuffix(line, "\n") {
				out.WriteString("\n\\ No newline at end of file\n")
			}
		}
	}
	at := a1
	for _, c := range changes {
		put(" ", a[at:c.a1])
		put("-", a[c.a1:c.a2])
		put("+", b[c.b1:c.b2])
		at = c.a2
	}
	put(" ", a[at:a2])
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
