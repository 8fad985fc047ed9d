package catalogue_test

import (
	"strings"
	"testing"

	"github.com/podvet/podvet/rules"
)

// TestPreStopNumbers: the sleep and the grace period at their limits.
func TestPreStopNumbers(t *testing.T) {
	for name, c := range map[string]struct{ handler, grace, advice string }{
		"as long as it may":    {"sleep: {seconds: 290}", "30", "Raise terminationGracePeriodSeconds to at least 300."},
		"longer than it may":   {"sleep: {seconds: 291}", "30", "Shorten the sleep to 20 s."},
		"shortest that leaves": {"sleep: {seconds: 5}", "11", "Raise terminationGracePeriodSeconds to at least 15."},
		"room for 1 s":         {`exec: {command: [sleep, "400"]}`, "11", "Shorten the sleep to 1 s."},
		"room for none":        {`exec: {command: [sleep, "400"]}`, "10", "Remove the sleep."},
		"leaves enough":        {"sleep: {seconds: 20}", "30", ""},
		"int64": {`exec: {command: [sleep, "9223372036854775807"]}`, "9223372036854775807",
			"Shorten the sleep to 9223372036854775797 s."},
		"int64 and no grace": {`exec: {command: [sleep, "9223372036854775807"]}`, "0", ""},
		"beyond int64":       {`exec: {command: [sleep, "9223372036854775808"]}`, "30", ""},
		"negative grace is 1": {`exec: {command: [sleep, "5"]}`, "-5",
			"Raise terminationGracePeriodSeconds to at least 15."},
	} {
		text := `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: ` + c.grace + strings.ReplaceAll(hooked("preStop", c.handler), "\n", "\n      ")
		got := strings.Join(finds(t, "prestop-exceeds-grace", text), "\n")
		if (got == "") != (c.advice == "") || !strings.Contains(got, c.advice) {
			t.Errorf("%s: %q, want %q", name, got, c.advice)
		}
	}
}

// TestWhoseShellIsProcessOne: with other processes in view, or on Windows, the shell's signals are another matter.
func TestWhoseShellIsProcessOne(t *testing.T) {
	shell := running("[sh, -c, migrate && serve]", "[]")
	for fields, want := range map[string]int{
		"":                               1,
		"\nshareProcessNamespace: false": 1,
		"\nshareProcessNamespace: true":  0,
		"\nhostPID: true":                0,
		"\nrestartPolicy: OnFailure":     0,
		"\nnodeSelector: {kubernetes.io/os: windows}": 0,
		windows: 0,
	} {
		if got := finds(t, "shell-ignores-sigterm", acceptance{spec: shell + fields}.yaml()); len(got) != want {
			t.Errorf("%s: %q", fields, got)
		}
	}
	split := parseSubject(t, "split", acceptance{spec: running("[sh]", "[-c, a; b]")}.yaml())
	for _, f := range rules.Judge(split, profilePlan(rules.Strict)) {
		if f.Rule.ID == "shell-ignores-sigterm" && f.Path() != "spec.containers[0].args" {
			t.Errorf("the script stands in args: %s", f.Path())
		}
	}
}

// TestOperators: which arguments are operators of a shell, and which programs have a use for them.
func TestOperators(t *testing.T) {
	for command, want := range map[string]bool{
		`[cat, /x, "|", grep, ok]`:   true,
		`[cat, /x, "||", "true"]`:    true,
		`[a, "&&", b]`:               true,
		`[a, ";", b]`:                true,
		`[a, ">", b]`:                true,
		`[a, ">>", b]`:               true,
		`[a, "<", b]`:                true,
		`[a, "2>&1"]`:                true,
		`[a, "&", b]`:                false,
		`[a, "|b"]`:                  false,
		`["|", a]`:                   false,
		`[sh, -c, a, "|"]`:           false,
		`[/usr/bin/zsh, "|"]`:        false,
		`[find, /, -exec, a, ";"]`:   false,
		`[/usr/bin/test, a, "<", b]`: false,
		`["[", a, "<", b, "]"]`:      false,
		`[expr, a, "|", b]`:          false,
		`[awk, "|"]`:                 false,
	} {
		got := finds(t, "exec-probe-shell-operator", acceptance{spec: probing("startupProbe", command)}.yaml())
		if len(got) > 0 != want {
			t.Errorf("%s: %q", command, got)
		}
	}
}
