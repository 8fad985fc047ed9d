package strict

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxErrors is how many mistakes are named: aliases can make one a million times.
const MaxErrors = 100

// maxAliased bounds what aliases can expand to: a few lines of them could fill the memory of every replica. (Depth
// needs no bound: the document's types end an alias to itself.)
const maxAliased = 10_000

// maxEntries and maxNodes bound a list and the whole document: a policy of 1 MiB could otherwise be half a million
// scopes, which take more memory than a replica may.
const (
	maxEntries = 20_000
	maxNodes   = 200_000
)

// Reader reads a document and collects every mistake with its place.
// (Strict decoders of YAML libraries stop at the first mistake, or know no paths.)
type Reader struct {
	Places
	file string
	errs Errors
	more bool // than MaxErrors

	inAlias  int  // aliases that what is read is in
	aliased  int  // nodes that were read in aliases
	nodes    int  // that were read
	tooLarge bool // said once
}

// NewReader returns a reader of a file.
func NewReader(file string) *Reader { return &Reader{file: file, Places: Places{}} }

// Errors are the mistakes found, in the order in which they were found, and whether there are more than these.
func (r *Reader) Errors() (errs Errors, more bool) { return r.errs, r.more }

// TooLarge tells whether much was not read: nothing more can be said then.
func (r *Reader) TooLarge() bool { return r.tooLarge }

// Fail records a mistake at a path.
func (r *Reader) Fail(path, format string, args ...any) {
	r.failAt(r.Nearest(path), path, format, args...)
}

func (r *Reader) failAt(n *yaml.Node, path, format string, args ...any) {
	if len(r.errs) == MaxErrors {
		r.more = true
		return
	}
	r.errs = append(r.errs, Error{File: r.file, Line: n.Line, Path: path, Text: fmt.Sprintf(format, args...)})
}

// FailedAt tells whether a mistake at a path is named already.
func (r *Reader) FailedAt(path string) bool {
	return slices.ContainsFunc(r.errs, func(e Error) bool { return e.Path == path })
}

// FailedBelow tells whether a mistake at a path or below it is named already.
func (r *Reader) FailedBelow(path string) bool {
	return slices.ContainsFunc(r.errs, func(e Error) bool { return strings.HasPrefix(e.Path, path) })
}

// count tells whether a node may be read: the document is not too large yet.
func (r *Reader) count(n *yaml.Node, path string) bool {
	problem := ""
	if r.inAlias > 0 {
		r.aliased++
	}
	if r.nodes++; r.nodes > maxNodes {
		problem = fmt.Sprintf("there are more than %d values in this policy: "+
			"match more with fewer scopes and exemptions", maxNodes)
	} else if r.aliased > maxAliased {
		problem = "aliases make this too large: write it out"
	}
	if problem == "" {
		return true
	}
	if !r.tooLarge {
		r.failAt(n, path, "%s", problem)
	}
	r.tooLarge = true
	return false
}
