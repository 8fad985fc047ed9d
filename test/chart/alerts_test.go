package chart

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// horizon is how long a story lasts.
const horizon = 120 * time.Minute

const rejections = `apiserver_admission_webhook_rejection_count{name="validate.podvet.dev",job="j",instance="i",`

// stories are two hours of series, one point a minute, and the minutes within which each alert fires; "" for never.
var stories = map[string]map[string]string{
	"PodvetDown": {
		`other 1x120`: "10-120",
		`podvet_policy_info{hash="a"} 1x30 stale`:         "41-120",
		`podvet_policy_info{hash="a"} 1x30 _x8 1x90`:      "",
		`podvet_policy_info{hash="a",instance="b"} 1x120`: "",
	},
	"PodvetNotCalled": {
		// The first time ever, then nothing more.
		`apiserver_admission_webhook_fail_open_count{name="validate.podvet.dev",job="j",instance="i"} _x30 1x90
		up{job="j",instance="i"} 1x120`: "35-39",
		`apiserver_admission_webhook_fail_open_count{name="validate.podvet.dev",job="j",instance="i"} 1x60 2x59
		up{job="j",instance="i"} 1x120`: "66-69",
		`apiserver_admission_webhook_fail_open_count{name="validate.podvet.dev",job="j",instance="i"} 5+1x120
		up{job="j",instance="i"} 1x120`: "6-120",
		// Prometheus is new, what it counts is old.
		`apiserver_admission_webhook_fail_open_count{name="validate.podvet.dev",job="j",instance="i"} 5x120
		up{job="j",instance="i"} 1x120`: "",
		`apiserver_admission_webhook_fail_open_count{name="validate.other.dev",job="j",instance="i"} 0+1x120
		up{job="j",instance="i"} 1x120`: "",
	},
	"PodvetBlocksPods": {
		rejections + `error_type="calling_webhook_error"} _x30 1x90
		up{job="j",instance="i"} 1x120`: "35-39",
		rejections + `error_type="calling_webhook_error"} 3x60 4+1x59
		up{job="j",instance="i"} 1x120`: "66-120",
		// podvet refused, which is its job.
		rejections + `error_type="no_error"} 0+1x120
		up{job="j",instance="i"} 1x120`: "",
		rejections + `error_type="calling_webhook_error"} 3x120
		up{job="j",instance="i"} 1x120`: "",
	},
	"PodvetErrors": {
		`podvet_reviews_total{decision="error",endpoint="validate"} 0x30 1+1x90`:   "41-120",
		`podvet_reviews_total{decision="error",endpoint="validate"} 0x30 1x90`:     "",
		`podvet_reviews_total{decision="denied",endpoint="validate"} 0x30 1+1x90`:  "",
		`podvet_reviews_total{decision="allowed",endpoint="validate"} 0x30 1+1x90`: "",
	},
	"PodvetPanics": {
		`podvet_panics_total{instance="a"} 0x120
		podvet_panics_total{instance="b"} 0x30 1x90`: "31-89",
		`podvet_panics_total 0x120`: "",
		`podvet_panics_total 3x120`: "",
	},
	"PodvetSlow": {
		`podvet_review_duration_seconds_bucket{endpoint="validate",le="0.4096"} 0+90x120
		podvet_review_duration_seconds_bucket{endpoint="validate",le="0.8192"} 0+100x120
		podvet_review_duration_seconds_bucket{endpoint="validate",le="+Inf"} 0+100x120`: "11-120",
		`podvet_review_duration_seconds_bucket{endpoint="validate",le="0.4096"} 0+100x120
		podvet_review_duration_seconds_bucket{endpoint="validate",le="0.8192"} 0+100x120
		podvet_review_duration_seconds_bucket{endpoint="validate",le="+Inf"} 0+100x120`: "",
	},
	"PodvetPolicyBad": {
		// For as long as the policy is bad, not only when it becomes so.
		`podvet_policy_bad{instance="a"} 0x120
		podvet_policy_bad{instance="b"} 0x30 1x90`: "31-120",
		`podvet_policy_bad 0x30 1x30 0x60`: "31-61",
		`podvet_policy_bad 0x120
		podvet_policy_reload_total{result="bad"} 0+1x120`: "",
	},
	"PodvetPoliciesDiffer": {
		`podvet_policy_info{instance="a",hash="1"} 1x120
		podvet_policy_info{instance="b",hash="1"} 1x30 stale
		podvet_policy_info{instance="b",hash="2"} _x31 1x89`: "46-120",
		// A rollout.
		`podvet_policy_info{instance="a",hash="1"} 1x30 stale
		podvet_policy_info{instance="b",hash="2"} _x25 1x95`: "",
	},
	"PodvetNoPolicy": {
		`podvet_policy_info{source="default",hash="1"} 1x120`: "15-120",
		`podvet_policy_info{source="default",hash="1"} 1x10 stale
		podvet_policy_info{source="configmap",hash="2"} _x11 1x109`: "",
		`podvet_policy_info{source="last-good",hash="1"} 1x120`: "",
	},
	"PodvetNotFollowing": {
		`podvet_watch_follows{instance="a",watched="namespaces"} 1x120
		podvet_watch_follows{instance="b",watched="namespaces"} 1x30 0x30 1x60`: "31-61",
		`podvet_watch_follows{instance="a",watched="namespaces"} 1x120
		podvet_watch_follows{instance="a",watched="configmaps/podvet-policy"} 1x120`: "",
		// A replica that is gone follows nothing, and need not.
		`podvet_watch_follows{instance="a",watched="namespaces"} 1x30 stale
		podvet_watch_follows{instance="b",watched="namespaces"} _x25 1x95`: "",
	},
	"PodvetExemptionsExpired": {
		`podvet_policy_expired_exemptions{instance="a"} 0x60 2x60`: "61-120",
		`podvet_policy_expired_exemptions{instance="a"} 0x120`:     "",
	},
	"PodvetCertificateEnds": { // 25 h after the start, of a month; 11 h of 14, of which it is in use for 3; a week
		`podvet_certificate_expiry_timestamp_seconds 90000x120
		podvet_certificate_rotation_timestamp_seconds -2500000x120`: "66-120",
		`podvet_certificate_expiry_timestamp_seconds 39600x120
		podvet_certificate_rotation_timestamp_seconds -10800x120`: "",
		`podvet_certificate_expiry_timestamp_seconds 604800x120
		podvet_certificate_rotation_timestamp_seconds 0x120`: "",
	},
}

// TestAlerts tells each alert its stories.
func TestAlerts(t *testing.T) {
	t.Parallel()
	all := alerts(t)
	for name, alert := range all {
		if len(stories[name]) < 2 {
			t.Errorf("the alert %s has %d stories, want one where it fires and one where it does not", name,
				len(stories[name]))
		}
		fires := time.Duration(0)
		if alert.For != nil {
			duration, err := model.ParseDuration(string(*alert.For))
			if err != nil {
				t.Fatal(err)
			}
			fires = time.Duration(duration)
		}
		for story, want := range stories[name] {
			if got := firing(t, alert.Expr.String(), fires, story); got != want {
				t.Errorf("%s fires in the minutes %q, want %q, where\n%s", name, got, want, story)
			}
		}
	}
	for name := range stories {
		if _, there := all[name]; !there {
			t.Errorf("stories of %s, which is no alert", name)
		}
	}
}

// firing is from when to when an alert fires, by the minute.
func firing(t *testing.T, query string, pending time.Duration, story string) string {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 1m\n"+indented(story))
	result := newEngine(t)
	run, err := result.NewRangeQuery(t.Context(), storage, nil, query, time.Unix(0, 0), time.Unix(0, 0).Add(horizon),
		time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	matrix, err := run.Exec(t.Context()).Matrix()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	first, last := time.Duration(-1), time.Duration(-1)
	for _, series := range matrix {
		since := time.Duration(-1)
		previous := time.Duration(-1)
		for _, point := range series.Floats {
			at := time.Duration(point.T) * time.Millisecond
			if since < 0 || at-previous > time.Minute {
				since = at
			}
			if previous = at; at-since < pending {
				continue
			}
			if first < 0 || at < first {
				first = at
			}
			last = max(last, at)
		}
	}
	if first < 0 {
		return ""
	}
	return fmt.Sprintf("%.0f-%.0f", first.Minutes(), last.Minutes())
}

// newEngine is Prometheus' as it is by default.
func newEngine(t *testing.T) *promql.Engine {
	t.Helper()
	return promqltest.NewTestEngineWithOpts(t, promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute,
		EnableAtModifier:     true,
		EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{})})
}

func indented(lines string) string {
	return regexp.MustCompile(`(?m)^\s*`).ReplaceAllString(lines, "  ") + "\n"
}

// TestBacklog: the query for what enforce would refuse counts a series' first finding, and what happened in the time
// asked for, whatever restarts. The guide has it as the dashboard does.
func TestBacklog(t *testing.T) {
	t.Parallel()
	queries := dashboardQueries(t)
	backlog := strings.ReplaceAll(queries["What enforce would refuse __auto"], "$__range", "168m")
	const (
		finding = `podvet_findings_total{level="deny",mode="warn",object="pod",`
		other   = `podvet_findings_total{rule="r",instance="a",`
		warned  = `podvet_findings_total{level="warn",mode="warn",object="template",rule="r",`
	)
	script := "load 1m\n" + indented(finding+`namespace="once",rule="r",instance="a"} _x300 1x35
		`+finding+`namespace="before",rule="r",instance="a"} 5x336
		`+finding+`namespace="more",rule="r",instance="a"} 5x200 8x135
		`+finding+`namespace="replicas",rule="r",instance="a"} _x300 1 2x34
		`+finding+`namespace="replicas",rule="r",instance="b"} _x300 1x35
		`+finding+`namespace="replaced",rule="r",instance="a"} 3x200 5x50 stale
		`+finding+`namespace="replaced",rule="r",instance="b"} _x300 4x35
		`+finding+`namespace="restarted",rule="r",instance="a"} _x300 1 2 3 1x32
		`+finding+`namespace="long",rule="r",instance="a"} 1x100 2 1x235
		`+other+`level="deny",mode="enforce",object="pod",namespace="enforced"} _x300 1x35
		`+other+`level="warn",mode="warn",object="pod",namespace="warned"} _x300 1x35
		`+other+`level="deny",mode="warn",object="template",namespace="template"} _x300 1x35`) + `
eval instant at 335m round(` + backlog + `)
  {namespace="once",rule="r"} 1
  {namespace="more",rule="r"} 3
  {namespace="replicas",rule="r"} 3
  {namespace="replaced",rule="r"} 6
  {namespace="restarted",rule="r"} 3
`
	promqltest.RunTest(t, script, newEngine(t))

	all := strings.ReplaceAll(queries["Findings by namespace and rule __auto"], "$__range", "168m")
	promqltest.RunTest(t, "load 1m\n"+indented(warned+`namespace="once"} _x300 1x35
		`+warned+`namespace="before"} 1x335`)+`
eval instant at 335m round(`+all+`)
  {namespace="once",rule="r",level="warn"} 1
`, newEngine(t))

	guide, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	week := strings.ReplaceAll(backlog, "168m", "7d")
	week = strings.ReplaceAll(week, `namespace=~".*",`, "")
	if !strings.Contains(string(guide), "```promql\n"+week+"\n```") {
		t.Errorf("docs/policy.md does not have the dashboard's query:\n%s", week)
	}
}

// TestStats: the numbers at the top of the dashboard.
func TestStats(t *testing.T) {
	t.Parallel()
	queries := dashboardQueries(t)
	for title, script := range map[string]string{
		"Replicas": `podvet_policy_info{instance="a"} 1x60
			podvet_policy_info{instance="b"} 1x60 => 2`,
		"Refused in 24 hours": `podvet_reviews_total{decision="denied"} 0x30 1x30
			podvet_reviews_total{decision="allowed"} 0+1x60 => 1`,
		"Certificate ends in": `podvet_certificate_expiry_timestamp_seconds{instance="a"} 7200x60
			podvet_certificate_expiry_timestamp_seconds{instance="b"} 9000x60 => 3600`,
		"Policy read": `podvet_policy_last_success_timestamp_seconds{instance="a"} 0x60
			podvet_policy_last_success_timestamp_seconds{instance="b"} 1800x60 => 1800`,
	} {
		series, want, _ := strings.Cut(script, " => ")
		script := "load 1m\n" + indented(series) + "\n" +
			"eval instant at 60m round(" + queries[title+" __auto"] + ")\n  {} " + want + "\n"
		promqltest.RunTest(t, script, newEngine(t))
	}
}
