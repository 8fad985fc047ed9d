package catalogue_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/test/randpod"
)

func TestFormulas(t *testing.T) {
	for _, c := range []struct{ d, p, timeout, f, guaranteed, worst, refused int64 }{
		{0, 10, 1, 30, 290, 301, 300}, // the well-known example
		{0, 10, 1, 3, 20, 31, 30},     // the defaults
		{0, 5, 30, 3, 10, 95, 15},     // a timeout above the period stretches it
		{30, 10, 1, 3, 50, 61, 60},
		{0, 10, 1, 2147483647, 21474836460, 21474836471, 21474836470},
	} {
		p := pod.Probe{Probe: &corev1.Probe{
			InitialDelaySeconds: int32(c.d), PeriodSeconds: int32(c.p),
			TimeoutSeconds: int32(c.timeout), FailureThreshold: int32(c.f),
		}}
		refused := p.Refused(pod.Kubelets{})
		if p.Guaranteed() != c.guaranteed || p.Worst() != c.worst || refused != c.refused {
			t.Errorf("%+v: guaranteed %d, worst %d, refused %d", c, p.Guaranteed(), p.Worst(), refused)
		}
	}
}

// finds judges a pod by one rule of the strict profile and returns its messages.
func finds(t *testing.T, rule, yaml string) []string {
	t.Helper()
	return findingsOf(catalogue.All.Lookup(rule), rules.Judge(parseSubject(t, yaml, yaml), profilePlan(rules.Strict)))
}

func loadPolicy(t *testing.T, keys string) *policy.Policy {
	t.Helper()
	text := "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n" + keys
	p, err := policy.Load(catalogue.All, "p", []byte(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestWhenNothingIsAdded: the conditions of the startupProbe that podvet adds, one by one.
func TestWhenNothingIsAdded(t *testing.T) {
	const (
		asked = "{httpGet: {port: http}}"
		sound = "ports: [{name: http, containerPort: 8080}], livenessProbe: " + asked +
			", readinessProbe: {tcpSocket: {port: http}}"
		manifest = `apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: app, image: i, %s}]}`
	)
	change := func(from, to string) string { return strings.Replace(sound, from, to, 1) }
	for name, c := range map[string]struct {
		fields, policy string
		added          bool
	}{
		"sound":                 {sound, "", true},
		"a number not declared": {change("{port: http}", "{port: 9999}"), "", true},
		"UDP only":              {change("containerPort: 8080", "containerPort: 8080, protocol: UDP"), "", false},
		"UDP and TCP":           {change("ports: [", "ports: [{containerPort: 8080, protocol: UDP}, "), "", true},
		"not declared":          {change("{port: http}", "{port: nowhere}"), "", false},
		"no readinessProbe":     {strings.Split(sound, ", readinessProbe")[0], "", false},
		"T > P":                 {change(asked, "{httpGet: {port: http}, timeoutSeconds: 11}"), "", false},
		"T = P":                 {change(asked, "{httpGet: {port: http}, timeoutSeconds: 10}"), "", true},
		"guaranteed enough":     {change(asked, "{httpGet: {port: http}, failureThreshold: 6}"), "", false},
		"less than liveness":    {sound, "rules: {no-startup-probe: {params: {budgetSeconds: 30}}}", false}, // worst 31
		"just as liveness":      {sound, "rules: {no-startup-probe: {params: {budgetSeconds: 31}}}", true},
		"refused anyway":        {change(asked, "{httpGet: {port: http, scheme: FTP}}"), "", false},
		"run to completion":     {sound + ", restartPolicy: OnFailure", "", false},
	} {
		repair := rules.Fix(parseSubject(t, name, fmt.Sprintf(manifest, c.fields)), loadPolicy(t, c.policy).Plan())
		if (len(repair.Fixed) > 0) != c.added || (repair.Subject.Spec.Containers[0].StartupProbe != nil) != c.added {
			t.Errorf("%s: fixed %v", name, repair.Fixed)
		}
	}
}

// TestFixesSettle: one fix may make room for an earlier one; a second run finds nothing to do.
func TestFixesSettle(t *testing.T) {
	p := loadPolicy(t, `rules:
  startup-budget-too-short: {fix: true, params: {minSeconds: 600}}
  no-startup-probe: {fix: true}
`)
	subject := parseSubject(t, "p", `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - {name: app, image: i, livenessProbe: {httpGet: {port: 80}}, readinessProbe: {tcpSocket: {port: 80}}}
`)
	repair := rules.Fix(subject, p.Plan())
	if got := fmt.Sprint(repair.Fixed); got != "[startup-budget-too-short/app no-startup-probe/app]" {
		t.Errorf("fixed %s", got)
	}
	if probe := (pod.Probe{Probe: repair.Subject.Spec.Containers[0].StartupProbe}); probe.Guaranteed() != 600 {
		t.Errorf("guarantees %d s", probe.Guaranteed())
	}
}

// TestLeftAlone: pods that only look as if a rule were about them.
func TestLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"an Always container of a Job is not long-running": {`apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: app, image: i, restartPolicy: Always, ports: [{containerPort: 80}]}
`, []string{"job-container-restart-always"}},
		"the mirror annotation on a template says nothing": {`apiVersion: apps/v1
kind: Deployment
metadata: {name: w}
spec:
  template:
    metadata: {annotations: {kubernetes.io/config.mirror: x}}
    spec:
      containers:
      - {name: app, image: i, startupProbe: {tcpSocket: {port: x}, failureThreshold: 9}}
`, []string{"no-liveness-probe", "probe-port-unresolved"}},
		"a budget of just what is required": {`apiVersion: apps/v1
kind: Deployment
metadata: {name: w}
spec:
  template:
    spec:
      containers:
      - name: app
        image: i
        ports: [{name: health, containerPort: 80}]
        startupProbe: {tcpSocket: {port: 80}, periodSeconds: 5, failureThreshold: 6}
        livenessProbe: {tcpSocket: {port: 80}}
`, nil},
	} {
		var got []string
		for _, f := range rules.Judge(parseSubject(t, name, c.yaml), profilePlan(rules.Strict)) {
			got = append(got, f.Rule.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	udp := `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - {name: app, image: i, ports: [{name: http, containerPort: 80, protocol: UDP}]}
`
	everything, err := policy.Load(catalogue.All, "p", []byte(randpod.EveryFix(catalogue.All)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if fixed := rules.Fix(parseSubject(t, "udp", udp), everything.Plan()).Fixed; len(fixed) > 0 {
		t.Errorf("a template for a TCP port is injected for a UDP port: %v", fixed)
	}
}

// TestLongNamesCostNoAdvice: with the longest name there can be, a message keeps both ends of the name and its advice.
func TestLongNamesCostNoAdvice(t *testing.T) {
	name := "checkout-" + strings.Repeat("x", 48) + "-worker"[:6]
	for _, rule := range engineRules() {
		for _, file := range badFixtures(t, rule) {
			subject, _ := readFixture(t, file)
			for _, f := range rules.Judge(subject, fixturePlan(t, rule)) {
				if f.Rule != rule || f.Container == "" {
					continue
				}
				f.Container = name
				line := f.String()
				bothEnds := strings.Contains(line, `"checkout`) && strings.Contains(line, `-worke": `)
				if utf8.RuneCountInString(line) > rules.MaxLine || !bothEnds ||
					!strings.HasSuffix(line, f.Text+" ["+rule.ID+"]") {
					t.Errorf("%s: %s", file, line)
				}
			}
		}
	}
}

// TestManyContainers: a pod of more containers than anybody runs is judged and not repaired, for each attempt to repair
// judges all of it.
func TestManyContainers(t *testing.T) {
	plan := profilePlan(rules.Recommended)
	probe := corev1.Probe{ProbeHandler: corev1.ProbeHandler{
		TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(80)},
	}}
	for n, repaired := range map[int]bool{100: true, 101: false} {
		many := &corev1.Pod{}
		for i := range n {
			many.Spec.Containers = append(many.Spec.Containers, corev1.Container{
				Name: "c" + strconv.Itoa(i), Image: "i", Ports: []corev1.ContainerPort{{ContainerPort: 80}},
				LivenessProbe: probe.DeepCopy(), ReadinessProbe: probe.DeepCopy(),
			})
		}
		s, _ := pod.Read(many)
		if fixed := rules.Fix(s, plan).Fixed; len(fixed) > 0 != repaired {
			t.Errorf("%d containers: %d fixes", n, len(fixed))
		}
		if findings := rules.Judge(s, plan); len(findings) < n {
			t.Errorf("%d containers: %d findings", n, len(findings))
		}
	}
}
