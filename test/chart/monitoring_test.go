package chart

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/test/podvet"
)

// inCluster are the metrics, with their labels in order, that podvet exposes beside a cluster. TestServes holds this
// against what it does expose there.
var inCluster = map[string][]string{
	"podvet_policy_info":                            {"hash", "source"},
	"podvet_policy_reload_total":                    {"result"},
	"podvet_policy_bad":                             nil,
	"podvet_policy_last_success_timestamp_seconds":  nil,
	"podvet_policy_expired_exemptions":              nil,
	"podvet_watch_follows":                          {"watched"},
	"podvet_certificate_expiry_timestamp_seconds":   nil,
	"podvet_certificate_rotation_timestamp_seconds": nil,
}

// elsewhere are exposed only now and then, or in one mode: the CA's expiry, and namespaces looked up. TestServes holds
// them against a scrape, too.
var elsewhere = map[string][]string{
	"podvet_ca_expiry_timestamp_seconds": {"ca"},
	"podvet_namespace_lookups_total":     {"result"},
}

// prometheusOwn is what Prometheus itself writes about each target.
var prometheusOwn = map[string][]string{"up": nil}

// target are the labels that Prometheus adds to what it scrapes.
var target = []string{"instance", "job", "le"}

// TestQueries: every query of the dashboard and the alerts is PromQL and asks for metrics and labels that are there.
func TestQueries(t *testing.T) {
	exposed := exposedMetrics(t)
	queries := map[string]string{}
	for name, query := range dashboardQueries(t) {
		queries["dashboard: "+name] = query
	}
	for name, alert := range alerts(t) {
		queries["alert: "+name] = alert.Expr.String()
	}
	if len(queries) < 20 {
		t.Fatalf("only %d queries were found", len(queries))
	}
	used := map[string]bool{}
	for name, query := range queries {
		// Grafana puts these in.
		query = regexp.MustCompile(`\$__(rate_interval|range)`).ReplaceAllString(query, "5m")
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for metric, asked := range labelsByMetric(expr) {
			used[metric] = true
			known, ok := exposed[metric]
			if !ok {
				t.Errorf("%s asks for %s, which nothing exposes", name, metric)
				continue
			}
			for _, label := range asked {
				if !slices.Contains(known, label) && !slices.Contains(target, label) {
					t.Errorf("%s asks for the label %s of %s, which has %v", name, label, metric, known)
				}
			}
		}
	}
	for metric := range exposed {
		base := strings.TrimSuffix(strings.TrimSuffix(metric, "_count"), "_sum")
		if strings.HasPrefix(metric, "podvet_") && !used[metric] && !used[base+"_bucket"] {
			t.Errorf("neither dashboard nor alerts use %s", metric)
		}
	}
	wantMetricsTable(t, exposed)
}

// TestRunbooks: each alert has a section in docs/runbooks.md, and each section an alert.
func TestRunbooks(t *testing.T) {
	text, err := os.ReadFile("../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []string
	for _, heading := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(string(text), -1) {
		sections = append(sections, heading[1])
	}
	slices.Sort(sections)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(alerts(t))), sections); diff != "" {
		t.Errorf("alerts are (-), docs/runbooks.md has (+):\n%s", diff)
	}
}

// wantMetricsTable holds the table of docs/operations.md against what is exposed.
func wantMetricsTable(t *testing.T, exposed map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	rows := regexp.MustCompile("(?m)^\\| `(podvet_[a-z_]+)` \\| ([a-z, ]*) ?\\|")
	for _, row := range rows.FindAllStringSubmatch(string(text), -1) {
		labels := strings.FieldsFunc(row[2], func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(labels)
		got[row[1]] = strings.Join(labels, " ")
	}
	for metric, labels := range exposed {
		if !strings.HasPrefix(metric, "podvet_") || strings.HasSuffix(metric, "_bucket") ||
			strings.HasSuffix(metric, "_sum") {
			continue
		}
		labels = slices.Compact(slices.Sorted(slices.Values(labels)))
		want[strings.TrimSuffix(metric, "_count")] = strings.Join(labels, " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exposed are (-), the table of docs/operations.md has (+):\n%s", diff)
	}
}

// labelsByMetric are the labels that a query asks of each metric: in its selectors, and in each grouping above it.
func labelsByMetric(expr parser.Expr) map[string][]string {
	asked := map[string][]string{}
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, is := node.(*parser.VectorSelector)
		if !is {
			return nil
		}
		var matched []string
		for _, matcher := range selector.LabelMatchers {
			if matcher.Name != model.MetricNameLabel {
				matched = append(matched, matcher.Name)
			}
		}
		names := slices.Clone(matched)
		for i, above := range path {
			switch above := above.(type) {
			case *parser.AggregateExpr:
				if !above.Without {
					names = append(names, above.Grouping...)
				}
			case *parser.BinaryExpr:
				below := append(slices.Clone(path), node)[i+1]
				if (above.Op == parser.LAND || above.Op == parser.LUNLESS) && below == parser.Node(above.RHS) {
					names = matched // it only chooses among the others, and lends no labels
				}
				if above.VectorMatching != nil && above.VectorMatching.On {
					names = append(names, above.VectorMatching.MatchingLabels...)
				}
			}
		}
		asked[selector.Name] = append(asked[selector.Name], names...)
		return nil
	})
	return asked
}

func dashboardQueries(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "files", "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries, titles := map[string]string{}, map[string]bool{}
	for _, panel := range dashboard.Panels {
		if titles[panel.Title] {
			t.Errorf("two panels of the dashboard are called %q", panel.Title)
		}
		titles[panel.Title] = true
		for _, target := range panel.Targets {
			queries[panel.Title+" "+target.LegendFormat] = strings.ReplaceAll(target.Expr, "$namespace", ".*")
		}
	}
	return queries
}

// alerts are those of the PrometheusRule as Helm renders it.
func alerts(t *testing.T) map[string]monitoringv1.Rule {
	t.Helper()
	var rule monitoringv1.PrometheusRule
	text := manifest(t, find(t, objects(t, helms[1].render(t, "vet", combinations["everything"])), "PrometheusRule",
		"podvet"))
	if err := yaml.UnmarshalStrict([]byte(text), &rule); err != nil {
		t.Fatal(err)
	}
	all := map[string]monitoringv1.Rule{}
	for _, group := range rule.Spec.Groups {
		for _, alert := range group.Rules {
			if alert.Annotations["summary"] == "" || alert.Annotations["description"] == "" ||
				alert.Labels["severity"] == "" {
				t.Errorf("the alert %s lacks a summary, a description or a severity", alert.Alert)
			}
			runbook := "https://github.com/podvet/podvet/blob/main/docs/runbooks.md#" + strings.ToLower(alert.Alert)
			if got := alert.Annotations["runbook_url"]; got != runbook {
				t.Errorf("the runbook of the alert %s is %q, want %s", alert.Alert, got, runbook)
			}
			all[alert.Alert] = alert
		}
	}
	return all
}

// exposedMetrics are the series and their labels that podvet and the API server really expose, once each has had
// something to count.
func exposedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	p, err := podvet.Serve(t.Context(), binary, t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	namespace(t, "metrics", "privileged")
	for name, registration := range map[string]podvet.Registration{
		"vetted": {URL: p.URL, CA: p.CA, FailurePolicy: "Ignore", Timeout: 10},
		// Nothing listens there: the API server counts these.
		"open":   {URL: "https://127.0.0.1:1", CA: p.CA, FailurePolicy: "Ignore", Timeout: 1},
		"closed": {URL: "https://127.0.0.1:1", CA: p.CA, FailurePolicy: "Fail", Timeout: 1},
	} {
		registration.Name, registration.Selector = "metrics-"+name, "metrics-"+name
		if err := podvet.Register(t.Context(), api, registration); err != nil {
			t.Fatal(err)
		}
		mustKubectl(t, "", "label", "namespace", "metrics", "podvet-test=metrics-"+name, "--overwrite")
		await(t, "a count of "+name, func() bool {
			out, err := kubectl(t, reviewed, "create", "-n", "metrics", "-f", "-")
			switch name {
			case "vetted":
				return err == nil && p.Reviews() > 0
			case "open":
				return err == nil && strings.Contains(apiServerMetrics(t),
					"apiserver_admission_webhook_fail_open_count{")
			}
			return strings.Contains(out, "failed calling webhook")
		})
		mustKubectl(t, "", "delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", registration.Name)
	}

	exposed := map[string][]string{}
	own := scrape(t, p.Metrics)
	read(t, own, exposed)
	for _, known := range []map[string][]string{inCluster, elsewhere, prometheusOwn} {
		maps.Copy(exposed, known)
	}
	read(t, apiServerMetrics(t), exposed)
	return exposed
}

// reviewed is a pod with something to fix and something to find.
const reviewed = `
apiVersion: v1
kind: Pod
metadata: {generateName: m-}
spec:
  containers:
  - name: a
    image: i
    ports: [{containerPort: 80}]
    livenessProbe: {tcpSocket: {port: 80}}
    readinessProbe: {tcpSocket: {port: 80}, failureThreshold: 1}
  - {name: b, image: i, ports: [{containerPort: 81}]}
`

func scrape(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func apiServerMetrics(t *testing.T) string {
	t.Helper()
	client, err := rest.HTTPClientFor(api.Config)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(api.Config.Host + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// read adds the series of a scrape, with the labels they have.
func read(t *testing.T, text string, into map[string][]string) {
	t.Helper()
	format := expfmt.NewTextParser(model.LegacyValidation)
	families, err := format.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, family := range families {
		var names []string
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				names = append(names, pair.GetName())
			}
		}
		series := []string{name}
		if family.GetType() == dto.MetricType_HISTOGRAM {
			series = []string{name + "_bucket", name + "_count", name + "_sum"}
		}
		for _, s := range series {
			into[s] = names
		}
	}
}
