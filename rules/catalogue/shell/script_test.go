package shell_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/podvet/podvet/rules/catalogue/shell"
)

// inWords are commands with the operators between them; of a question mark it cannot be told what it does.
func inWords(commands []shell.Command) string {
	var text strings.Builder
	for i, c := range commands {
		if i > 0 {
			text.WriteString(" " + c.Before + " ")
		}
		fmt.Fprint(&text, c.Words)
		if c.Opaque() {
			text.WriteByte('?')
		}
	}
	return text.String()
}

func TestReadScript(t *testing.T) {
	for script, want := range map[string]string{
		"a b":                        "[a b]",
		"a; b\nc":                    "[a] ; [b] \n [c]",
		"a && b || c | d & e":        "[a] && [b] || [c] | [d] & [e]",
		`a "b c" 'd;e' f\ g`:         "[a b c d;e f g]",
		"a # b; c\nd":                "[a] \n [d]",
		"a#b":                        "[a#b]",
		"a \\\n b":                   "[a b]",
		"a >/dev/null 2>&1 <x b":     "[a b]",
		"a &>log":                    "[a]",
		"a 2b >c":                    "[a 2b]",
		"a $(b; c) d":                "[a $(b; c) d]?",
		"a `b`":                      "[a `b`]?",
		"a; (\n b; c;); d":           "[a] ; [b]? ; [c]? ; [d]",
		"(a; b;) | c":                "[a]? ; [b]? | [c]",
		"case a in b) c;; esac; (d)": "[case a in b c]? ; [esac] ; [d]?",
		`a "$(b "c")"`:               "[a $(b \"c\")]?",
		"a ${B:-c d} $E":             "[a ${B:-c d} $E]",
		"(a; b); c":                  "[a]? ; [b]? ; [c]",
		"":                           "",
		"\n;\n":                      "",
		"a &&\n b":                   "[a] && [b]",
		"a |& b":                     "[a] | [b]",
		`"a`:                         "unreadable",
		"a <<EOF\nb\nEOF":            "unreadable",
		"a `b":                       "unreadable",
		"$(a":                        "unreadable",
		"a \"b `c":                   "unreadable",
		"a \"$(b":                    "unreadable",
		strings.Repeat("a ", 40_000): "unreadable",
	} {
		commands, ok := shell.ReadScript(script)
		got := "unreadable"
		if ok {
			got = inWords(commands)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", script, got, want)
		}
	}
}

func FuzzReadScript(f *testing.F) {
	for _, script := range []string{"a; b", "a `b", "$(", "${", "(((", "a\\", `"\`, "2>", "&>", "<("} {
		f.Add(script)
	}
	f.Fuzz(func(_ *testing.T, script string) { shell.ReadScript(script) })
}
