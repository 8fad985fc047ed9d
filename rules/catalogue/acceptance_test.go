package catalogue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/rules"
)

// The acceptance cases of the catalogue that concern the rules there are, by their numbers. A spec is the
// pod's, in short: owner and kind say whose. want lists findings of the recommended profile, "level rule/container";
// with only they are all there are, else other findings may stand beside them. not lists what must not be found.
type acceptance struct {
	name   string
	kind   string // the object's kind, default Pod
	owner  string // apiVersion/kind/name of the controller
	meta   string
	spec   string
	fixes  bool
	want   []string
	not    []string
	only   bool
	fixed  []string
	probe  string // expected startupProbe of the first container: "P 3 T 1 F 101"
	grace  int64
	inText string // in one of the messages
	api    bool   // the API server refuses it
}

const (
	live    = `livenessProbe: {httpGet: {path: /healthz, port: 8080}}`
	ready   = `readinessProbe: {httpGet: {path: /ready, port: 8080}}`
	ports   = `ports: [{name: http, containerPort: 8080}]`
	healthy = `exec: {command: [cat, /tmp/healthy]}`
	rs      = "apps/v1/ReplicaSet/web-abc"
	job     = "batch/v1/Job/once"
)

// app is a pod spec with one container.
func app(fields ...string) string {
	return "containers:\n- {name: app, image: i, " + strings.Join(fields, ", ") + "}"
}

func startup(port string) string {
	return "startupProbe: {httpGet: {path: /, port: " + port + "}, periodSeconds: 10, failureThreshold: 30}"
}

func restart(policy, operator, codes string) string {
	codes = fmt.Sprintf("{operator: %s, values: [%s]}", operator, codes)
	return fmt.Sprintf("restartPolicy: %s, restartPolicyRules: [{action: Restart, exitCodes: %s}]", policy, codes)
}

var acceptanceCases = []acceptance{}

func TestAcceptance(t *testing.T) { runAcceptance(t, acceptanceCases) }

func runAcceptance(t *testing.T, cases []acceptance) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, profilePlan(rules.Recommended)) })
	}
}

func (c acceptance) run(t *testing.T, plan *rules.Plan) {
	t.Helper()
	subject := parseSubject(t, c.name, c.yaml())
	if problems := subject.Invalid(); len(problems) > 0 != c.api {
		t.Errorf("the API server refuses it: %v, want %v: %v", !c.api, c.api, problems)
	}
	judge := rules.VetAsWritten
	if c.fixes {
		judge = rules.Vet
	}
	c.check(t, judge(subject, plan))
}

func (c acceptance) check(t *testing.T, result rules.Result) {
	t.Helper()
	var got, texts []string
	for _, f := range result.Findings {
		got = append(got, f.Level.String()+" "+rules.Fixed{Rule: f.Rule, Container: f.Container}.String())
		texts = append(texts, f.String())
		if slices.Contains(c.not, f.Rule.ID) {
			t.Errorf("must not find %s", f)
		}
	}
	if c.only {
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("findings (-want +got):\n%s", diff)
		}
	}
	for _, want := range c.want {
		if !slices.Contains(got, want) {
			t.Errorf("does not find %s, but %v", want, got)
		}
	}
	if !strings.Contains(strings.Join(texts, "\n"), c.inText) {
		t.Errorf("no message says %q: %q", c.inText, texts)
	}
	var fixed []string
	for _, f := range result.Fixed {
		fixed = append(fixed, f.String())
	}
	if c.fixed != nil && !slices.Equal(c.fixed, fixed) {
		t.Errorf("fixed %v, want %v", fixed, c.fixed)
	}
	if c.grace != 0 && *result.Subject.Spec.TerminationGracePeriodSeconds != c.grace {
		t.Errorf("grace %d, want %d", *result.Subject.Spec.TerminationGracePeriodSeconds, c.grace)
	}
	if probe := result.Subject.Spec.Containers[0].StartupProbe; c.probe != "" {
		got := "none"
		if probe != nil {
			got = fmt.Sprintf("P %d T %d F %d", probe.PeriodSeconds, probe.TimeoutSeconds, probe.FailureThreshold)
		}
		if got != c.probe {
			t.Errorf("startupProbe %s, want %s", got, c.probe)
		}
	}
}

// yaml writes the case out as an object.
func (c acceptance) yaml() string {
	indent := func(text string, n int) string {
		return strings.Repeat(" ", n) + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", n))
	}
	switch c.kind {
	case "Deployment":
		return `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
` + indent(c.spec, 6)
	case "Job":
		return `apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    spec:
` + indent(c.spec, 6)
	}
	text := "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n"
	if c.owner != "" {
		parts := strings.Split(c.owner, "/")
		n := len(parts)
		text += fmt.Sprintf("  ownerReferences: [{apiVersion: %s, kind: %s, name: %s, uid: u, controller: true}]\n",
			strings.Join(parts[:n-2], "/"), parts[n-2], parts[n-1])
	}
	if c.meta != "" {
		text += indent(c.meta, 2) + "\n"
	}
	return text + "spec:\n" + indent(c.spec, 2)
}
