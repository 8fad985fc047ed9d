package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBench: each handler answers each body in each way as it should. How fast is for a longer run to say.
func TestBench(t *testing.T) {
	folder := t.TempDir()
	podvet, bench := filepath.Join(folder, "podvet"), filepath.Join(folder, "bench")
	for file, from := range map[string]string{podvet: "./cmd/podvet", bench: "./test/bench"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", file, from)
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	run := exec.CommandContext(t.Context(), bench, "webhook", "-podvet", podvet, "-rounds", "1", "-turn", "5ms")
	run.Dir = "../.."
	out, err := run.Output()
	if err != nil {
		exit, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("%v: %s", err, exit.Stderr)
	}
	rows := strings.Count(string(out), " clients, HTTP/1.1 | ") + strings.Count(string(out), " clients, HTTP/2 | ")
	if rows != 20 {
		t.Errorf("%d cases, want 20:\n%s", rows, out)
	}
	for _, words := range []string{"/mutate: ", " of controller-runtime", "resident at most", "podvet served "} {
		if !strings.Contains(string(out), words) {
			t.Errorf("it does not say %q:\n%s", words, out)
		}
	}
}
