package manifest

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// WriteDiff prints how one text becomes another as a unified diff; nothing where they are the same.
func WriteDiff(w io.Writer, name string, old, fixed []byte) error {
	if console.Printable(name) != name {
		name = strconv.Quote(name)
	} else if strings.ContainsAny(name, " \t") {
		name += "\t" // with which patch knows where it ends
	}
	text := diff.Diff(name, old, name, fixed)
	_, text, _ = bytes.Cut(text, []byte("\n")) // a line that names the files once more
	_, err := w.Write(text)
	return err
}
