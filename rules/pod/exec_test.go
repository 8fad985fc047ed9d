package pod_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// words splits a command at |; \| is a | in one of them.
func words(command string) []string {
	words := strings.Split(strings.ReplaceAll(command, `\|`, "\x00"), "|")
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "\x00", "|")
	}
	return words
}

func TestNoShell(t *testing.T) {
	for command, want := range map[string]string{
		"curl -f localhost":     "certain",
		"cat /tmp/healthy":      "certain",
		"cat\t/tmp/healthy":     "certain",
		" cat":                  "certain",
		"cat ":                  "certain",
		"a\\|b":                 "certain",
		"/bin/a&&/bin/b":        "certain",
		"a;b":                   "certain",
		"a>b":                   "certain",
		"/bin/a<b":              "certain",
		"`a`":                   "certain",
		"/bin/a\n/bin/b":        "certain",
		"/bin/a -f":             "certain",
		"/bin/a   -f":           "certain",
		"/bin/a 9090":           "certain",
		"/bin/a $HOME":          "certain",
		"/bin/a 'b'":            "certain",
		`/bin/a "b"`:            "certain",
		"/bin/a b":              "uncertain",
		"/opt/my tools/check":   "uncertain",
		"./a b":                 "uncertain",
		"/bin/a ":               "uncertain",
		"/bin/a":                "",
		"a":                     "",
		"$(CHECK)":              "",
		"":                      "",
		"cat|/tmp/healthy file": "",
		"sh|-c|a; b":            "",
	} {
		h := pod.Handler{Exec: &corev1.ExecAction{Command: words(command)}}
		got := ""
		switch found, certain := h.NoShell(); {
		case certain:
			got = "certain"
		case found:
			got = "uncertain"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", command, got, want)
		}
	}
	if found, _ := (pod.Handler{}).NoShell(); found {
		t.Error("no command at all")
	}
}

func TestShellWithoutC(t *testing.T) {
	for command, want := range map[string]bool{
		"sh|test -f /x":        true,
		"/bin/bash|a; b":       true,
		"ash|a;b":              true,
		"dash|a\\|b":           true,
		"/usr/bin/zsh|a > b":   true,
		"sh|a\nb":              true,
		"sh|echo a|-c":         true,
		"sh|check.sh":          false,
		"sh|check.sh|a b":      false,
		"sh|/check me.sh":      false,
		"sh|./check me.sh":     false,
		"sh|-c|a b":            false,
		"sh|-ec|a b":           false,
		"bash|+x|a b":          false,
		"sh|":                  false,
		"sh":                   false,
		"fish|a b":             false,
		"busybox|sh|test -f x": false,
	} {
		h := pod.Handler{Exec: &corev1.ExecAction{Command: words(command)}}
		if got := h.ShellWithoutC(); got != want {
			t.Errorf("%q: got %v", command, got)
		}
	}
}
