package input

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

// Changer prints how manifests change.
type Changer struct {
	Out, Said io.Writer // for diffs, and for what is said beside them
	Of        func(*manifest.Document) (manifest.Change, *manifest.Problem)
	Problem   func(manifest.Problem)
}

// File prints a file's changes as a diff.
func (c Changer) File(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		c.Problem(stream.Unreadable(file, 0, err))
		return nil
	}
	var all manifest.Repairs
	take := func(chunk stream.Chunk) { all.Add(manifest.Repair(chunk, c.Of)) }
	stream.Split(file, bytes.NewReader(text), take, c.Problem)
	for _, p := range all.Problems {
		c.Problem(p)
	}
	if len(all.Edits) > 0 {
		_, err = c.Out.Write(manifest.Diff(Relative(file), text, manifest.Splice(text, all.Edits)))
		return err
	}
	if len(all.Problems) == 0 {
		_, err = fmt.Fprintln(c.Said, console.Printable(file+": nothing to change"))
	}
	return err
}
