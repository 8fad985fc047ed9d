package catalogue_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
)

// onePod is a pod with a container of these fields.
func onePod(fields string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: app, image: i, " + fields + "}]}"
}

// TestSameHandler: every part of a handler counts.
func TestSameHandler(t *testing.T) {
	found := func(live, startup string) int {
		return len(finds(t, "startup-shorter-than-liveness", onePod(
			"ports: [{name: http, containerPort: 80}], livenessProbe: {"+live+"}, startupProbe: {"+startup+"}")))
	}
	for _, same := range [][2]string{
		{"httpGet: {port: 80}", "httpGet: {path: /, port: http, scheme: HTTP}"},
		{"tcpSocket: {port: 80}", "tcpSocket: {port: http}"},
		{"grpc: {port: 80}", `grpc: {port: 80, service: ""}`},
		{"exec: {command: [a, b]}", "exec: {command: [a, b]}"},
		{"httpGet: {port: 80, httpHeaders: [{name: A, value: b}]}",
			"httpGet: {port: 80, httpHeaders: [{name: A, value: b}]}"},
	} {
		if found(same[0], same[1]) != 1 {
			t.Errorf("%v are not seen as the same", same)
		}
	}
	for _, other := range [][2]string{
		{"httpGet: {port: 80}", "httpGet: {port: 81}"}, {"httpGet: {port: 80}", "httpGet: {port: 80, path: /x}"},
		{"httpGet: {port: 80}", "httpGet: {port: 80, scheme: HTTPS}"},
		{"httpGet: {port: 80}", "httpGet: {port: 80, host: x}"},
		{"httpGet: {port: 80}", "httpGet: {port: 80, httpHeaders: [{name: A, value: b}]}"},
		{"httpGet: {port: 80}", "tcpSocket: {port: 80}"}, {"tcpSocket: {port: 80}", "tcpSocket: {port: 80, host: x}"},
		{"grpc: {port: 80}", "grpc: {port: 80, service: x}"}, {"grpc: {port: 80}", "grpc: {port: 81}"},
		{"exec: {command: [a, b]}", "exec: {command: [a]}"},
		{"tcpSocket: {port: nowhere}", "tcpSocket: {port: nowhere}"},
	} {
		if found(other[0], other[1]) != 0 {
			t.Errorf("%v are seen as the same", other)
		}
	}
}

// TestKillBeforeUnready holds liveness-equals-readiness against the formula, with every duration of a failing answer
// tried.
func TestKillBeforeUnready(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	numbers := func() (p, timeout, f int64) { return 1 + r.Int64N(12), 1 + r.Int64N(15), 1 + r.Int64N(6) }
	found := 0
	for range 3000 {
		lp, lt, lf := numbers()
		rp, rt, rf := numbers()
		before := false
		for d := 0.0; d <= 16; d += 0.5 {
			l, u := min(d, float64(lt)), min(d, float64(rt))
			before = before || float64(lf-1)*max(float64(lp), l)+l < float64(rp)+float64(rf-1)*max(float64(rp), u)+u
		}
		probe := func(p, timeout, f int64) string {
			return fmt.Sprintf("{grpc: {port: 80}, periodSeconds: %d, timeoutSeconds: %d, failureThreshold: %d}",
				p, timeout, f)
		}
		got := finds(t, "liveness-equals-readiness",
			onePod("livenessProbe: "+probe(lp, lt, lf)+", readinessProbe: "+probe(rp, rt, rf)))
		if (len(got) > 0) != before {
			t.Fatalf("liveness P%d T%d F%d, readiness P%d T%d F%d: kill first %v, found %q",
				lp, lt, lf, rp, rt, rf, before, got)
		}
		if before {
			found++
		}
	}
	if found < 300 || found > 2700 {
		t.Errorf("%d of 3000 are found", found)
	}
}

func TestReadinessPaths(t *testing.T) {
	for path, asks := range map[string]bool{
		"/ready": true, "/readyz": true, "/readiness": true, "ready": true, "/a/b/readyz/": true,
		"/readyz?verbose": true,
		"/readyz/?a=/b":   true, "/actuator/health": true, "/actuator/health/": true, "/actuator/health?x=1": true,
		"actuator/health": true, "/actuator/health/readiness": true,
		"/": false, "/healthz": false, "/readyz/ping": false, "/already": false, "/Ready": false, "/ready.json": false,
		"/health": false, "/app/actuator/health": false, "/actuator/health/liveness": false,
		"/livez?exclude=/ready": false,
	} {
		got := finds(t, "liveness-asks-readiness", onePod("livenessProbe: {httpGet: {port: 80, path: '"+path+"'}}"))
		if (len(got) > 0) != asks {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// TestOwnStartupProbe: podvet's own startupProbe is told by its shape, in every field.
func TestOwnStartupProbe(t *testing.T) {
	const (
		live    = "livenessProbe: {httpGet: {path: /livez, port: 80}, timeoutSeconds: 2, initialDelaySeconds: 20}, "
		ready   = "readinessProbe: {httpGet: {path: /ready, port: 80}, initialDelaySeconds: 9}, "
		startup = "startupProbe: {httpGet: {path: /livez, port: 80}, timeoutSeconds: 2, periodSeconds: 3, " +
			"failureThreshold: 101}"
	)
	with := func(from, to string) string { return live + ready + strings.Replace(startup, from, to, 1) }
	for name, c := range map[string]struct {
		fields string
		own    bool
	}{
		"its shape":          {live + ready + startup, true},
		"another path":       {with("/livez", "/started"), false},
		"another threshold":  {with("101", "102"), false},
		"a header":           {with("port: 80", "port: 80, httpHeaders: [{name: A, value: b}]"), false},
		"a grace":            {with("101", "101, terminationGracePeriodSeconds: 5"), false},
		"enough time anyway": {strings.Replace(live, "Seconds: 20", "Seconds: 30", 1) + ready + startup, false},
		"no livenessProbe":   {ready + startup, false},
	} {
		if got := finds(t, "initial-delay-with-startup-probe", onePod(c.fields)); (len(got) == 0) != c.own {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestLivenessDelay: on kubelets 1.35 to 1.37 the delay is what holds liveness back after a kill.
func TestLivenessDelay(t *testing.T) {
	subject := parseSubject(t, "p", onePod("startupProbe: {grpc: {port: 80}}, "+
		"livenessProbe: {grpc: {port: 80}, initialDelaySeconds: 9}"))
	for kubelets, want := range map[pod.Kubelets]int{{}: 0, {From: 34, To: 35}: 0, {From: 37, To: 38}: 0,
		{From: 32, To: 34}: 1, {From: 38, To: 39}: 1} {
		settings := make([]rules.Setting, len(catalogue.All.Rules()))
		rule := catalogue.All.Lookup("initial-delay-with-startup-probe")
		settings[slices.Index(catalogue.All.Rules(), rule)].Level = rules.Warn
		plan := catalogue.All.NewPlan(settings, rules.Options{Most: rules.Deny, Kubelets: kubelets})
		if got := findingsOf(rule, rules.Judge(subject, plan)); len(got) != want {
			t.Errorf("%s: %q", kubelets, got)
		}
	}
}

// startupRules are those whose advice TestStartupAdvice follows.
var startupRules = []string{"no-startup-probe", "startup-budget-too-short", "startup-budget-too-long",
	"startup-shorter-than-liveness", "startup-gate-late", "startup-exceeds-progress-deadline",
	"startup-exceeds-active-deadline", "initial-delay-with-startup-probe", "sidecar-startup-blocks-pod",
	"probe-timeout-exceeds-period", "liveness-equals-readiness", "liveness-too-aggressive", "liveness-too-slow",
	"probe-grace-exceeds-pod-grace", "liveness-long-grace"}

// TestStartupAdvice: an advice that is followed to the letter ends the finding, no two of a container pull one number
// to both sides, and who follows one after the other comes to an end, but for rare cases.
func TestStartupAdvice(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	plan := profilePlan(rules.Strict)
	followed, endless := map[string]int{}, 0
	const pods = 20_000
	for range pods {
		d := randomDeployment(r)
		found := startupFindings(d, plan)
		pulls := map[string]string{}
		for _, f := range found {
			changed := d.DeepCopy()
			for field, direction := range follow(changed, f) {
				if was := pulls[field]; was != "" && was != direction {
					t.Fatalf("%s goes both ways: %s\n%s", field, found, asJSON(t, d))
				}
				pulls[field] = direction
			}
			followed[f.Rule.ID]++
			for _, g := range startupFindings(changed, plan) {
				if g.Rule == f.Rule && g.Path() == f.Path() {
					t.Fatalf("%s: followed, and then %s\n%s", f, g, asJSON(t, d))
				}
			}
		}
		if !comesToAnEnd(d, plan) {
			endless++
		}
	}
	// Periods of minutes leave so little between two rules that rounding goes back and forth.
	if endless > pods/100 {
		t.Errorf("%d of %d pods have no end of advice", endless, pods)
	}
	for _, id := range startupRules {
		if followed[id] < 50 {
			t.Errorf("%s: only %d followed", id, followed[id])
		}
	}
}

// startupFindings are those of the rules about startup and liveness.
func startupFindings(d *appsv1.Deployment, plan *rules.Plan) []rules.Finding {
	subject, _ := pod.Read(d)
	return slices.DeleteFunc(rules.Judge(subject, plan), func(f rules.Finding) bool {
		return !slices.Contains(startupRules, f.Rule.ID)
	})
}

// comesToAnEnd follows the first finding until there is none.
func comesToAnEnd(d *appsv1.Deployment, plan *rules.Plan) bool {
	for range 15 {
		found := startupFindings(d, plan)
		if len(found) == 0 {
			return true
		}
		follow(d, found[0])
	}
	return false
}

func randomDeployment(r *rand.Rand) *appsv1.Deployment {
	number := func(most int32) int32 {
		if r.IntN(50) == 0 {
			return math.MaxInt32
		}
		if r.IntN(5) == 0 {
			most *= 8
		}
		return 1 + r.Int32N(most)
	}
	probe := func() *corev1.Probe {
		p := &corev1.Probe{PeriodSeconds: number(20), TimeoutSeconds: number(5), FailureThreshold: number(10)}
		p.HTTPGet = &corev1.HTTPGetAction{Port: intstr.FromInt32(80 + r.Int32N(2))}
		if r.IntN(3) == 0 {
			p.InitialDelaySeconds = number(60)
		}
		if r.IntN(3) == 0 {
			p.HTTPGet, p.GRPC = nil, &corev1.GRPCAction{Port: 80}
		}
		return p
	}
	c := corev1.Container{Name: "app", Image: "i", StartupProbe: probe(), LivenessProbe: probe()}
	if r.IntN(2) == 0 {
		c.ReadinessProbe = probe()
	}
	if r.IntN(4) == 0 {
		c.StartupProbe = nil
	}
	if r.IntN(4) == 0 {
		c.LivenessProbe.TerminationGracePeriodSeconds = new(1 + r.Int64N(90))
	}
	if r.IntN(6) == 0 {
		c.Resources.Limits = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}
	}
	spec := corev1.PodSpec{Containers: []corev1.Container{c}}
	if r.IntN(3) == 0 {
		c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		spec.InitContainers, spec.Containers = spec.Containers, []corev1.Container{{Name: "web", Image: "i"}}
		spec.InitContainers[0].RestartPolicy = c.RestartPolicy
	}
	if r.IntN(4) == 0 {
		spec.TerminationGracePeriodSeconds = new(r.Int64N(900))
	}
	d := &appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}}
	d.Spec.Template.Spec = spec
	if r.IntN(3) == 0 {
		d.Spec.Template.Spec.ActiveDeadlineSeconds = new(1 + r.Int64N(400)) // as in a Job's pods
	}
	if r.IntN(2) == 0 {
		d.Spec.ProgressDeadlineSeconds = new(1 + r.Int32N(900))
	}
	return d
}

// adviceForm is how an advice names a number: what to do, of which probe where it is not that of the finding, the field
// and its value.
var adviceForm = regexp.MustCompile(
	`(Raise|[Ll]ower|[Ss]et|Remove|,| with) (?:(\w+Probe)(?:\.|'s )|the probe's )?` +
		`(\w+Seconds|failureThreshold)(?:(?: to)?(?: at least)? (\d+))?`)

// follow does what a finding says, and names which way each number of the container goes.
func follow(d *appsv1.Deployment, f rules.Finding) map[string]string {
	_, advice, _ := strings.Cut(f.Text, ". ")
	spec := &d.Spec.Template.Spec
	c := &spec.Containers[0]
	if len(spec.InitContainers) > 0 {
		c = &spec.InitContainers[0]
	}
	path := f.Path()
	switch {
	case strings.Contains(advice, "Copy it to startupProbe"):
		c.StartupProbe = c.LivenessProbe.DeepCopy()
		if strings.Contains(advice, "no delay") {
			c.StartupProbe.InitialDelaySeconds = 0
		}
		path = pod.Startup.String()
	case strings.Contains(advice, "Remove the startupProbe"):
		c.StartupProbe = nil
	case strings.Contains(advice, "Make it an app container"):
		c.RestartPolicy = nil
		*spec = corev1.PodSpec{Containers: []corev1.Container{*c}}
	case strings.Contains(advice, "check something else"):
		c.LivenessProbe.GRPC = nil
		c.LivenessProbe.HTTPGet = &corev1.HTTPGetAction{Port: intstr.FromInt32(99), Path: "/livez"}
	case strings.Contains(advice, "periodSeconds, timeoutSeconds and failureThreshold"):
		c.LivenessProbe.PeriodSeconds, c.LivenessProbe.TimeoutSeconds, c.LivenessProbe.FailureThreshold = 10, 1, 3
	}
	directions := map[string]string{}
	for _, form := range adviceForm.FindAllStringSubmatch(advice, -1) {
		n, _ := strconv.ParseInt(form[4], 10, 64)
		switch form[3] {
		case "activeDeadlineSeconds":
			spec.ActiveDeadlineSeconds = &n
		case "progressDeadlineSeconds":
			d.Spec.ProgressDeadlineSeconds = new(int32(n))
		default:
			kind, direction := setNumber(c, path, form, n)
			if direction != "" && !strings.Contains(advice, "Copy") {
				directions[kind.String()+"."+form[3]] = direction
			}
		}
	}
	return directions
}

func setNumber(c *corev1.Container, path string, form []string, n int64) (kind pod.ProbeKind, direction string) {
	for _, k := range pod.ProbeKinds {
		if form[2] == k.String() || form[2] == "" && strings.Contains(path, k.String()) {
			kind = k
		}
	}
	probe := *kind.Field(c)
	number := map[string]*int32{"periodSeconds": &probe.PeriodSeconds, "timeoutSeconds": &probe.TimeoutSeconds,
		"failureThreshold": &probe.FailureThreshold, "initialDelaySeconds": &probe.InitialDelaySeconds}[form[3]]
	switch {
	case number != nil && int64(*number) != n:
		direction = map[bool]string{true: "up", false: "down"}[n > int64(*number)]
		*number = int32(n)
	case number == nil && n > 0:
		probe.TerminationGracePeriodSeconds = &n
	case number == nil:
		probe.TerminationGracePeriodSeconds = nil
	}
	return kind, direction
}
