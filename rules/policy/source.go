package policy

import (
	_ "embed" // of the built-in policy

	"github.com/podvet/podvet/rules/policy/strict"
)

// Error is one mistake in a policy: where it is and what to write instead.
type Error = strict.Error

// Errors are all mistakes of a policy, in the order of their lines.
type Errors = strict.Errors

// DefaultText is the policy that is in force where there is none, with its comments.
//
//go:embed default.yaml
var DefaultText []byte

// Key is the policy's in a ConfigMap.
const Key = "policy.yaml"

// Source is the text of a policy and where it is written.
type Source struct {
	File string
	Text []byte
	Skip int // lines of the file before the text
	Line int // that all of the text stands on, 0 for lines of its own
}

// BuiltIn is the source of the built-in policy.
func BuiltIn() Source { return Source{File: "built-in policy", Text: DefaultText} }

// lineOf is the line in the file of a line of the text, 0 for none.
func (s Source) lineOf(line int) int {
	switch {
	case line == 0:
		return 0
	case s.Line > 0:
		return s.Line
	}
	return line + s.Skip
}

// inFile sorts mistakes and gives them the lines of the file.
func (s Source) inFile(list Errors) Errors {
	list.Sort()
	for i := range list {
		list[i].Line = s.lineOf(list[i].Line)
	}
	return list
}
