package stream

import (
	"errors"
	"fmt"
	"io/fs"
)

// Problem is input that cannot be used, and where.
type Problem struct {
	File string
	Line int // 0 where unknown
	Text string

	// Unsafe: one object is left to people; all else in the file is well.
	Unsafe bool
}

func (p Problem) Error() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return p.File + ": " + p.Text
}

// Unreadable is the problem of a file that fails at a line, 0 for none. The system's own reason names the path,
// which stands before it already.
func Unreadable(file string, line int, err error) Problem {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return Problem{File: file, Line: line, Text: "cannot be read: " + err.Error()}
}

func tooLong(file string, line int) Problem {
	return Problem{File: file, Line: line,
		Text: fmt.Sprintf("holds a document of more than %d MiB, which is not read: split it", MaxDocument>>20)}
}

// MaxDocument is the longest document in bytes that is looked at. The API server takes objects of 3 MiB.
const MaxDocument = 16 << 20
