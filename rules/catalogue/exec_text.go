package catalogue

import (
	"path"
	"strconv"

	"github.com/podvet/podvet/rules/pod"
)

// How messages write commands.

// maxExcerpt is how much of a command a message has room for.
const maxExcerpt = 16

// excerpt quotes the start of a text.
func excerpt(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-3]) + "..."
	}
	return strconv.Quote(text)
}

// onlyString is the whole command of a handler that has it in one string.
func onlyString(h pod.Handler) string { return excerpt(h.Exec.Command[0], maxExcerpt) }

// script is what a handler gives its shell.
func script(h pod.Handler) string { return excerpt(h.Exec.Command[1], maxExcerpt) }

// shellOf is the shell that a handler's command starts, without the folder.
func shellOf(h pod.Handler) string { return path.Base(h.Exec.Command[0]) }

// commandField is the path of the command within the container.
func commandField(probe pod.Probe) string { return probe.Kind.String() + ".exec.command" }
