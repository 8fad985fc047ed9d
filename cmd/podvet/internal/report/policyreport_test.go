package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
)

func policyReportsOf(r *Report, format string) []*PolicyReport {
	return slices.Collect(r.PolicyReports(PolicyReportAPIs[format], Options{Rules: catalogue.All.Rules()}))
}

func TestPolicyReports(t *testing.T) {
	const want = `---
apiVersion: openreports.io/v1alpha1
kind: Report
metadata:
  labels:
    app.kubernetes.io/managed-by: podvet
  name: podvet
  namespace: =cmd()
results:
- category: Presence
  message: 'nothing recreates it (exempt: x)'
  policy: bare-pod
  properties:
    exempt: x
  resources:
  - apiVersion: v1
    kind: Pod
    name: '@ops` + "`" + `|<b>'
    namespace: =cmd()
  result: skip
  severity: info
  source: podvet
scope:
  apiVersion: v1
  kind: Namespace
  name: =cmd()
source: podvet
summary:
  error: 0
  fail: 0
  pass: 0
  skip: 1
  warn: 0
---
`
	got := write(t, teams(), "openreports", Options{Rules: catalogue.All.Rules()})
	if !strings.HasPrefix(got, want) {
		t.Error(cmp.Diff(want, got[:min(len(want), len(got))]))
	}
	list := policyReportsOf(teams(), "policyreport")
	if len(list) != 2 || list[1].Metadata.Namespace != "shop" || list[1].Source != "" {
		t.Fatalf("%d reports", len(list))
	}
	var said []string
	for _, r := range list[1].Results {
		of := r.Resources[0]
		said = append(said, fmt.Sprintln(r.Policy, r.Result, r.Severity, of.APIVersion, of.Kind, of.Name, r.Properties))
	}
	wantSaid := []string{
		"probe-port-unresolved warn high apps/v1 Deployment web map[container:app deniedInEnforce:true]\n",
		"no-readiness-probe warn medium apps/v1 Deployment old map[container:app]\n",
		"no-readiness-probe warn medium apps/v1 Deployment web map[container:app]\n",
	}
	if diff := cmp.Diff(wantSaid, said); diff != "" || list[1].Summary.Warn != 3 {
		t.Errorf("%+v (-want +got):\n%s", list[1].Summary, diff)
	}
}

// TestPolicyReportsAreBounded: however much is found, a report fits etcd, holds the gravest, counts all and says what
// it leaves out. Nor does the order of the input matter.
func TestPolicyReportsAreBounded(t *testing.T) {
	var subjects []*Subject
	for i := range 30 {
		s := &Subject{Kind: "Deployment", Namespace: "shop", Name: fmt.Sprint("web-", i)}
		for j := range 100 {
			s.Findings = append(s.Findings, Finding{Rule: "r", Level: rules.Warn, Container: fmt.Sprint("c-", j),
				Message: "m [r]"})
		}
		subjects = append(subjects, s)
	}
	subjects = append(subjects, &Subject{Kind: "Deployment", Namespace: "shop", Name: "worst",
		Findings: []Finding{{Rule: "r", Level: rules.Deny, Message: strings.Repeat("é", 5000),
			Exempt: strings.Repeat("é", maxResultBytes)}}},
		&Subject{Kind: "Deployment", Namespace: "shop", Name: "sound"},
		&Subject{Kind: "Deployment", Namespace: "quiet", Name: "sound"})
	first := policyReportsOf(reportOf(0, subjects...), "policyreport")
	slices.Reverse(subjects)
	second := policyReportsOf(reportOf(0, subjects...), "policyreport")
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("another order of the input makes another report: %s", diff)
	}
	if len(first) != 1 {
		t.Fatalf("%d reports", len(first))
	}
	shop := first[0]
	last := shop.Results[len(shop.Results)-1]
	if shop.Summary != (resultCounts{Pass: 1, Fail: 1, Warn: 3000}) || len(shop.Results) != maxResults+1 ||
		last.Message != "2001 more findings left out: this report is full. Run podvet check for all." ||
		shop.Results[0].Result != "fail" || len(shop.Results[0].Message) > maxMessage+3 ||
		len(shop.Results[0].Properties["exempt"]) > maxMessage+3 {
		t.Errorf("%+v, %d results, the first %+v, the last %+v", shop.Summary, len(shop.Results), shop.Results[0], last)
	}

	long := &Subject{Kind: "Deployment", Namespace: "shop", Name: strings.Repeat("x", 10_000)}
	for range 500 {
		long.Findings = append(long.Findings, Finding{Rule: "r", Level: rules.Warn, Message: "m [r]"})
	}
	text, err := json.Marshal(policyReportsOf(reportOf(0, long), "policyreport")[0])
	if err != nil || len(text) > maxResultBytes*11/10 || len(text) < maxResultBytes/2 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// TestPolicyReportsOfManyNamespaces: there is one for each, though not all are held at once. What has no namespace is
// kubectl's to place, unless its kind is one of the cluster's own.
func TestPolicyReportsOfManyNamespaces(t *testing.T) {
	var subjects []*Subject
	for i := range 60 {
		s := &Subject{Kind: "Deployment", Namespace: fmt.Sprintf("team-%02d", i), Name: "web"}
		for range 900 {
			s.Findings = append(s.Findings, Finding{Rule: "r", Level: rules.Warn, Message: "m [r]"})
		}
		subjects = append(subjects, s)
	}
	one := []Finding{{Rule: "r", Level: rules.Warn, Message: "m [r]"}}
	subjects = append(subjects, &Subject{Kind: "Pod", Name: "p", Findings: one},
		&Subject{Kind: "ClusterTrainingRuntime", Name: "torch", Findings: one})
	var got []string
	for _, p := range policyReportsOf(reportOf(0, subjects...), "policyreport") {
		got = append(got, p.Kind+" "+p.Metadata.Namespace)
		if (p.Scope == nil) != (p.Metadata.Namespace == "") || p.Summary.Warn != len(p.Results) {
			t.Errorf("%+v", p)
		}
	}
	if len(got) != 62 || got[0] != "PolicyReport " || got[1] != "ClusterPolicyReport " ||
		got[61] != "PolicyReport team-59" {
		t.Errorf("%q", got)
	}
}
