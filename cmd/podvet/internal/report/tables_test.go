package report

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
)

// teams are three objects of two teams, and two pods of an owner that is not there.
func teams() *Report {
	held := Finding{Rule: "probe-port-unresolved", Level: rules.Warn, Container: "app", Line: 7, Message: unresolved,
		DeniedInEnforce: true}
	warned := Finding{Rule: "no-readiness-probe", Level: rules.Warn, Container: "app",
		Message: "a | b [no-readiness-probe]"}
	fixed := Fixed{Rule: "no-startup-probe", Container: "app", Path: "spec", Line: 9, Message: slow}
	exempt := Finding{Rule: "bare-pod", Level: rules.Audit, Message: "nothing recreates it (exempt: x) [bare-pod]",
		Exempt: "x"}
	pod := func(name string) *Subject {
		return &Subject{File: "f.yaml", APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: name,
			Owner: "Deployment/old", OwnerAPIVersion: "apps/v1", Label: "red", Findings: []Finding{warned}}
	}
	return reportOf(1,
		&Subject{File: "f.yaml", Line: 1, APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web",
			Label: "red", Findings: []Finding{held, warned}, Fixed: []Fixed{fixed}},
		pod("old-1"), pod("old-2"),
		&Subject{File: "f.yaml", Line: 30, APIVersion: "v1", Kind: "Pod", Namespace: "=cmd()", Name: "@ops`|<b>",
			Findings: []Finding{exempt}},
		&Subject{File: "g.yaml", Line: 1, APIVersion: "batch/v1", Kind: "Job", Name: "sound"})
}

// TestCounts: what the pods of one owner share counts once, at the owner.
func TestCounts(t *testing.T) {
	for by, want := range map[string]string{
		"": `NAMESPACE  OBJECTS  DENY  WARN  AUDIT  FIXABLE  ENFORCE REFUSES
shop             2     0     3      0        1                1
=cmd()           1     0     0      1        0                0
(none)           1     0     0      0        0                0
total            4     0     3      1        1                1
`, "kind": `KIND        OBJECTS  DENY  WARN  AUDIT  FIXABLE  ENFORCE REFUSES
Deployment        2     0     3      0        1                1
Pod               1     0     0      1        0                0
Job               1     0     0      0        0                0
total             4     0     3      1        1                1
`, "rule": `RULE                   OBJECTS  DENY  WARN  AUDIT  FIXABLE  ENFORCE REFUSES
probe-port-unresolved        1     0     1      0        0                1
no-readiness-probe           2     0     2      0        0                0
no-startup-probe             1     0     0      0        1                0
bare-pod                     1     0     0      1        0                0
total                        4     0     3      1        1                1
`, "label:team": `TEAM    OBJECTS  DENY  WARN  AUDIT  FIXABLE  ENFORCE REFUSES
red           2     0     3      0        1                1
(none)        2     0     0      1        0                0
total         4     0     3      1        1                1
`} {
		got, _, _ := strings.Cut(write(t, teams(), "text", Options{Summary: true, By: by}), "\n\n")
		if diff := cmp.Diff(strings.Trim(want, "\n"), got); diff != "" {
			t.Errorf("by %q (-want +got):\n%s", by, diff)
		}
	}
}

func records(t *testing.T, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestCSV: no cell is a formula to a spreadsheet.
func TestCSV(t *testing.T) {
	rows := records(t, write(t, teams(), "csv", Options{By: "label:team"}))
	want := [][]string{
		{"team", "namespace", "kind", "name", "level", "enforce refuses", "rule", "container", "message", "exempt",
			"file", "line"},
		{"red", "shop", "Deployment", "web", "warn", "false", "no-readiness-probe", "app", "a | b", "", "f.yaml", ""},
		{"red", "shop", "Deployment", "web", "warn", "true", "probe-port-unresolved", "app",
			strings.TrimSuffix(unresolved, " [probe-port-unresolved]"), "", "f.yaml", "7"},
		{"red", "shop", "Deployment", "web", "fixable", "false", "no-startup-probe", "app",
			strings.TrimSuffix(slow, " [no-startup-probe]") + " podvet fixes this.", "", "f.yaml", "9"},
		{"red", "shop", "Deployment", "old", "warn", "false", "no-readiness-probe", "app", "a | b", "", "f.yaml", ""},
		{"", "'=cmd()", "Pod", "'@ops`|<b>", "audit", "false", "bare-pod", "", "nothing recreates it (exempt: x)", "x",
			"f.yaml", ""},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	counts := records(t, write(t, teams(), "csv", Options{Summary: true}))
	if len(counts) != 4 || !slices.Equal(counts[2], []string{"'=cmd()", "1", "0", "0", "1", "0", "0"}) {
		t.Errorf("%q", counts)
	}
}

// TestMarkdown: a name breaks no table, calls nobody and is no markup.
func TestMarkdown(t *testing.T) {
	const page = "https://github.com/podvet/podvet/blob/main/docs/rules/"
	got := write(t, teams().with(invalid("a_b.yaml", 3, "is *bad*")), "markdown", Options{By: "label:team"})
	for _, want := range []string{
		"| team | object | level | finding | rule |\n|---|---|---|---|---|\n",
		`| red | Deployment shop/web | warn | a \| b | [no-readiness-probe](` + page + "no-readiness-probe.md) |\n",
		"| (none) | Pod =cmd()/@<!-- -->ops\\`\\|&lt;b&gt; | audit | nothing recreates it (exempt: x) | [bare-pod](",
		"\n5 objects: 0 deny, 4 warn, 1 audit, 1 fixable, 1 invalid; " +
			"what pods of one owner share is shown once and counts for each\n" +
			"<br>skipped: Service 1\n- a\\_b.yaml:3: is \\*bad\\*\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	counts := write(t, teams(), "markdown", Options{Summary: true, By: "rule"})
	const want = "| rule | objects | deny | warn | audit | fixable | enforce refuses |\n" +
		"|---|--:|--:|--:|--:|--:|--:|\n" +
		"| probe-port-unresolved | 1 | 0 | 1 | 0 | 0 | 1 |\n"
	if !strings.HasPrefix(counts, want) || !strings.Contains(counts, "\n| **total** | **4** | **0** | **3** |") {
		t.Error(counts)
	}
}

// figures have a picture of each finding that names one.
type figures struct{ linked int }

func (f *figures) Style() string { return ".figure {}" }
func (f *figures) All() string   { return fmt.Sprintf("<figure>%d</figure>", f.linked) }

func (f *figures) Link(id, rule, _ string) string {
	if id == "" {
		return ""
	}
	f.linked++
	return " <a>" + id + " of " + rule + "</a>"
}

// TestPage: of many findings a page shows the gravest, and says how many there are. Names are text in it.
func TestPage(t *testing.T) {
	many := &Subject{File: "f.yaml", Kind: "Deployment", Namespace: "<script>x</script>", Name: `" onclick="x`}
	for i := range maxRows {
		one := Finding{Rule: "r", Level: rules.Audit, Message: fmt.Sprint("m", i, " [r]")}
		many.Findings = append(many.Findings, one)
	}
	many.Findings = append(many.Findings,
		Finding{Rule: "r", Level: rules.Deny, Message: "gravest [r]", Figure: "a"},
		Finding{Rule: "r", Level: rules.Warn, Message: "grave [r]"})
	got := write(t, reportOf(0, many).with(invalid("<b>.yaml", 3, "<i>")), "html",
		Options{Rules: catalogue.All.Rules(), Version: "1.2 <3>", Figures: &figures{}})
	for _, want := range []string{"5000 of 5002 findings are shown",
		"&lt;script&gt;x&lt;/script&gt;/&#34; onclick=&#34;x",
		"<td>r <a>a of r</a></td><td>gravest</td>", "<td>r</td><td>grave</td>", "<style>", ".figure {}</style>",
		"<figure>1</figure>", "<td>m4997</td>", "1 of 1 object.",
		"<li>&lt;b&gt;.yaml:3: &lt;i&gt;</li>",
		"podvet 1.2 &lt;3&gt;"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in the page", want)
		}
	}
	for _, not := range []string{"<script>x", `" onclick`, "<td>m4998</td>", "<b>", "<i>"} {
		if strings.Contains(got, not) {
			t.Errorf("%s is in the page", not)
		}
	}
	if strings.Index(got, "<td>gravest</td>") > strings.Index(got, "<td>grave</td>") {
		t.Error("what is refused does not stand first")
	}
	first := write(t, reportOf(0, many), "html", Options{Figures: &figures{}})
	if again := write(t, reportOf(0, many), "html", Options{Figures: &figures{}}); again != first {
		t.Error("the page differs between two runs")
	}
}
