package shell_test

import (
	"strings"
	"testing"

	"github.com/podvet/podvet/rules/catalogue/shell"
)

// words splits a command at |; \| is a | in one of them.
func words(command string) []string {
	words := strings.Split(strings.ReplaceAll(command, `\|`, "\x00"), "|")
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "\x00", "|")
	}
	return words
}

func TestSleepOf(t *testing.T) {
	for command, want := range map[string]shell.Sleep{
		"sleep|25":                                 {Seconds: 25, Only: true},
		"/bin/sleep|25s":                           {Seconds: 25, Only: true},
		"sleep|2m":                                 {Seconds: 120, Only: true},
		"sleep|1h":                                 {Seconds: 3600, Only: true},
		"sleep|25.5":                               {},
		"sleep|-1":                                 {},
		"sleep|+1":                                 {},
		"sleep|0":                                  {},
		"sleep|25|5":                               {},
		"sleep":                                    {},
		"sleep|99999999999999999999":               {},
		"sleep|9223372036854775807h":               {},
		"sh|-c|sleep 25":                           {Seconds: 25, Only: true},
		"/bin/bash|-c|sleep 25; x":                 {Seconds: 25},
		"ash|-c|sleep 20 && sleep 5":               {Seconds: 25, Only: true},
		"dash|-c|echo bye && sleep 1m":             {Seconds: 60},
		"sh|-c|sleep 25|ignored":                   {Seconds: 25, Only: true},
		"sh|-c|A=b; : ; printf x; sleep 5":         {Seconds: 5},
		"sh|-c|sleep '5' >/dev/null # sleep 9":     {Seconds: 5, Only: true},
		"sh|-c|sleep \\\n 5":                       {Seconds: 5, Only: true},
		"sh|-c|sleep 25 & x":                       {},
		"sh|-c|sleep 25 && x &":                    {},
		"sh|-c|sleep 5; sleep 25 && sleep 1 &":     {Seconds: 5},
		"sh|-c|sleep 5 && x; y &":                  {Seconds: 5},
		"sh|-c|sleep 5 > /tmp/stopping":            {Seconds: 5},
		"sh|-c|sleep 5 2>&1 </dev/null":            {Seconds: 5, Only: true},
		"sh|-c|sleep 5; (sleep 5)":                 {Seconds: 5},
		"sh|-c|sleep 5 \\| x":                      {},
		"sh|-c|x; sleep 25":                        {},
		"sh|-c|A=b sleep 25":                       {},
		"sh|-c|(sleep 25)":                         {},
		"sh|-c|sleep $(x)":                         {},
		"sh|-c|echo `x`; sleep 5":                  {},
		"sh|-c|true \\|\\| sleep 5":                {},
		"sh|-ec|sleep 25":                          {},
		"zsh|-c|sleep 25":                          {},
		"sh|sleep 25":                              {},
		"sh|-c|sleepy 25":                          {},
		"sh|-c|sleep 5 5":                          {},
		"sh|-c|sleep 9223372036854775807; sleep 1": {},
	} {
		if got := shell.SleepOf(words(command)); got != want && max(got.Seconds, want.Seconds) > 0 {
			t.Errorf("%s: got %+v, want %+v", command, got, want)
		}
	}
}

func TestIgnoresSIGTERM(t *testing.T) {
	for list, want := range map[string]string{
		// sh, ash and dash: more than one command
		"sh|-c|migrate && serve":          "sh exec",
		"/bin/dash|-c|migrate; serve":     "dash exec",
		"ash|-c|migrate\nserve":           "ash exec",
		"sh|-c|cd /app\n\n# go\n serve\n": "sh exec",
		"sh|-c|A=b; serve $(cat x)":       "sh exec",
		"sh|-c|migrate \\|\\| serve":      "sh",
		"sh|-c|serve \\| tee log":         "sh",
		"sh|-c|serve & wait":              "sh",
		"sh|-c|serve; echo done":          "sh",
		"sh|-c|init && sleep infinity":    "sh",
		"sh|-c|while a; do b; done":       "sh",
		"sh|-c|(a; b)":                    "sh",
		"sh|-c|a && b|ignored|exec":       "sh exec",
		"sh|-c|echo 'exec me'; serve":     "sh exec",
		"sh|-c|serve":                     "",
		"sh|-c|serve >/log 2>&1":          "",
		"sh|-c|serve &":                   "",
		"sh|-c|serve # a; b":              "",
		"sh|-c|serve 'a; b'":              "",
		"sh|-c|(serve)":                   "",
		"sh|-c|":                          "",
		"sh|-c|a; exec b":                 "",
		"sh|-c|'exec' a; b":               "",
		"sh|-c|trap x TERM; a":            "",
		"sh|-c|a; /sbin/tini -- b":        "",
		"sh|-c|a; dumb-init b":            "",
		"sh|-c|a <<EOF\nb\nEOF":           "",
		// bash: a last command that it does not turn into
		"bash|-c|serve \\| tee log":         "bash",
		"/bin/bash|-c|serve &":              "bash",
		"bash|-c|while a; do b; done":       "bash",
		"bash|-c|if a; then b; fi >log":     "bash",
		"bash|-c|case a in b) c;; esac":     "bash",
		"bash|-c|{ a; b; }":                 "bash",
		"bash|-c|a; (b)":                    "bash",
		"bash|-c|(a; b;)":                   "bash",
		"bash|-c|[[ -f x ]]":                "bash",
		"bash|-c|migrate && serve":          "",
		"bash|-c|migrate \\|\\| serve":      "",
		"bash|-c|a \\| b; serve":            "",
		"bash|-c|a & serve":                 "",
		"bash|-c|serve $(cat x)":            "",
		"bash|-c|(a); serve":                "",
		"bash|-c|while a; do b; done; c":    "",
		"bash|-c|serve \\| tee log; exec x": "",
		// other lists
		"sh|-ec|a; b":         "",
		"sh|a; b":             "",
		"sh|-c":               "",
		"zsh|-c|a; b":         "",
		"tini|sh|-c|a; b":     "",
		"env|sh|-c|a; b":      "",
		"/entry.sh|-c|a; b":   "",
		"busybox|sh|-c|a; b ": "",
	} {
		got := ""
		if found, deaf := shell.IgnoresSIGTERM(words(list)); deaf {
			if got = found.Name; found.Exec {
				got += " exec"
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", list, got, want)
		}
	}
}
