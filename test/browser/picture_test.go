package browser

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "write docs/pictures/report.png, and what can be read in it")

// The picture in docs/formats.md and the text of the page that it was taken of: other fonts make other pictures.
const (
	pictureFile = "../../docs/pictures/report.png"
	pictureText = "testdata/report.txt"
)

// town holds the workloads of some teams, with the findings that most clusters have.
func town() string {
	const ports, ready = "ports: [{containerPort: 80}]", "readinessProbe: {httpGet: {path: /ready, port: 80}}"
	const live = "livenessProbe: {httpGet: {path: /live, port: 80}}"
	const unresolved = "readinessProbe: {httpGet: {path: /ready, port: a}}"
	app := map[byte]string{
		'.': ports + ", " + ready,
		'r': ports,                              // no-readiness-probe
		'l': ports + ", " + live,                // liveness-without-readiness, no-startup-probe
		'f': ports + ", " + live + ", " + ready, // which podvet fixes
		'p': ports + ", " + unresolved,
	}
	var out strings.Builder
	for _, team := range []struct{ name, apps string }{
		{"payments", "pppllllff"}, {"shop", "ppllllrrrrrrf."}, {"search", "ppllr."}, {"batch", "llll"},
		{"mail", "lrr.."},
	} {
		for i := range team.apps {
			fmt.Fprintf(&out, "---\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: app-%d, namespace: %s}, "+
				"spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, "+
				"spec: {containers: [{name: app, image: i, %s}]}}}}\n", i, team.name, app[team.apps[i]])
		}
	}
	return out.String()
}

// TestPicture: the picture in the docs shows the page as it is.
func TestPicture(t *testing.T) {
	const width, height = 1200, 1000
	address, ctx := page(t, town(), "--mode", "warn"), browser(t)
	err := chromedp.Do(ctx, inScheme("light"), chromedp.EmulateViewport(width, height), chromedp.Navigate(address))
	if err != nil {
		t.Fatal(err)
	}
	text := evaluate[string](ctx, t, `document.body.innerText.split("Show findings with")[0]`)
	if *update {
		shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{pictureFile: shot, pictureText: []byte(text)} {
			if err := os.WriteFile(name, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want, err := os.ReadFile(pictureText); err != nil || string(want) != text {
		t.Errorf("%s is stale, run make picture: %v\n%s", pictureFile, err, text)
	}
	shown, err := os.ReadFile(pictureFile)
	if err != nil {
		t.Fatal(err)
	}
	size, err := png.DecodeConfig(bytes.NewReader(shown))
	if err != nil || size.Width != width || size.Height != height {
		t.Errorf("%+v, %v", size, err)
	}
}
