package manifest_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
)

// apply reads a unified diff as patch does, strictly.
func apply(t *testing.T, a []string, diff string) []string {
	t.Helper()
	var out []string
	at := 0
	lines := slices.Collect(strings.Lines(diff))
	for i := 2; i < len(lines); {
		var from string
		if _, err := fmt.Sscanf(lines[i], "@@ -%s +", &from); err != nil {
			t.Fatalf("%q: %v", lines[i], err)
		}
		start, size, counted := strings.Cut(from, ",")
		line, err := strconv.Atoi(start)
		if err != nil {
			t.Fatal(err)
		}
		if !counted || size != "0" {
			line--
		}
		out, at = append(out, a[at:line]...), line
		for i++; i < len(lines) && !strings.HasPrefix(lines[i], "@@"); i++ {
			text := lines[i][1:]
			if i+1 < len(lines) && strings.HasPrefix(lines[i+1], `\`) {
				text = strings.TrimSuffix(text, "\n")
			}
			switch lines[i][0] {
			case ' ', '-':
				if a[at] != text {
					t.Fatalf("line %d is %q, the diff says %q", at+1, a[at], text)
				}
				at++
			}
			if lines[i][0] == ' ' || lines[i][0] == '+' {
				out = append(out, text)
			}
		}
	}
	return append(out, a[at:]...)
}

func TestDiffApplies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		var text strings.Builder
		for i := range r.IntN(40) {
			fmt.Fprintf(&text, "line %d\n", i%7)
		}
		a := []byte(text.String())
		if len(a) > 0 && r.IntN(3) == 0 { // no line end at the end
			a = a[:len(a)-1]
		}
		var edits []manifest.Edit
		for at := 0; len(a) > 0; {
			at += r.IntN(60)
			if r.IntN(3) == 0 && at < len(a) {
				at += bytes.IndexByte(append(a[at:len(a):len(a)], '\n'), '\n') + 1
			}
			if at >= len(a) {
				break
			}
			e := manifest.Edit{Offset: at, Text: []string{"new\n", "two\nlines\n", "a: 1, ", "x\n  ", "7"}[r.IntN(5)]}
			if a[at] != '\n' && r.IntN(3) == 0 {
				e.Length = 1
			}
			edits = append(edits, e)
			at += e.Length
		}
		want := string(manifest.Splice(a, edits))
		diff := string(manifest.Diff("f", a, []byte(want)))
		if (string(a) == want) != (diff == "") {
			t.Fatalf("diff %q of %q and %q", diff, a, want)
		}
		if diff != "" {
			if got := strings.Join(apply(t, slices.Collect(strings.Lines(string(a))), diff), ""); got != want {
				t.Fatalf("applied:\n%q\nwant:\n%q\ndiff:\n%s", got, want, diff)
			}
		}
	}
}
