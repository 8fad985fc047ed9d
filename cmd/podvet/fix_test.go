package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestChangedWhileRead: an editor that saves between podvet's reading and its writing wins.
func TestChangedWhileRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.yaml")
	const saved = "saved: meanwhile\n"
	if err := os.WriteFile(name, []byte(saved), 0o600); err != nil {
		t.Fatal(err)
	}
	err := replace(name, []byte("what: was read\n"), []byte("what: was fixed\n"))
	if err == nil || !strings.Contains(err.Error(), "has changed while it was read: nothing is written") {
		t.Errorf("%v", err)
	}
	if now, _ := os.ReadFile(name); string(now) != saved {
		t.Errorf("the file is %q", now)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(name), ".podvet-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
