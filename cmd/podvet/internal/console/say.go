package console

import (
	"io"
	"iter"
	"strings"
)

// Say writes lines such as errors: each printable, on a terminal wrapped to its width.
func Say(w io.Writer, lines iter.Seq[string]) {
	width := Width(w)
	for line := range lines {
		line = Printable(strings.TrimSuffix(line, "\n")) + "\n"
		if width > 0 {
			line = Wrap(line, 0, width, "  ")
		}
		_, _ = io.WriteString(w, line) // there is no other place to say that it failed
	}
}
