package strict

import (
	"fmt"
	"regexp"
)

// WholeName is a name that is no pattern.
type WholeName string

var noPattern = regexp.MustCompile(`^[^*]*$`)

// Schema is that of a name.
func (WholeName) Schema() Schema { return TextLike(noPattern) }

// Problem says what is wrong with the name, "" for nothing.
func (c WholeName) Problem() string {
	if noPattern.MatchString(string(c)) {
		return ""
	}
	return fmt.Sprintf("is %q: write the whole name of a container, there is no * here", string(c))
}
