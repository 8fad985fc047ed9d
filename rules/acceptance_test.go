package rules_test

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

func prestop(handler string) string { return "lifecycle: {preStop: {" + handler + "}}" }

func restart(policy, operator, codes string) string {
	return fmt.Sprintf("restartPolicy: %s, restartPolicyRules: [{action: Restart, exitCodes: {operator: %s, values: [%s]}}]", policy, operator, codes)
}

func same(handler, liveNumbers, readyNumbers string) string {
	return fmt.Sprintf("livenessProbe: {%s%s}, readinessProbe: {%s%s}", handler, liveNumbers, handler, readyNumbers)
}

var acceptanceCases = []acceptance{
	{name: "1 kubectl run", spec: app(), only: true, want: []string{"audit bare-pod/", "warn no-readiness-probe/app"}},
	{name: "2 exec liveness", spec: app("livenessProbe: {" + healthy + ", initialDelaySeconds: 5, periodSeconds: 5}"), only: true,
		want:   []string{"audit bare-pod/", "warn no-readiness-probe/app", "warn no-startup-probe/app", "warn exec-probe-short-timeout/app"},
		inText: "gives 15 s"},
	{name: "3 startup port not declared", spec: app(startup("liveness-port")), want: []string{"deny probe-port-unresolved/app"}},
	{name: "4 startup port declared", spec: app(startup("http"), ports), not: []string{"probe-port-unresolved", "startup-budget-too-short", "startup-budget-too-long"}},
	{name: "5 startup port in the other container", spec: "containers:\n- {name: app, image: i, " + startup("http") + "}\n- {name: web, image: i, " + ports + "}",
		want: []string{"deny probe-port-unresolved/app"}, inText: `"web"`},
	{name: "6 liveness port not declared", spec: app("livenessProbe: {tcpSocket: {port: http}}"), want: []string{"warn inert-probe-port-unresolved/app"}, not: []string{"probe-port-unresolved"}},
	{name: "7 number not declared", spec: app(live, ready, startup("8080")), not: []string{"probe-port-unresolved", "inert-probe-port-unresolved"}},
	{name: "9 no handler", spec: app("livenessProbe: {}"), fixes: true, fixed: []string{}, api: true},
	{name: "10 periodSeconds 0 is 10", spec: app("livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 0}", ready), want: []string{"warn no-startup-probe/app"}, inText: "gives 20 s"},
	{name: "12 same httpGet", spec: app(same("httpGet: {path: /, port: 8080}", "", "")), want: []string{"warn liveness-equals-readiness/app"}},
	{name: "12 same exec", spec: app(same(healthy, "", "")), want: []string{"warn liveness-equals-readiness/app"}},
	{name: "12 liveness d60", spec: app(same("httpGet: {path: /, port: 8080}", ", initialDelaySeconds: 60", "")), want: []string{"warn liveness-equals-readiness/app"}},
	{name: "12 one by name", spec: app("livenessProbe: {httpGet: {path: /, port: http}}, readinessProbe: {httpGet: {path: /, port: 8080}}", ports), want: []string{"warn liveness-equals-readiness/app"}},
	{name: "12 another path", spec: app(live, ready), not: []string{"liveness-equals-readiness"}},
	{name: "13 F10 F3", spec: app(same("tcpSocket: {port: 8080}", ", failureThreshold: 10", "")), not: []string{"liveness-equals-readiness"}},
	{name: "13 F4 F3", spec: app(same("tcpSocket: {port: 8080}", ", failureThreshold: 4", "")), not: []string{"liveness-equals-readiness"}},
	{name: "13 F3 F3", spec: app(same("tcpSocket: {port: 8080}", "", "")), want: []string{"warn liveness-equals-readiness/app"}, inText: "failureThreshold to 4"},
	{name: "13 F3 F3 T5 T1", spec: app(same("tcpSocket: {port: 8080}", ", timeoutSeconds: 5", ", timeoutSeconds: 1")), want: []string{"warn liveness-equals-readiness/app"}},
	{name: "18 init container", owner: rs, only: true, spec: "initContainers:\n- {name: migrate, image: i}\n" + app(ready)},
	{name: "19 sidecar", owner: rs, only: true, spec: "initContainers:\n- {name: proxy, image: i, restartPolicy: Always, startupProbe: {httpGet: {path: /s, port: 1}}, readinessProbe: {httpGet: {path: /r, port: 1}}, livenessProbe: {httpGet: {path: /l, port: 1}, periodSeconds: 20}}\n" + app(ready),
		want: []string{"warn startup-budget-too-short/proxy"}}, // the defaults guarantee 20 s
	{name: "19 sidecar with a sound budget", owner: rs, only: true, spec: "initContainers:\n- {name: proxy, image: i, restartPolicy: Always, startupProbe: {httpGet: {path: /s, port: 1}, failureThreshold: 10}, readinessProbe: {httpGet: {path: /r, port: 1}}, livenessProbe: {httpGet: {path: /l, port: 1}, periodSeconds: 20}}\n" + app(ready)},
	{name: "20 sidecar startup port", spec: "initContainers:\n- {name: proxy, image: i, restartPolicy: Always, " + startup("nowhere") + "}\n" + app(), want: []string{"deny probe-port-unresolved/proxy"}},
	{name: "22 mirror pod", meta: `annotations: {kubernetes.io/config.mirror: x}`, fixes: true, only: true, fixed: []string{}, spec: app(startup("nowhere"), prestop("sleep: {seconds: 30}"))},
	{name: "22 owned by a node is no mirror pod", owner: "v1/Node/n1", spec: app(startup("nowhere")), want: []string{"deny probe-port-unresolved/app"}},
	{name: "23 Job pod Never", owner: job, only: true, spec: app() + "\nrestartPolicy: Never"},
	{name: "23 CronJob pod OnFailure", owner: "batch/v1/Job/nightly-29384950", only: true, spec: app() + "\nrestartPolicy: OnFailure"},
	{name: "24 Job pod Never with liveness", owner: job, only: true, spec: app(live) + "\nrestartPolicy: Never"},
	{name: "25 Job Always", kind: "Job", spec: app("restartPolicy: Always") + "\nrestartPolicy: Never", want: []string{"deny job-container-restart-always/app"}},
	{name: "26 Job NotIn 1", owner: job, spec: app(restart("Never", "NotIn", "1")) + "\nrestartPolicy: Never", want: []string{"deny job-container-restart-always/app"}},
	{name: "26 Job In 42", owner: job, only: true, spec: app(restart("Never", "In", "42")) + "\nrestartPolicy: Never"},
	{name: "27 Deployment Never", kind: "Deployment", only: true, spec: app("restartPolicy: Never"), want: []string{"warn container-restart-breaks-controller/"}},
	{name: "27 Deployment OnFailure", kind: "Deployment", only: true, spec: app("restartPolicy: OnFailure"), want: []string{"warn container-may-not-restart/app"}},
	{name: "27 Deployment Never with a rule", kind: "Deployment", only: true, spec: app(restart("Never", "In", "42")), want: []string{"warn container-may-not-restart/app"}},
	{name: "27 rules that cover every code", kind: "Deployment", only: true, spec: app("restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}]")},
	{name: "28 Onfailure", owner: job, spec: app() + "\nrestartPolicy: Onfailure", only: true, api: true},
	{name: "28 Onfailure in a Job", kind: "Job", spec: app() + "\nrestartPolicy: Onfailure", only: true, api: true},
	{name: "29 sleep 30", spec: app(prestop("sleep: {seconds: 30}")), want: []string{"warn prestop-exceeds-grace/app"}},
	{name: "29 sh -c sleep 25", spec: app(prestop(`exec: {command: [sh, -c, sleep 25]}`)), want: []string{"warn prestop-exceeds-grace/app"}},
	{name: "29 drain.sh", spec: app(prestop(`exec: {command: [/drain.sh]}`)), not: []string{"prestop-exceeds-grace"}},
	{name: "29 sleep 3600", spec: app(prestop(`exec: {command: [sleep, "3600"]}`)), want: []string{"warn prestop-exceeds-grace/app"}},
	{name: "29 sleep 30 fixed", fixes: true, spec: app(prestop("sleep: {seconds: 30}")), not: []string{"prestop-exceeds-grace"}, fixed: []string{"prestop-exceeds-grace/app"}, grace: 40},
	{name: "29 sh -c sleep 25 fixed", fixes: true, spec: app(prestop(`exec: {command: [/bin/bash, -c, "sleep 25; nginx -s quit"]}`)), fixed: []string{"prestop-exceeds-grace/app"}, grace: 35},
	{name: "29 drain.sh fixed", fixes: true, spec: app(prestop(`exec: {command: [/drain.sh]}`)), fixed: []string{}, grace: 30},
	{name: "29 sleep 3600 fixed", fixes: true, spec: app(prestop(`exec: {command: [sleep, "3600"]}`)), fixed: []string{}, grace: 30, want: []string{"warn prestop-exceeds-grace/app"}},
	{name: "31 startup for ever", spec: app("startupProbe: {tcpSocket: {port: 80}, failureThreshold: 2147483647, periodSeconds: 10}"), want: []string{"warn startup-budget-too-long/app"}, inText: "21474836470 s"},
	{name: "32 startup P1 T3 F600", kind: "Deployment", spec: app("startupProbe: {tcpSocket: {port: 80}, failureThreshold: 600, periodSeconds: 1, timeoutSeconds: 3}"), not: []string{"startup-budget-too-long"}},
	{name: "33 custom owner", owner: "example.com/v1/Thing/t", only: true, spec: app() + "\nrestartPolicy: Never"},
	{name: "34 fix", fixes: true, owner: rs, only: true, spec: app(live, ready, ports), fixed: []string{"no-startup-probe/app"}, probe: "P 3 T 1 F 101"},
	{name: "34 fix with d20", fixes: true, owner: rs, only: true, spec: app(`livenessProbe: {httpGet: {path: /healthz, port: 8080}, initialDelaySeconds: 20}`, ready, ports), fixed: []string{"no-startup-probe/app"}, probe: "P 3 T 1 F 101"},
	{name: "34 fix with readiness P2", fixes: true, owner: rs, only: true, spec: app(live, `readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 2}`, ports), fixed: []string{"no-startup-probe/app"}, probe: "P 2 T 1 F 151"},
	{name: "35 exec", fixes: true, spec: app("livenessProbe: {"+healthy+", timeoutSeconds: 2}", ready), want: []string{"warn no-startup-probe/app"}, fixed: []string{}, probe: "none"},
	{name: "35 sidecar", fixes: true, spec: "initContainers:\n- {name: proxy, image: i, restartPolicy: Always, " + live + "," + ready + "}\n" + app(ready), want: []string{"warn no-startup-probe/proxy"}, fixed: []string{}},
	{name: "35 no readinessProbe", fixes: true, spec: app(live), want: []string{"warn no-startup-probe/app"}, fixed: []string{}, probe: "none"},
	{name: "35 T > P", fixes: true, spec: app("livenessProbe: {httpGet: {port: 8080}, periodSeconds: 5, timeoutSeconds: 6}", ready), want: []string{"warn no-startup-probe/app"}, fixed: []string{}, probe: "none"},
	{name: "35 host", fixes: true, spec: app("livenessProbe: {httpGet: {port: 8080, host: localhost}}", ready), want: []string{"warn no-startup-probe/app"}, fixed: []string{}, probe: "none"},
	{name: "39 active deadline", fixes: true, spec: app(live, ready) + "\nactiveDeadlineSeconds: 120", want: []string{"warn no-startup-probe/app"}, not: []string{"startup-exceeds-active-deadline"}, fixed: []string{}, probe: "none"},
	{name: "40 container OnFailure", owner: rs, spec: app("restartPolicy: OnFailure"), only: true, want: []string{"warn container-may-not-restart/app"}},
	{name: "41 injected sidecar", owner: rs, only: true, spec: "initContainers:\n- {name: istio-proxy, image: i, restartPolicy: Always, startupProbe: {httpGet: {path: /ready, port: 15021}, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600}, readinessProbe: {httpGet: {path: /ready, port: 15021}, periodSeconds: 15, timeoutSeconds: 20}}\n" + app(ready, ports)},
	{name: "41 injected app container", owner: rs, only: true, spec: "containers:\n- {name: istio-proxy, image: i, " + live + ", " + ports + "}\n- {name: app, image: i, " + ready + "}",
		want: []string{"audit liveness-without-readiness/istio-proxy", "audit no-startup-probe/istio-proxy"}},
	{name: "42 worker with liveness", kind: "Deployment", spec: app("livenessProbe: {" + healthy + "}"), not: []string{"no-readiness-probe", "liveness-without-readiness"}},
	{name: "42 worker with a metrics port", kind: "Deployment", spec: app("livenessProbe: {"+healthy+"}", "ports: [{name: metrics, containerPort: 9090}]"), not: []string{"no-readiness-probe", "liveness-without-readiness"}},
	{name: "42 worker without probes", kind: "Deployment", only: true, spec: app(), want: []string{"audit unprobed-container/app"}},
}

func TestAcceptance(t *testing.T) {
	for _, c := range acceptanceCases {
		t.Run(c.name, func(t *testing.T) {
			obj := parseObject(t, c.name, c.yaml())
			rules.Default(obj)
			if refused := len(rules.Invalid(obj)) > 0; refused != c.api {
				t.Errorf("refused by the API server: %v", refused)
			}
			subject, _ := rules.SubjectOf(obj)
			plan := rules.ProfilePlan(rules.Recommended)
			result := rules.Result{Findings: rules.Judge(subject, plan), Spec: subject.Spec}
			if c.fixes {
				result = rules.Vet(subject, plan)
			}
			c.check(t, result)
		})
	}
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
	if c.grace != 0 && *result.Spec.TerminationGracePeriodSeconds != c.grace {
		t.Errorf("grace %d, want %d", *result.Spec.TerminationGracePeriodSeconds, c.grace)
	}
	if probe := result.Spec.Containers[0].StartupProbe; c.probe != "" {
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
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n" + indent(c.spec, 6)
	case "Job":
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec:\n  template:\n    spec:\n" + indent(c.spec, 6)
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
