package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules"
)

// PolicyReport is what was found in a namespace, as wgpolicyk8s.io/v1alpha2 and openreports.io/v1alpha1 have it. For
// the same findings it is the same, byte for byte: it has no time.
type PolicyReport struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace,omitempty"` // "" of a cluster's
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations,omitempty"`
	} `json:"metadata"`
	Source  string       `json:"source,omitempty"` // openreports.io alone has it here
	Scope   *reference   `json:"scope,omitempty"`
	Summary resultCounts `json:"summary"`
	Results []result     `json:"results"`
}

// ManagedBy is the label of the reports that podvet wrote, with the value podvet.
const ManagedBy = "app.kubernetes.io/managed-by"

// resultCounts count objects without a finding as pass, and else findings, also those that the report has no room for.
type resultCounts struct {
	Pass  int `json:"pass"`
	Fail  int `json:"fail"`
	Warn  int `json:"warn"`
	Error int `json:"error"`
	Skip  int `json:"skip"`
}

type result struct {
	Source     string            `json:"source"`
	Policy     string            `json:"policy"` // the rule
	Category   string            `json:"category,omitempty"`
	Severity   string            `json:"severity,omitempty"`
	Result     string            `json:"result"`
	Resources  []reference       `json:"resources,omitempty"`
	Message    string            `json:"message"`
	Properties map[string]string `json:"properties,omitempty"`
}

type reference struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// PolicyReportAPI is an API that has such reports: a namespace's and the cluster's.
type PolicyReportAPI struct{ Version, Kind, Resource, ClusterKind, ClusterResource string }

// PolicyReportAPIs are the APIs by the names of their formats.
var PolicyReportAPIs = map[string]PolicyReportAPI{
	"policyreport": {"wgpolicyk8s.io/v1alpha2", "PolicyReport", "policyreports",
		"ClusterPolicyReport", "clusterpolicyreports"},
	"openreports": {"openreports.io/v1alpha1", "Report", "reports", "ClusterReport", "clusterreports"},
}

// An object in etcd has 1.5 MiB at most, where the server keeps its usual limit (etcd --max-request-bytes).
const (
	maxResults     = 1000
	maxResultBytes = 1 << 20
	maxMessage     = 500    // bytes, of an exemption's reason too
	resultsInHand  = 20_000 // of all namespaces that one pass over the report is for
)

// The results of the levels, where what is exempted or only recorded is skip, and the severities by gravity.
var (
	outcomes   = map[rules.Level]string{rules.Deny: "fail", rules.Warn: "warn", rules.Audit: "skip"}
	severities = []string{"high", "medium", "info", "info"}
)

// PolicyReports are those of all namespaces with findings, by their names. What a fix repairs is no result: the pods
// will not have it. The report is read a few times, so that not all results are held at once.
func (r *Report) PolicyReports(api PolicyReportAPI, o Options) iter.Seq[*PolicyReport] {
	return func(yield func(*PolicyReport) bool) {
		groups := map[string]string{}
		for _, rule := range o.Rules {
			groups[rule.ID] = rule.Group.String()
		}
		tables, _ := r.count(byScope)
		left := slices.DeleteFunc(tables[0], func(c *counts) bool { return c.findings() == 0 })
		slices.SortFunc(left, func(a, b *counts) int { return cmp.Compare(a.group, b.group) })
		for len(left) > 0 {
			batch, n, inHand := map[string][]found{}, 0, 0
			for n < len(left) && inHand < resultsInHand {
				inHand += min(left[n].findings(), 2*maxResults)
				batch[left[n].group] = nil
				n++
			}
			r.gather(batch)
			for _, c := range left[:n] {
				if !yield(policyReport(api, c, batch[c.group], groups)) {
					return
				}
			}
			left = left[n:]
		}
	}
}

// found is a finding with its object.
type found struct {
	of reference
	told
}

// gather finds the gravest findings of each scope.
func (r *Report) gather(batch map[string][]found) {
	for of := range r.edited {
		s := of.scope()
		list, wanted := batch[s]
		if !wanted {
			continue
		}
		apiVersion, kind, name := of.reference()
		for _, l := range of.lines {
			if !l.fixable {
				list = append(list, found{reference{apiVersion, kind, of.Namespace, name}, l})
			}
		}
		if batch[s] = list; len(list) > 2*maxResults {
			batch[s] = gravest(list)
		}
	}
	for s, list := range batch {
		batch[s] = gravest(list)
	}
}

// gravest sorts findings and keeps those that a report has room for.
func gravest(list []found) []found {
	slices.SortFunc(list, func(a, b found) int {
		return cmp.Or(a.gravity()-b.gravity(), cmp.Compare(b.level, a.level), cmp.Compare(a.of.Kind, b.of.Kind),
			cmp.Compare(a.of.Name, b.of.Name), cmp.Compare(a.container, b.container), cmp.Compare(a.rule, b.rule),
			cmp.Compare(a.message, b.message))
	})
	return list[:min(len(list), maxResults)]
}

func policyReport(api PolicyReportAPI, c *counts, list []found, groups map[string]string) *PolicyReport {
	p := &PolicyReport{APIVersion: api.Version, Kind: api.Kind, Summary: resultCounts{Pass: c.sound, Fail: c.deny,
		Warn: c.warn, Skip: c.audit}}
	p.Metadata.Name, p.Metadata.Labels = "podvet", map[string]string{ManagedBy: "podvet"}
	if api.Kind == "Report" {
		p.Source = "podvet"
	}
	switch {
	case c.group == ofCluster:
		p.Kind = api.ClusterKind
	case c.group != "":
		p.Metadata.Namespace = c.group
		p.Scope = &reference{APIVersion: "v1", Kind: "Namespace", Name: c.group}
	}
	size := 0
	for _, f := range list {
		one := f.result(groups[f.rule])
		text, _ := json.Marshal(one) // it holds text alone
		if size += len(text); size > maxResultBytes {
			break
		}
		p.Results = append(p.Results, one)
	}
	if left := c.findings() - len(p.Results); left > 0 {
		p.Results = append(p.Results, result{Source: "podvet", Policy: "podvet", Severity: "info", Result: "skip",
			Message: plural(left, "more finding") + " left out: this report is full. Run podvet check for all."})
	}
	return p
}

func (f found) result(category string) result {
	properties := map[string]string{}
	if f.container != "" {
		properties["container"] = f.container
	}
	if f.inEnforce {
		properties["deniedInEnforce"] = "true"
	}
	if f.exempt != "" {
		properties["exempt"] = short(f.exempt)
	}
	return result{Source: "podvet", Policy: f.rule, Category: category, Severity: severities[f.gravity()],
		Result: outcomes[f.level], Resources: []reference{f.of}, Message: short(f.words()),
		Properties: properties}
}

// short is a text of a result, of which there are many in a report.
func short(text string) string {
	if text = console.Printable(text); len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// policyReports writes the reports as a stream of YAML documents.
func (r *Report) policyReports(out *bufio.Writer, api PolicyReportAPI, o Options) error {
	for p := range r.PolicyReports(api, o) {
		text, err := yaml.Marshal(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "---\n%s", text)
	}
	return nil
}
