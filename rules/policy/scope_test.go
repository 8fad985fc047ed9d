package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

func load(t testing.TB, text string, now time.Time) *policy.Policy {
	t.Helper()
	p, err := policy.Load(catalogue.All, "p.yaml", []byte(header+text), now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pod is one with a container that has a port and no probe: no-readiness-probe warns in the recommended profile,
// and denies in strict; bare-pod is audit and warn.
func podIn(namespace string, labels map[string]string, containers ...corev1.Container) *pod.Subject {
	if containers == nil {
		containers = []corev1.Container{{Name: "app", Image: "registry.example/app:1"}}
	}
	for i := range containers {
		containers[i].Ports = []corev1.ContainerPort{{ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "p", Labels: labels},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: containers}}
	s, _ := pod.SubjectOf(p)
	return s
}

func ruling(p *policy.Policy, namespace, kind string, namespaceLabels, podLabels map[string]string) policy.Ruling {
	s := podIn(namespace, podLabels)
	s.OwnerKind = kind
	return p.For(s, namespaceLabels)
}

func found(p *policy.Policy, s *pod.Subject, namespaceLabels map[string]string) []string {
	list := []string{}
	for _, f := range rules.Judge(s, p.For(s, namespaceLabels).Plan) {
		line := f.Level.String() + " " + f.Rule.ID + "/" + f.Container
		if f.Exempt != nil {
			line += " (" + f.Exempt.String() + ")"
		}
		list = append(list, line)
	}
	return list
}

func TestScopes(t *testing.T) {
	type labels = map[string]string
	p := load(t, `
mode: warn
rules:
  startup-budget-too-short: {params: {minSeconds: 40}}
scopes:
- name: payments
  match: {namespaces: [pay-*, "*-money"]}
  profile: strict
  mode: enforce
- name: team a
  match: {namespaceSelector: {matchLabels: {team: a}}, kinds: [Job, CronJob]}
  profile: minimal
- name: canary
  match: {podSelector: {matchExpressions: [{key: track, operator: In, values: [canary]}]}}
  rules: {no-readiness-probe: {level: "off"}}
- name: no tests
  match: {namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [test]}]}, namespaces: [live]}
  workloads: deny
- name: quiet
  match: {namespaces: [quiet]}
  mode: "off"
`, time.Now())
	for _, c := range []struct {
		name, namespace, kind      string
		namespaceLabels, podLabels labels
		mode                       policy.Mode
		workloads                  policy.Workloads
		want                       []string
	}{
		{"everyone", "x", "Pod", nil, nil, "warn", "warn", []string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"by pattern", "pay-in", "Pod", nil, nil, "enforce", "warn",
			[]string{"warn bare-pod/", "warn no-liveness-probe/app", "deny no-readiness-probe/app"}},
		{"by its end", "my-money", "Pod", nil, nil, "enforce", "warn",
			[]string{"warn bare-pod/", "warn no-liveness-probe/app", "deny no-readiness-probe/app"}},
		{"no pattern", "xpay-in", "Pod", nil, nil, "warn", "warn",
			[]string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"both selectors", "x", "Job", labels{"team": "a"}, nil, "warn", "warn", []string{}},
		{"only one of two", "x", "Deployment", labels{"team": "a"}, nil, "warn", "warn",
			[]string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"the last profile wins", "pay-in", "CronJob", labels{"team": "a"}, nil, "enforce", "warn", []string{}},
		{"by a label of the pod", "pay-in", "Pod", nil, labels{"track": "canary"}, "enforce", "warn",
			[]string{"warn bare-pod/", "warn no-liveness-probe/app"}},
		{"a label that is not there", "live", "Pod", nil, nil, "warn", "deny",
			[]string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"a label that is empty", "live", "Pod", labels{"env": ""}, nil, "warn", "deny",
			[]string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"a label that forbids", "live", "Pod", labels{"env": "test"}, nil, "warn", "warn",
			[]string{"audit bare-pod/", "warn no-readiness-probe/app"}},
		{"off", "quiet", "Pod", nil, nil, "off", "warn", []string{}},
		{"the namespace's mode over a scope's", "quiet", "Pod", labels{"podvet.dev/mode": "audit"}, nil, "audit",
			"warn", []string{"audit bare-pod/", "audit no-readiness-probe/app"}},
		{"the namespace's mode over the document's", "x", "Pod", labels{"podvet.dev/mode": "off"}, nil, "off", "warn",
			[]string{}},
		{"a mode that is none", "x", "Pod", labels{"podvet.dev/mode": "strict"}, nil, "warn", "warn",
			[]string{"audit bare-pod/", "warn no-readiness-probe/app"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second time from the cache
				s := podIn(c.namespace, c.podLabels)
				s.OwnerKind = c.kind
				got := p.For(s, c.namespaceLabels)
				if got.Mode != c.mode || got.Workloads != c.workloads {
					t.Errorf("mode %s, workloads %s", got.Mode, got.Workloads)
				}
				if diff := cmp.Diff(sorted(c.want), sorted(found(p, s, c.namespaceLabels))); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestScopesMergeParams: field by field, over the document's and over each other.
func TestScopesMergeParams(t *testing.T) {
	p := load(t, `
rules:
  no-startup-probe: {params: {minBootSeconds: 60, budgetSeconds: 100}}
scopes:
- match: {namespaces: [a, b]}
  rules: {no-startup-probe: {params: {budgetSeconds: 200}}}
- match: {namespaces: [b]}
  rules: {no-startup-probe: {level: deny, params: {periodSeconds: 7}}}
`, time.Now())
	for namespace, want := range map[string]string{"x": "F=35", "a": "F=68", "b": "F=30"} {
		s := podIn(namespace, nil)
		c := s.Containers[0].Container
		probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}},
			PeriodSeconds: 10, TimeoutSeconds: 1, FailureThreshold: 3, SuccessThreshold: 1}
		probe.TCPSocket.Port.IntVal = 80
		c.LivenessProbe, c.ReadinessProbe = &probe, &probe
		result := rules.Vet(s, p.For(s, nil).Plan)
		startup := result.Subject.Spec.Containers[0].StartupProbe
		if startup == nil {
			t.Fatalf("%s: nothing added, %v", namespace, result.Findings)
		}
		if got := fmt.Sprintf("F=%d", startup.FailureThreshold); got != want {
			t.Errorf("%s: %s, want %s (P=%d)", namespace, got, want, startup.PeriodSeconds)
		}
	}
}

// TestUnknownMode: a namespace's label that names no mode is said, and the policy's mode stays.
func TestUnknownMode(t *testing.T) {
	p := load(t, "mode: warn\nallowPodExemptions: true", time.Now())
	s := podIn("x", nil)
	s.Meta.Annotations = map[string]string{"podvet.dev/exempt": "bare-pod"}
	for range 2 { // worked out, and kept
		r := p.For(s, map[string]string{"podvet.dev/mode": "enfroce"})
		if r.Mode != policy.ModeWarn || len(r.Notes) != 2 ||
			r.Notes[0] != `namespace "x": label podvet.dev/mode is "enfroce", which is not a mode: write `+
				`enforce, warn, audit or off. Until then its mode is warn` {
			t.Errorf("%s %q", r.Mode, r.Notes)
		}
	}
	if r := p.For(s, map[string]string{"podvet.dev/mode": "off"}); r.Mode != policy.ModeOff || len(r.Notes) != 1 {
		t.Errorf("%s %q", r.Mode, r.Notes)
	}
}

// TestNamespaceModes: the label sets the modes that the policy allows it, by scope too, and podvet says where it does
// not.
func TestNamespaceModes(t *testing.T) {
	p := load(t, `
namespaceModes: [audit, warn]
scopes:
- {match: {namespaces: [payments]}, namespaceModes: false}
- {match: {namespaces: [sandbox]}, namespaceModes: true}
`, time.Now())
	const listed = `label podvet.dev/mode is "off", which namespaceModes of the policy does not allow: `
	for _, c := range []struct {
		namespace, label string
		mode             policy.Mode
		note             string
	}{
		{"shop", "", "enforce", ""},
		{"shop", "audit", "audit", ""},
		{"shop", "warn", "warn", ""},
		{"shop", "off", "enforce",
			`namespace "shop": ` + listed + "write warn or audit. Until then its mode is enforce"},
		{"shop", "of", "enforce", `namespace "shop": label podvet.dev/mode is "of", which is not a mode: ` +
			"write warn or audit. Until then its mode is enforce"},
		{"payments", "off", "enforce", `namespace "payments": ` + listed + "remove it. Until then its mode is enforce"},
		{"sandbox", "off", "off", ""},
	} {
		namespaceLabels := map[string]string{"podvet.dev/mode": c.label}
		for range 2 { // worked out, and kept
			r := p.For(podIn(c.namespace, nil), namespaceLabels)
			if note := strings.Join(r.Notes, "\n"); r.Mode != c.mode || note != c.note {
				t.Errorf("%s, %q: %s, %s", c.namespace, c.label, r.Mode, note)
			}
		}
	}
}

// TestUncapped: what a mode hides can be counted.
func TestUncapped(t *testing.T) {
	p := load(t, "profile: strict\nmode: audit", time.Now())
	s := podIn("x", nil)
	for _, f := range rules.Judge(s, p.For(s, nil).Plan) {
		if f.Level != rules.Audit || f.Rule.ID == "no-readiness-probe" && f.Uncapped != rules.Deny {
			t.Errorf("%s: %s, uncapped %s", f.Rule.ID, f.Level, f.Uncapped)
		}
	}
}

// TestSharedPolicy: a rule of another version is no reason to refuse a policy in a cluster.
func TestSharedPolicy(t *testing.T) {
	text := header + `rules:
  rule-of-tomorrow: {level: deny, params: {x: 1}}
  bare-pod: {level: deny}
exemptions:
- {rules: [rule-of-yesterday, no-readiness-probe], reason: r}
`
	p, unknown, err := policy.LoadShared(catalogue.All, "p.yaml", []byte(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := "p.yaml:4: rules.rule-of-tomorrow: there is no such rule: podvet rules lists them\n" +
		"p.yaml:7: exemptions[0].rules[0]: there is no such rule: podvet rules lists them"
	if diff := cmp.Diff(want, unknown.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantFound := []string{"audit no-readiness-probe/app (exempt: r)", "deny bare-pod/"}
	if diff := cmp.Diff(wantFound, sorted(found(p, podIn("x", nil), nil))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, _, err = policy.LoadShared(catalogue.All, "p.yaml", []byte(text+"mode: on\n"), time.Now())
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("all mistakes are named where there is one: %v", err)
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// TestAnotherModeIsAnotherPolicy: what is told of a policy tells them apart.
func TestAnotherModeIsAnotherPolicy(t *testing.T) {
	builtIn := policy.Default(catalogue.All)
	warn := builtIn.WithMode(policy.ModeWarn)
	if warn.Hash == builtIn.Hash || ruling(warn, "x", "Pod", nil, nil).Mode != policy.ModeWarn {
		t.Errorf("%s", warn.Hash)
	}
}
