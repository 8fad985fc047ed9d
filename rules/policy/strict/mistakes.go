package strict

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Error is one mistake in a document: where it is and what to write instead.
type Error struct {
	File string
	Line int    // from 1; 0 for the document as a whole
	Path string // such as rules.no-startup-probe.level
	Text string
}

func (e Error) Error() string {
	place := e.File
	if e.Line > 0 {
		place += ":" + strconv.Itoa(e.Line)
	}
	if e.Path != "" {
		place += ": " + e.Path
	}
	return place + ": " + e.Text
}

// Errors are all mistakes of a document.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Sort puts the mistakes in the order of their lines.
func (e Errors) Sort() {
	slices.SortStableFunc(e, func(a, b Error) int { return cmp.Or(a.Line-b.Line, strings.Compare(a.Path, b.Path)) })
}
