// Package browser looks at the report's page and at the one in docs/play in headless Chromium as their readers do.
package browser

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "write a picture of each page into the folder `DIR`")

//go:embed look.js
var look string

// hostile is a name that would run as a script if it were not escaped.
const hostile = `<img src=x onerror=window.hacked=1>"'</style></script><script>window.hacked=1</script>`

// manifests hold objects whose findings are of all levels, in namespaces with long names and strange ones.
func manifests(objects int) string {
	var out strings.Builder
	for i := range objects {
		namespace, name := fmt.Sprintf("team-%02d", i%23), fmt.Sprintf("web-%d", i)
		if i%23 == 7 {
			namespace = "payments-" + strings.Repeat("very-long-", 5) + "end"
		}
		if i == 5 {
			namespace, name = hostile, hostile
		}
		probe := ""
		switch i % 4 {
		case 0:
			probe = ", livenessProbe: {httpGet: {path: /, port: web}}"
		case 1:
			probe = ", livenessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 5}, readinessProbe: " +
				"{httpGet: {path: /, port: 80}, periodSeconds: 5}"
		case 2:
			probe = ", startupProbe: {httpGet: {path: /, port: nowhere}}"
		}
		fmt.Fprintf(&out, `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %q, namespace: %q}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {containers: [{name: app, image: i, command: [sh, -c, "app; true"], ports: [{containerPort: 80}]%s},`+
			` {name: side, image: j, ports: [{containerPort: 81}]}]}
`, name, namespace, probe)
	}
	return out.String()
}

const sound = `apiVersion: v1
kind: ReplicationController
metadata: {name: nothing}
spec: {replicas: 0, selector: {a: b}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b}]}}}
`

// built is podvet, with the versions of the product's module, not of this one.
func built(t *testing.T) string {
	t.Helper()
	podvet := filepath.Join(t.TempDir(), "podvet")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X main.stamped=v1.0.0", "-o", podvet,
		"./cmd/podvet")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return podvet
}

// page has podvet write a page about manifests, and returns its address.
func page(t *testing.T, text string, args ...string) string {
	t.Helper()
	dir, podvet := t.TempDir(), built(t)
	check := exec.CommandContext(t.Context(), podvet,
		append([]string{"check", "-o", "html", "--fail-on", "none", "-"}, args...)...)
	check.Stdin = strings.NewReader(text)
	var said bytes.Buffer
	check.Stderr = &said
	out, err := check.Output()
	if err != nil && !strings.Contains(said.String(), "the API server refuses") {
		t.Fatalf("%v: %s", err, said.Bytes())
	}
	file := filepath.Join(dir, "report.html")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + file
}

// browser is a tab of a headless Chromium. The sandbox needs rights that a container lacks, and the page is ours.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.DisableGPU)
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 8*time.Minute)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	return ctx
}

func evaluate[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return value
}

// inScheme has the browser ask for a color scheme.
func inScheme(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

// TestLooks: on a screen and on a telephone, in both color schemes, nothing overlaps, nothing is outside of the page,
// and all text has the contrast of WCAG 2.1 AA.
func TestLooks(t *testing.T) {
	for _, c := range []struct {
		name, text string
		args       []string
		rows       int // of findings at least
	}{
		{"many", manifests(600), nil, 2000},
		{"warn", manifests(12), []string{"--mode", "warn", "--by", "kind"}, 20},
		{"none", sound, []string{"--mode", "off"}, 0},
		{"nothing", "", []string{"--allow-empty"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, ctx := page(t, c.text, c.args...), browser(t)
			for _, scheme := range []string{"light", "dark"} {
				for _, width := range []int64{1440, 1280, 390} {
					err := chromedp.Do(ctx, inScheme(scheme), chromedp.EmulateViewport(width, 900),
						chromedp.Navigate(address))
					if err != nil {
						t.Fatal(err)
					}
					for _, fault := range evaluate[[]string](ctx, t, look) {
						t.Errorf("%s, %d wide: %s", scheme, width, fault)
					}
					rows := evaluate[int](ctx, t, `document.querySelectorAll(".findings tbody tr").length`)
					if rows < c.rows || c.rows == 0 && rows > 0 {
						t.Errorf("%d findings, want %d", rows, c.rows)
					}
					picture(ctx, t, fmt.Sprintf("%s-%s-%d", c.name, scheme, width))
				}
			}
		})
	}
}

// picture writes what a reader sees first, and the findings.
func picture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	if *screenshots == "" {
		return
	}
	for _, part := range []string{"", "-findings"} {
		if part != "" {
			evaluate[chromedp.Void](ctx, t, `document.querySelector(".findings")?.scrollIntoView()`)
		}
		shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err == nil {
			err = os.WriteFile(filepath.Join(*screenshots, name+part+".png"), shot, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// TestFaultsAreFound in a page that has them.
func TestFaultsAreFound(t *testing.T) {
	const bad = `<!DOCTYPE html><body style="background: #fff">` +
		`<p style="color: #999">faint</p><p style="position: absolute; left: 20px; top: 20px">over</p>` +
		`<p style="position: absolute; left: 20px; top: 24px">under</p><p style="margin-left: 5000px">far</p>`
	file := filepath.Join(t.TempDir(), "bad.html")
	if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(800, 600), chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	found := strings.Join(evaluate[[]string](ctx, t, look), "\n")
	for _, want := range []string{"wide, its window 800", `contrast 2.85 of P "faint"`, `"over" overlaps "under"`,
		`"far" is outside`, "only 4 lines"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q is not among\n%s", want, found)
		}
	}
}

// column are the sort keys of a table's column as the page shows it.
const column = `(table, index) => [...[...document.querySelectorAll(table)].at(-1).tBodies[0].rows]
	.map(row => row.cells[index].dataset.order ?? row.cells[index].textContent)`

// TestSorts: a click on a head sorts by its column, a second one the other way round, numbers as numbers. A click on a
// group shows its findings alone.
func TestSorts(t *testing.T) {
	address, ctx := page(t, manifests(600)), browser(t)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	click := func(table string, index int) []string {
		t.Helper()
		evaluate[chromedp.Void](ctx, t, fmt.Sprintf(
			`[...document.querySelectorAll(%q)].at(-1).tHead.rows[0].cells[%d].firstChild.click()`, table, index))
		return evaluate[[]string](ctx, t, fmt.Sprintf(`(%s)(%q, %d)`, column, table, index))
	}
	number := func(a, b string) int { return len(a)*1000 - len(b)*1000 + strings.Compare(a, b) }
	for _, c := range []struct {
		table     string
		index     int
		downFirst bool
		compare   func(a, b string) int
	}{
		{".groups", 1, true, number}, {".groups", 3, true, number}, {".findings", 0, true, number},
		{".findings", 2, false, strings.Compare},
	} {
		first, second := click(c.table, c.index), click(c.table, c.index)
		if c.downFirst {
			first, second = second, first
		}
		slices.Reverse(second)
		if !slices.IsSortedFunc(first, c.compare) || !slices.IsSortedFunc(second, c.compare) || len(first) < 5 ||
			first[0] == first[len(first)-1] {
			t.Errorf("%s, column %d: %v\n%v", c.table, c.index, first, second)
		}
	}
	sorted := evaluate[string](ctx, t, `document.querySelector(".findings [aria-sort]").ariaSort`)
	if sorted != "descending" {
		t.Errorf("the head says %s", sorted)
	}
	const visible = `[...document.querySelectorAll(".findings tbody tr")].filter(r => r.checkVisibility())`
	evaluate[chromedp.Void](ctx, t, `[...document.querySelectorAll(".groups td button")]
		.find(b => b.textContent === "team-03").click()`)
	left := evaluate[[]string](ctx, t, visible+`.map(row => row.cells[1].textContent)`)
	said := evaluate[string](ctx, t, `document.getElementById("shown").textContent`)
	if len(left) < 20 || !strings.HasPrefix(said, fmt.Sprintf("%d of 2", len(left))) {
		t.Errorf("%d rows are left, and the page says %q", len(left), said)
	}
	for _, object := range left {
		if !strings.HasPrefix(object, "Deployment team-03/") {
			t.Errorf("%s is left", object)
		}
	}
	// Part of another name is another name.
	for find, want := range map[string]int{"namespace:eam-03": 0, "rule:readiness-probe": 0,
		"namespace:team-03": len(left)} {
		rows := evaluate[int](ctx, t, fmt.Sprintf(`search.value = %q; filter(); %s.length`, find, visible))
		if rows != want {
			t.Errorf("%s leaves %d rows, want %d", find, rows, want)
		}
	}
}
