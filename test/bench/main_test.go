package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podvet/podvet/test/podvet"
)

// mostOfBinary is how large podvet's binary may be, in bytes: docs/performance.md says of what.
const mostOfBinary = 64_000_000

// TestBench: each handler answers each body in each way as it should. How fast is for a longer run to say.
func TestBench(t *testing.T) {
	folder := t.TempDir()
	binary, bench := filepath.Join(folder, "podvet"), filepath.Join(folder, "bench")
	for file, from := range map[string]string{binary: "./cmd/podvet", bench: "./test/bench"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", file, from)
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := podvet.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if built, err := os.Stat(binary); err != nil || built.Size() > mostOfBinary {
		t.Errorf("podvet is a binary of %d bytes, with what go tool nm -size reads, and at most %d are meant (%v)",
			built.Size(), mostOfBinary, err)
	}
	run := exec.CommandContext(t.Context(), bench, "webhook", "-podvet", binary, "-rounds", "1", "-turn", "5ms")
	run.Dir = "../.."
	out, err := run.Output()
	if err != nil {
		exit, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("%v: %s", err, exit.Stderr)
	}
	rows := strings.Count(string(out), " clients, HTTP/1.1 | ") + strings.Count(string(out), " clients, HTTP/2 | ")
	if rows != 22 {
		t.Errorf("%d cases, want 22:\n%s", rows, out)
	}
	for _, words := range []string{"/mutate: ", " of controller-runtime", "resident at most", "podvet served ",
		"a pod of 1 MB, 1 clients, HTTP/1.1, /validate: half",
		"1 MB of containers, 1 clients, HTTP/1.1, /mutate: half"} {
		if !strings.Contains(string(out), words) {
			t.Errorf("it does not say %q:\n%s", words, out)
		}
	}
}
