package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
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
	for range 2000 {
		var a, b []string
		for i := range r.IntN(40) {
			line := fmt.Sprintf("line %d\n", i%7)
			a = append(a, line)
			switch r.IntN(8) {
			case 0: // something is put in before
				for n := range 1 + r.IntN(6) {
					b = append(b, fmt.Sprintf("new %d\n", n))
				}
				b = append(b, line)
			case 1:
				b = append(b, "changed "+line)
			default:
				b = append(b, line)
			}
		}
		if n := len(a); n > 0 && r.IntN(3) == 0 { // no line end at the end
			a[n-1] = strings.TrimSuffix(a[n-1], "\n")
			b[len(b)-1] = strings.TrimSuffix(b[len(b)-1], "\n")
		}
		var diff strings.Builder
		if err := writeDiff(&diff, "f", a, b); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(a, b) != (diff.Len() == 0) {
			t.Fatalf("diff %q of %q and %q", diff.String(), a, b)
		}
		if diff.Len() > 0 {
			if got := apply(t, a, diff.String()); !slices.Equal(got, b) {
				t.Fatalf("applied:\n%q\nwant:\n%q\ndiff:\n%s", got, b, diff.String())
			}
		}
	}
}

// TestDiffOfALongText: a search for the smallest difference would not end.
func TestDiffOfALongText(t *testing.T) {
	var a, b []string
	for i := range 500_000 {
		line := fmt.Sprintf("line %d\n", i%50)
		a, b = append(a, line), append(b, line)
		if i%97 == 0 {
			b = append(b, "new\n")
		}
	}
	if n := len(changes(a, b)); n != 5155 {
		t.Errorf("%d changes", n)
	}
}
