package console

import (
	"io"
	"os"

	"golang.org/x/term"
)

// narrow is the width below which a wrapped text reads worse than one that the terminal breaks itself.
const narrow = 40

// Width is how many columns the terminal behind w has. It is 0 where lines should stay whole: w is not a terminal, or a
// very narrow one.
func Width(w io.Writer) int {
	file, ok := terminal(w)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width < narrow {
		return 0
	}
	return width
}

// Color tells whether w is a terminal that shows colors. https://no-color.org
func Color(w io.Writer, getenv func(string) string) bool {
	_, ok := terminal(w)
	return ok && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// terminal is the file behind w, if that is a terminal.
func terminal(w io.Writer) (*os.File, bool) {
	file, ok := w.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}
