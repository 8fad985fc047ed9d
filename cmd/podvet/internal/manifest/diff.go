package manifest

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// Diff is how one text becomes another, as a unified diff; nothing where they are the same.
func Diff(name string, old, fixed []byte) []byte {
	if console.Printable(name) != name {
		name = strconv.Quote(name)
	} else if strings.ContainsAny(name, " \t") {
		name += "\t" // with which patch knows where it ends
	}
	text := diff.Diff(name, old, name, fixed)
	_, text, _ = bytes.Cut(text, []byte("\n")) // a line that names the files once more
	return text
}
