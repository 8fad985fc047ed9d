package chart

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

// dayStep is a point of the picture: a day has 144.
const dayStep = 10 * time.Minute

type panel struct {
	Title, Type string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
	FieldConfig struct{ Defaults struct{ Unit string } }
}

// TestPicture holds docs/pictures/dashboard.svg against the dashboard: each panel's queries are asked of Prometheus'
// engine over a made-up day, and drawn as Grafana would.
func TestPicture(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "files", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	day := promqltest.LoadedStorage(t, aDay())
	var picture bytes.Buffer
	bottom := 0
	for _, p := range dashboard.Panels {
		bottom = max(bottom, p.GridPos.Y+p.GridPos.H)
		drawn := 0
		for _, target := range p.Targets {
			drawn += len(ask(t, day, target.Expr))
		}
		if drawn == 0 {
			t.Errorf("the panel %q is empty", p.Title)
		}
	}
	fmt.Fprintf(&picture, pictureHead, width, bottom*row+2*gap, width, bottom*row+2*gap)
	for _, p := range dashboard.Panels {
		draw(t, &picture, day, p)
	}
	picture.WriteString("</svg>\n")
	const path = "../../docs/pictures/dashboard.svg"
	if *update {
		if err := os.WriteFile(path, picture.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, picture.Bytes()) {
		t.Errorf("%s is stale: run make generate", path)
	}
}

// aDay is what two replicas, and the API server, expose in a day in which a bad policy is applied at noon and podvet is
// not reached for a moment in the evening.
func aDay() string {
	const points = int(24 * time.Hour / dayStep)
	random := rand.New(rand.NewPCG(1, 1))
	var script strings.Builder
	script.WriteString("load 10m\n")
	series := func(name string, at func(i int) float64) {
		script.WriteString("  " + name)
		for i := range points + 1 {
			fmt.Fprintf(&script, " %g", at(i))
		}
		script.WriteByte('\n')
	}
	// busy is the share of a day's peak, with some noise.
	busy := func(i int) float64 {
		return (0.15 + 0.85*math.Pow(math.Sin(math.Pi*float64(i)/float64(points)), 2)) * (0.8 + 0.4*random.Float64())
	}
	counter := func(name string, peak float64) { // so many in 10 minutes at the peak
		sum := 0.0
		series(name, func(i int) float64 { sum += math.Round(peak * busy(i)); return sum })
	}
	for _, instance := range []string{"10.0.1.7:8080", "10.0.2.9:8080"} {
		on := fmt.Sprintf(`instance="%s",job="podvet"`, instance)
		for _, decision := range []struct {
			name string
			peak float64
		}{{"allowed", 900}, {"warned", 300}, {"denied", 6}, {"error", 0}} {
			counter(fmt.Sprintf(`podvet_reviews_total{endpoint="validate",decision="%s",%s}`, decision.name, on),
				decision.peak)
		}
		counter(`podvet_reviews_total{endpoint="mutate",decision="patched",`+on+`}`, 500)
		counter(`podvet_reviews_total{endpoint="mutate",decision="allowed",`+on+`}`, 700)
		for _, endpoint := range []string{"mutate", "validate"} {
			for le, share := range map[string]int{"0.0004": 700, "0.0008": 1100, "0.0016": 1195, "+Inf": 1200} {
				series(fmt.Sprintf(`podvet_review_duration_seconds_bucket{endpoint="%s",le="%s",%s}`, endpoint, le, on),
					func(i int) float64 { return float64(i * share) })
			}
		}
		for _, f := range []struct {
			namespace, rule, level string
			peak                   float64
		}{{"shop", "no-readiness-probe", "warn", 30}, {"shop", "probe-port-unresolved", "deny", 2},
			{"batch", "job-sidecar-not-native", "warn", 12}, {"search", "prestop-exceeds-grace", "warn", 9},
			{"search", "exec-probe-no-shell", "deny", 1}, {"monitoring", "no-startup-probe", "warn", 4}} {
			const form = `podvet_findings_total{namespace="%s",rule="%s",level="%s",mode="warn",object="pod",%s}`
			counter(fmt.Sprintf(form, f.namespace, f.rule, f.level, on), f.peak)
		}
		counter(`podvet_fixes_total{rule="no-startup-probe",applied="true",`+on+`}`, 400)
		counter(`podvet_fixes_total{rule="exec-probe-short-timeout",applied="true",`+on+`}`, 120)
		series(`podvet_panics_total{`+on+`}`, func(int) float64 { return 0 })
		series(`podvet_policy_info{hash="3f9ac1d2",source="configmap",`+on+`}`, func(int) float64 { return 1 })
		series(`podvet_policy_reload_total{result="good",`+on+`}`, func(i int) float64 { return float64(1 + i/100) })
		series(`podvet_policy_reload_total{result="bad",`+on+`}`, func(i int) float64 { return float64(min(i/72, 1)) })
		series(`podvet_policy_last_success_timestamp_seconds{`+on+`}`,
			func(i int) float64 { return float64(1 + i/100*100*600) })
		series(`podvet_certificate_expiry_timestamp_seconds{`+on+`}`,
			func(i int) float64 { return float64(i/48*48*600) + 24*3600 })
		series(`podvet_certificate_rotation_timestamp_seconds{`+on+`}`,
			func(i int) float64 { return float64(i / 48 * 48 * 600) })
		series(`podvet_ca_expiry_timestamp_seconds{ca="current",`+on+`}`, func(int) float64 { return 30 * 86400 })
		counter(`podvet_namespace_lookups_total{result="found",`+on+`}`, 3)
		series(`process_resident_memory_bytes{`+on+`}`, func(i int) float64 { return 44e6 + 2e6*busy(i) })
		cpu := 0.0
		series(`process_cpu_seconds_total{`+on+`}`, func(i int) float64 { cpu += 3 * busy(i); return cpu })
	}
	const api = `{name="validate.podvet.dev",job="apiserver",instance="10.0.0.2:6443"`
	series(`apiserver_admission_webhook_fail_open_count`+api+`}`, func(i int) float64 { return float64(5 + 3*(i/120)) })
	series(`apiserver_admission_webhook_rejection_count`+api+`,error_type="calling_webhook_error"}`,
		func(int) float64 { return 2 })
	return script.String()
}

// ask evaluates a panel's query over the day.
func ask(t *testing.T, day storage.Queryable, query string) promql.Matrix {
	t.Helper()
	query = strings.NewReplacer("$__rate_interval", "40m", "$__range", "12h", "$namespace", ".*").Replace(query)
	run, err := newEngine(t).NewRangeQuery(t.Context(), day, nil, query, time.Unix(0, 0),
		time.Unix(0, 0).Add(24*time.Hour), dayStep)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer run.Close()
	matrix, err := run.Exec(t.Context()).Matrix()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	all := slices.Clone(matrix)
	for i := range all {
		all[i].Floats = slices.Clone(all[i].Floats) // Close hands these to the next query
	}
	slices.SortFunc(all, func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) })
	return all
}

// The picture in pixels: 24 columns of Grafana's grid, and its rows.
const (
	width, gap  = 1200, 8
	column, row = (width - 2*gap) / 24, 26
)

const pictureHead = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" ` +
	`aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12">
<title id="title">podvet's dashboard over a made-up day</title>
<desc id="desc">Replicas, reviews, time to answer, findings by namespace and rule, fixes, errors, the policy, ` +
	`certificates, memory and CPU.</desc>
<style>
  .page { fill: #f6f8fa } .panel { fill: #ffffff; stroke: #d1d9e0 } .ink { fill: #1f2328 } .soft { fill: #59636e }
  .c0 { stroke: #0969da } .c1 { stroke: #1a7f37 } .c2 { stroke: #9a6700 } .c3 { stroke: #cf222e }
  .c4 { stroke: #8250df } .grid { stroke: #d1d9e0 } path { fill: none; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .panel { fill: #151b23; stroke: #3d444d } .ink { fill: #f0f6fc } .soft { fill: #9198a1 }
    .c0 { stroke: #4493f8 } .c1 { stroke: #3fb950 } .c2 { stroke: #d29922 } .c3 { stroke: #f85149 }
    .c4 { stroke: #ab7df8 } .grid { stroke: #3d444d }
  }
</style>
<rect class="page" width="%d" height="%d"/>
`

// draw draws one panel: a number, a table, or lines over the day.
func draw(t *testing.T, out *bytes.Buffer, day storage.Queryable, p panel) {
	t.Helper()
	x, y := gap+p.GridPos.X*column+2, gap+p.GridPos.Y*row+2
	w, h := p.GridPos.W*column-4, p.GridPos.H*row-4
	fmt.Fprintf(out, "<rect class=\"panel\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\"/>\n", x, y, w, h)
	label(out, "ink", x+12, y+22, `font-weight="600"`, p.Title)
	var all []line
	for _, target := range p.Targets {
		for _, series := range ask(t, day, target.Expr) {
			all = append(all, line{legend(target.LegendFormat, series.Metric), series.Floats, series.Metric})
		}
	}
	unit := p.FieldConfig.Defaults.Unit
	switch p.Type {
	case "stat":
		label(out, "ink", x+12, y+70, `font-size="32"`, amount(last(all[0].points), unit))
	case "table":
		slices.SortStableFunc(all, func(a, b line) int {
			return cmp.Compare(math.Round(last(b.points)), math.Round(last(a.points)))
		})
		for i, l := range all[:min(len(all), 6)] {
			at := y + 50 + 24*i
			label(out, "ink", x+12, at, "", l.metric.Get("namespace"))
			label(out, "ink", x+112, at, "", l.metric.Get("rule"))
			label(out, "soft", x+w-62, at, `text-anchor="end"`, l.metric.Get("level"))
			label(out, "ink", x+w-12, at, `text-anchor="end"`, amount(math.Round(last(l.points)), unit))
		}
	default:
		lines(out, all, x+64, y+36, w-92, h-84, unit)
	}
}

type line struct {
	name   string
	points []promql.FPoint
	metric labels.Labels
}

func last(points []promql.FPoint) float64 { return points[len(points)-1].F }

// lines draws series over the day in a box, with two marks of the scale and a legend.
func lines(out *bytes.Buffer, all []line, x, y, w, h int, unit string) {
	most := 0.0
	for _, l := range all {
		for _, point := range l.points {
			most = max(most, point.F)
		}
	}
	most = cmp.Or(most, 1)
	for i, mark := range []float64{0, most} {
		at := y + h - i*h
		fmt.Fprintf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", x, x+w, at, at)
		label(out, "soft", x-6, at+4, `text-anchor="end"`, amount(mark, unit))
	}
	for hour := 0; hour <= 24; hour += 6 {
		label(out, "soft", x+w*hour/24, y+h+16, `text-anchor="middle"`, fmt.Sprintf("%02d:00", hour))
	}
	room := x
	const noise = 1e-6 // sums differ in the last digits by the order in which Prometheus adds
	for i, l := range all {
		var path strings.Builder
		for n, point := range l.points {
			right := float64(w) * float64(point.T) / float64(24*3600*1000)
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(n, 1)], float64(x)+right,
				float64(y+h)-float64(h)*point.F/most+noise)
		}
		fmt.Fprintf(out, "<path class=\"c%d\" d=\"%s\"/>\n", i%5, path.String())
		if size := 26 + 7*len(l.name); room+size <= x+w { // what has no room is not named
			fmt.Fprintf(out, "<path class=\"c%d\" d=\"M%d %dh14\"/>\n", i%5, room, y+h+32)
			label(out, "soft", room+18, y+h+36, "", l.name)
			room += size
		}
	}
}

func label(out *bytes.Buffer, class string, x, y int, more, text string) {
	if more != "" {
		more = " " + more
	}
	fmt.Fprintf(out, "<text class=\"%s\" x=\"%d\" y=\"%d\"%s>%s</text>\n", class, x, y, more, html.EscapeString(text))
}

// legend is Grafana's: the labels of a series in a form, or its only labels.
func legend(form string, metric labels.Labels) string {
	return regexp.MustCompile(`{{(\w+)}}`).ReplaceAllStringFunc(form, func(name string) string {
		return metric.Get(strings.Trim(name, "{}"))
	})
}

func amount(n float64, unit string) string {
	switch {
	case unit == "bytes":
		return fmt.Sprintf("%.0f MB", n/1e6)
	case unit == "s" && n >= 2*86400:
		return fmt.Sprintf("%.1f d", n/86400)
	case unit == "s" && n >= 7200:
		return fmt.Sprintf("%.1f h", n/3600)
	case unit == "s" && n > 0 && n < 1:
		return fmt.Sprintf("%.2g ms", n*1000)
	case unit == "s":
		return model.Duration(time.Duration(n) * time.Second).String()
	case unit == "reqps":
		return fmt.Sprintf("%.2g/s", n)
	case n == math.Trunc(n):
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.2g", n)
}
