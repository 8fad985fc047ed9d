package shell

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// names are the shells whose second argument after -c is a script.
var names = []string{"sh", "bash", "ash", "dash"}

// Sleep is for how long a command sleeps.
type Sleep struct {
	Seconds int64
	Only    bool // it does nothing else
}

// SleepOf tells for how long a command sleeps for certain: the program sleep, or a script up to its first command that
// may do something else. It is zero where that cannot be told.
func SleepOf(command []string) Sleep {
	if len(command) < 2 {
		return Sleep{}
	}
	name := path.Base(command[0])
	if name == "sleep" && len(command) == 2 {
		seconds, _ := sleepArgument(command[1])
		return Sleep{Seconds: seconds, Only: true}
	}
	if slices.Contains(names, name) && command[1] == "-c" && len(command) > 2 {
		return scriptSleep(command[2])
	}
	return Sleep{}
}

// scriptSleep adds up the sleeps of a script, up to the first command that may do something else.
func scriptSleep(script string) Sleep {
	commands, ok := ReadScript(script)
	if !ok {
		return Sleep{}
	}
	sleep := Sleep{Only: true}
	for i, c := range commands {
		switch quiet, seconds := quietCommand(c); {
		case !quiet || c.Before != "&&" && inBackground(commands[i:]):
			sleep.Only = false
			return sleep
		case seconds > math.MaxInt64-sleep.Seconds:
			return Sleep{}
		default:
			sleep.Seconds += seconds
			sleep.Only = sleep.Only && c.Name() == "sleep" && !c.Writes
		}
	}
	return sleep
}

// inBackground tells whether the first of the commands runs in the background, with those joined to it.
func inBackground(commands []Command) bool {
	for _, c := range commands {
		if c.After != "&&" && c.After != "||" && c.After != "|" {
			return c.After == "&"
		}
	}
	return false
}

// quietCommand tells whether a command does nothing that takes time but sleep, and for how many seconds it does.
func quietCommand(c Command) (quiet bool, seconds int64) {
	beside := func(operator string) bool { return operator == "|" || operator == "||" || operator == "&" }
	if c.Opaque() || beside(c.Before) || beside(c.After) || c.Assignments > 0 && c.Name() != "" {
		return false, 0
	}
	if c.Name() == "sleep" {
		if len(c.Words) != 2 {
			return false, 0
		}
		seconds, ok := sleepArgument(c.Words[1])
		return ok, seconds
	}
	return c.Name() == "" || slices.Contains([]string{"echo", "printf", "true", ":"}, c.Words[0]), 0
}

// sleepArgument reads whole seconds, with a suffix s, m or h. What does not fit counts as none.
func sleepArgument(text string) (int64, bool) {
	unit := int64(1)
	switch {
	case strings.HasSuffix(text, "s"):
		text = text[:len(text)-1]
	case strings.HasSuffix(text, "m"):
		text, unit = text[:len(text)-1], 60
	case strings.HasSuffix(text, "h"):
		text, unit = text[:len(text)-1], 3600
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || text[0] == '+' || n < 0 || n > math.MaxInt64/unit {
		return 0, false
	}
	return n * unit, true
}
