package browser

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed looksvg.js
var lookSVG string

const (
	slow = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
      - name: app
        image: i
        ports: [{containerPort: 8080}]
        livenessProbe: {httpGet: {port: 8080, path: /live}}
        readinessProbe: {httpGet: {port: 8080, path: /ready}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 25}}}
`
	job = `apiVersion: batch/v1
kind: Job
metadata: {name: a-job-with-a-name-that-is-much-longer-than-names-are-most-often}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      initContainers:
      - {name: migrate-with-a-long-name, image: i}
      - name: proxy-of-a-mesh-with-a-very-long-name
        image: i
        restartPolicy: Always
        startupProbe: {tcpSocket: {port: 9}, periodSeconds: 1, failureThreshold: 60}
        readinessProbe: {tcpSocket: {port: 9}}
      containers: [{name: app, image: i}, {name: other, image: i}]
`
	gate = `apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  containers:
  - name: app
    image: i
    startupProbe: {exec: {command: [x]}, periodSeconds: 10, failureThreshold: 6}
    livenessProbe: {exec: {command: [x]}, periodSeconds: 3}
`
	unresolved = `apiVersion: v1
kind: Pod
metadata: {name: never}
spec:
  containers:
  - {name: app, image: i, startupProbe: {httpGet: {port: web}}, readinessProbe: {httpGet: {port: web}}}
`
)

// TestTimelines: in ten scenarios no text overlaps another and none is outside of the picture, in both color schemes.
func TestTimelines(t *testing.T) {
	podvet, ctx := built(t), browser(t)
	for _, c := range []struct {
		name, text string
		args       []string
	}{
		{"chosen", slow, []string{"--fixed"}},
		{"boot", slow, []string{"--boot", "45s", "--for", "3m"}},
		{"hang", slow, []string{"--hang-at", "5m", "--for", "10m", "--stop-takes", "1m"}},
		{"crash", slow, []string{"--crash-after", "1s", "--exit-code", "1", "--for", "1h"}},
		{"delete", slow, []string{"--delete-at", "50s", "--stop-takes", "1m", "--for", "100s"}},
		{"gate", gate, []string{"--boot", "12s", "--hang-at", "30s", "--seed", "5"}},
		{"job", job, []string{"--crash-after", "2m", "--for", "4m"}},
		{"job-fails", job, []string{"--crash-after", "2m", "--exit-code", "1", "--for", "24h"}},
		{"unresolved", unresolved, []string{"--for", "7s"}},
		{"blocked", job, []string{"--boot", "proxy-of-a-mesh-with-a-very-long-name=2m", "--for", "13m7s"}},
	} {
		draw := exec.CommandContext(t.Context(), podvet, append([]string{"timeline", "-o", "svg", "-"}, c.args...)...)
		draw.Stdin = strings.NewReader(c.text)
		out, err := draw.Output()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if len(out) > 200_000 {
			t.Errorf("%s: %d bytes", c.name, len(out))
		}
		for _, fault := range faultsOf(ctx, t, c.name, out) {
			t.Errorf("%s: %s", c.name, fault)
		}
	}
}

// faultsOf finds what is wrong with a picture, in both color schemes.
func faultsOf(ctx context.Context, t *testing.T, name string, svg []byte) (faults []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".svg")
	if err := os.WriteFile(file, svg, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		err := chromedp.Do(ctx, inScheme(scheme), chromedp.EmulateViewport(1000, 700),
			chromedp.Navigate("file://"+file))
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, evaluate[[]string](ctx, t, lookSVG)...)
		if *screenshots == "" {
			continue
		}
		shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err == nil {
			err = os.WriteFile(filepath.Join(*screenshots, "timeline-"+name+"-"+scheme+".png"), shot, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
	return faults
}

// TestFaultsOfPictures are found.
func TestFaultsOfPictures(t *testing.T) {
	const bad = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">` +
		`<title id="title"></title><desc id="desc"/>` +
		`<text x="10" y="20">one</text><text x="20" y="22">two</text><text x="90" y="90">too far</text></svg>`
	found := strings.Join(faultsOf(browser(t), t, "bad", []byte(bad)), "\n")
	for _, want := range []string{`"one" overlaps "two"`, `"too far" is outside`, "only 3 texts", "screen readers"} {
		if !strings.Contains(found, want) {
			t.Errorf("not found: %s, in\n%s", want, found)
		}
	}
}
