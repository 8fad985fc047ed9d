package shell

import (
	"path"
	"slices"
)

// Deaf is a shell as process 1 that keeps SIGTERM from its commands.
type Deaf struct {
	Name string // without the folder
	Exec bool   // exec in front of its last command helps
}

// IgnoresSIGTERM tells whether a command line makes a shell process 1 that stays while its commands run: it has no
// handler of SIGTERM, so the kernel drops it. dash runs each command of a script with more than one as a child; bash
// turns into the last one where that is simple.
func IgnoresSIGTERM(line []string) (Deaf, bool) {
	if len(line) < 3 || line[1] != "-c" || !slices.Contains(names, path.Base(line[0])) {
		return Deaf{}, false
	}
	commands, ok := ReadScript(line[2])
	if !ok || len(commands) == 0 || slices.ContainsFunc(commands, handsSignalsOn) {
		return Deaf{}, false
	}
	last := commands[len(commands)-1]
	shell := Deaf{Name: path.Base(line[0])}
	becomesLast := last.Before != "|" && last.After != "&" && !last.compound()
	// Where the last command only waits or talks, the app is another one.
	shell.Exec = becomesLast && last.Before != "||" && last.Before != "&" &&
		!slices.Contains([]string{"wait", "exit", "sleep", "echo", "printf", "true", ":", ""}, last.Name())
	if shell.Name == "bash" {
		return shell, !becomesLast
	}
	return shell, len(commands) > 1
}

// handsSignalsOn tells whether a command replaces the shell, handles signals in it or starts what passes them on.
func handsSignalsOn(c Command) bool {
	return slices.ContainsFunc(c.Words, func(word string) bool {
		return slices.Contains([]string{"exec", "trap", "tini", "dumb-init"}, path.Base(word))
	})
}

// compound tells whether a command is the end of a loop, a condition or a group, or all of one.
func (c Command) compound() bool {
	return c.Grouped || slices.Contains([]string{"{", "}", "[[", "done", "fi", "esac"}, c.Words[0])
}
