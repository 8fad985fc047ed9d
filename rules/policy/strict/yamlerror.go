// What is wrong with YAML that people wrote is said here for policies and manifests alike: with its syntax, where the
// library's errors have no fields, and with values that do not fit their fields.

package strict

import (
	"strconv"
	"strings"
)

// Read takes the line, from 1, and the rest out of the YAML library's message; 0 where it has no line.
func Read(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	rest, found := strings.CutPrefix(text, "line ")
	number, what, _ := strings.Cut(rest, ": ")
	line, atoi := strconv.Atoi(number)
	if !found || atoi != nil {
		return 0, text
	}
	if isParsers(what) {
		line++
	}
	return line, what
}

// isParsers tells whether the library's parser says so: it counts lines from 0, the scanner from 1.
func isParsers(what string) bool {
	expected, ok := strings.CutPrefix(what, "did not find expected ")
	return ok && !strings.Contains(expected, "character") && !strings.Contains(expected, "URI") &&
		!strings.Contains(expected, "line break")
}
