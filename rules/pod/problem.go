package pod

import (
	"fmt"
	"strconv"
	"strings"
)

// Problem is what is wrong with a value, at a path below the thing that was looked at.
type Problem struct{ Path, Text string }

// invalid collects problems at one place of an object. Places are put in words only where something is wrong: a fix is
// held against this, too, and must cost little.
type invalid struct {
	above    *invalid // nil for the whole object
	name     string   // of the place below
	index    int      // in the list of that name, -1 for none
	problems []Problem
}

// at is a field below this one; the name may be a path.
func (v *invalid) at(name string) *invalid { return &invalid{above: v, name: name, index: -1} }

// item is an entry of a list below this one.
func (v *invalid) item(list string, index int) *invalid {
	return &invalid{above: v, name: list, index: index}
}

// bad notes a problem of a field below this one, or of this one with an empty name.
func (v *invalid) bad(name, format string, args ...any) {
	path := name
	root := v
	for at := v; at != nil; root, at = at, at.above {
		step := at.name
		if at.above != nil && at.index >= 0 {
			step += "[" + strconv.Itoa(at.index) + "]"
		}
		path = strings.Trim(step+"."+path, ".")
	}
	root.problems = append(root.problems, Problem{path, fmt.Sprintf(format, args...)})
}
