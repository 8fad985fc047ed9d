package pod

import (
	"path"
	"slices"
	"strings"
)

// execShells are those that a probe's command may be; zsh is none that a hook's script is read for.
var execShells = []string{"sh", "bash", "ash", "dash", "zsh"}

// IsShell tells whether a word is a shell, by any path.
func IsShell(word string) bool { return slices.Contains(execShells, path.Base(word)) }

const (
	shellOperators = "|&;<>"
	blanks         = " \t\r"
)

// NoShell tells whether an exec handler has its whole command in one string that no shell reads, so that the kubelet
// looks for a program of that name. certain is false where there may be one: a path with a blank.
func (h Handler) NoShell() (found, certain bool) {
	if h.Exec == nil || len(h.Exec.Command) != 1 {
		return false, false
	}
	command := h.Exec.Command[0]
	if strings.ContainsAny(command, shellOperators+"`\n") {
		return true, true
	}
	blank := strings.IndexAny(command, blanks)
	if blank < 0 {
		return false, false
	}
	rest := strings.TrimLeft(command[blank:], blanks)
	if !strings.Contains(command[:blank], "/") {
		return true, true
	}
	return true, rest != "" && strings.IndexByte(`-0123456789$'"`, rest[0]) >= 0
}

// ShellWithoutC tells whether an exec handler gives a shell a script where it takes the name of a file: without -c.
func (h Handler) ShellWithoutC() bool {
	if h.Exec == nil || len(h.Exec.Command) < 2 || !IsShell(h.Exec.Command[0]) {
		return false
	}
	script := h.Exec.Command[1]
	return script != "" && strings.IndexByte("-+/.", script[0]) < 0 &&
		strings.ContainsAny(script, blanks+"\n"+shellOperators)
}
