package input

import (
	"bytes"
	"io"
	"os"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

// WriteChange prints a file's changes as a diff, and tells whether there are any.
func WriteChange(
	out io.Writer, file string, change func(*manifest.Document) (manifest.Change, *manifest.Problem),
	problem func(manifest.Problem),
) (changed bool, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		problem(stream.Unreadable(file, 0, err))
		return false, nil
	}
	var all manifest.Repairs
	stream.Split(file, bytes.NewReader(text), func(c stream.Chunk) { all.Add(manifest.Repair(c, change)) }, problem)
	for _, p := range all.Problems {
		problem(p)
	}
	if len(all.Edits) == 0 {
		return false, nil
	}
	return true, manifest.WriteDiff(out, Relative(file), text, manifest.Splice(text, all.Edits))
}
