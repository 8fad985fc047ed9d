package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/play"
)

// TestPlaySaysTheSame: the page in docs/play has the bytes of podvet check, fix and timeline, over all fixtures.
// test/browser does so where the page runs.
func TestPlaySaysTheSame(t *testing.T) {
	files, err := filepath.Glob("../../rules/catalogue/*/*.yaml")
	if err != nil || len(files) < 300 {
		t.Fatalf("%d fixtures: %v", len(files), err)
	}
	page, err := play.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	t.Chdir(t.TempDir())
	drawings := 0
	for _, file := range files {
		text := texts[file]
		if err := os.WriteFile(play.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		said := func(args ...string) string {
			var out bytes.Buffer
			root := newRoot("podvet")
			root.SetOut(&out)
			root.SetErr(io.Discard)
			root.SetArgs(append(args, play.File))
			_ = root.Execute() // the error tells what was found
			return out.String()
		}
		checked, err := page.Check(text)
		if err != nil {
			t.Fatal(err)
		}
		if want := said("check", "-o", "json"); checked.Report != want {
			t.Errorf("%s: the page has\n%s\npodvet check\n%s", file, checked.Report, want)
		}
		if want := said("fix", "--diff"); checked.Diff != want {
			t.Errorf("%s: the page has\n%s\npodvet fix\n%s", file, checked.Diff, want)
		}
		if filepath.Base(file) != "bad.yaml" { // one of each rule: a drawing takes long
			continue
		}
		drawn := page.Draw(text, play.Scenario{Chosen: true})
		if len(drawn.Pods) != 1 {
			continue
		}
		drawings++
		args := []string{"timeline", fmt.Sprintf("--for=%ds", drawn.Seconds)}
		if len(drawn.Lives) == 2 {
			args = append(args, "--fixed")
		}
		if want := said(args...); drawn.Text != want {
			t.Errorf("%s: the page has\n%s\npodvet timeline\n%s", file, drawn.Text, want)
		}
	}
	if drawings < 30 {
		t.Errorf("only %d are drawn", drawings)
	}
}
