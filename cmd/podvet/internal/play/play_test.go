package play_test

import (
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/play"
)

const two = `apiVersion: v1
kind: Pod
metadata: {name: first}
spec: {containers: [{name: a, image: i}, {name: b, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: second}
spec: {containers: [{name: c, image: i, livenessProbe: {exec: {command: [x]}}}]}
`

func newPage(t *testing.T) *play.Page {
	t.Helper()
	page, err := play.New(time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// TestDraw: the pod and the container that are asked for are drawn, or those that there are; times have a bound.
func TestDraw(t *testing.T) {
	for _, c := range []struct {
		text  string
		asked play.Scenario
		want  play.Scenario
		words string
	}{
		{two, play.Scenario{Boot: 5, Stop: 2}, play.Scenario{Container: "a", Boot: 5, Stop: 2},
			"a boots in 5 s, containers stop in 2 s"},
		{two, play.Scenario{Container: "b", Hang: 60}, play.Scenario{Container: "b", Hang: 60},
			"b boots in 0 s, b hangs at 60 s, containers stop in 0 s"},
		{two, play.Scenario{Pod: 1, Delete: 90}, play.Scenario{Pod: 1, Container: "c", Delete: 90},
			"c boots in 0 s, the pod is deleted at 90 s, containers stop in 0 s"},
		{two, play.Scenario{Pod: 7, Container: "gone", Boot: 9999, Stop: -1},
			play.Scenario{Pod: 1, Container: "c", Boot: play.Most}, "c boots in 3600 s, containers stop in 0 s"},
		{two, play.Scenario{Pod: 1, Chosen: true},
			play.Scenario{Pod: 1, Container: "c", Chosen: true, Boot: 33, Stop: 1},
			"c boots in 33 s, just longer than livenessProbe allows (no-startup-probe)"},
	} {
		drawn := newPage(t).Draw(c.text, c.asked)
		if drawn.Scenario != c.want || drawn.Words != c.words {
			t.Errorf("of %+v it draws %+v: %s", c.asked, drawn.Scenario, drawn.Words)
		}
		if len(drawn.Pods) != 2 || drawn.Pods[0].Title != "Pod first" || len(drawn.Pods[0].Containers) != 2 {
			t.Errorf("there are %+v", drawn.Pods)
		}
		if !strings.HasPrefix(drawn.SVG, "<svg") || strings.Count(drawn.SVG, "Scenario: ") != 1 ||
			len(drawn.Lives) == 0 {
			t.Errorf("%+v: %.300s", drawn.Lives, drawn.SVG)
		}
	}
	if drawn := newPage(t).Draw("a: b", play.Scenario{}); drawn.SVG != "" || len(drawn.Pods) > 0 {
		t.Errorf("of what is no pod it draws %+v", drawn)
	}
}

// TestCheck: what cannot be used is told with its line, and what is not fixed too.
func TestCheck(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "holds no Kubernetes object. Paste a Pod",
		"kind: Pod\n  a: b": `"line": 2`,
		two:                 `"name": "second"`,
		"kind: Service\napiVersion: v1\nmetadata: {name: a}": `"not a workload"`,
	} {
		checked, err := newPage(t).Check(text)
		if err != nil || !strings.Contains(checked.Report, want) {
			t.Errorf("of %q it says %s: %v", text, checked.Report, err)
		}
		if checked.Fixed == text != (checked.Diff == "") {
			t.Errorf("the diff is %q, the fixed text %q", checked.Diff, checked.Fixed)
		}
	}
}
