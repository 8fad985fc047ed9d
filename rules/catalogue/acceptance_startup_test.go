package catalogue_test

import (
	"testing"
	"time"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// startupCase is an acceptance case about startup and liveness: with the rules of a policy, and the kubelets' versions,
// where they matter.
type startupCase struct {
	acceptance
	rules    string // of the policy, none for the recommended profile as it is
	kubelets pod.Kubelets
}

// The acceptance cases about startup and liveness, by their numbers.
var acceptanceStartup = []startupCase{
	{acceptance: acceptance{name: "2 exec liveness", only: true, spec: `
containers:
- name: app
  image: i
  livenessProbe: {exec: {command: [cat, /tmp/healthy]}, initialDelaySeconds: 5, periodSeconds: 5}`,
		want: []string{"audit bare-pod/", "warn no-readiness-probe/app", "warn no-startup-probe/app",
			"warn exec-probe-short-timeout/app"},
		inText: "over 15 s"}},
	{acceptance: acceptance{name: "4 a usual startupProbe", spec: `
containers:
- name: app
  image: i
  ports: [{name: liveness-port, containerPort: 8080}]
  startupProbe: {httpGet: {path: /, port: liveness-port}, failureThreshold: 30, periodSeconds: 10}`,
		not: []string{"startup-budget-too-short", "startup-budget-too-long", "probe-port-unresolved"}}},
	{acceptance: acceptance{name: "6 liveness on an unresolved port", spec: `
containers:
- name: app
  image: i
  livenessProbe: {tcpSocket: {port: http}}`,
		want: []string{"warn inert-probe-port-unresolved/app"}, not: []string{"no-startup-probe"}}},
	{acceptance: acceptance{name: "11 P5 T30 F3", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {port: 80}, periodSeconds: 5, timeoutSeconds: 30, failureThreshold: 3}`,
		want: []string{"warn probe-timeout-exceeds-period/app"}, inText: "up to 95 s, not 15 s"}},
	{acceptance: acceptance{name: "11 P10 T20", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {port: 80}, timeoutSeconds: 20}`,
		not: []string{"probe-timeout-exceeds-period"}}},
	{acceptance: acceptance{name: "12 same httpGet", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /, port: 8080}}
  readinessProbe: {httpGet: {path: /, port: 8080}}`,
		want: []string{"warn liveness-equals-readiness/app"}}},
	{acceptance: acceptance{name: "12 one by name", spec: `
containers:
- name: app
  image: i
  ports: [{name: http, containerPort: 8080}]
  livenessProbe: {httpGet: {path: /, port: http}}
  readinessProbe: {httpGet: {path: /, port: 8080}}`,
		want: []string{"warn liveness-equals-readiness/app"}}},
	{acceptance: acceptance{name: "12 same exec", spec: `
containers:
- name: app
  image: i
  livenessProbe: {exec: {command: [cat, /tmp/healthy]}}
  readinessProbe: {exec: {command: [cat, /tmp/healthy]}}`,
		want: []string{"warn liveness-equals-readiness/app"}}},
	{acceptance: acceptance{name: "12 liveness d60, readiness d0", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /, port: 8080}, initialDelaySeconds: 60}
  readinessProbe: {httpGet: {path: /, port: 8080}}`,
		want: []string{"warn liveness-equals-readiness/app"}}},
	{acceptance: acceptance{name: "12 same tcpSocket", spec: `
containers:
- name: app
  image: i
  livenessProbe: {tcpSocket: {port: 8080}}
  readinessProbe: {tcpSocket: {port: 8080}}`,
		not: []string{"liveness-equals-readiness"}}},
	{acceptance: acceptance{name: "13 F10, F3", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /, port: 8080}, failureThreshold: 10}
  readinessProbe: {httpGet: {path: /, port: 8080}}`,
		not: []string{"liveness-equals-readiness"}}},
	{acceptance: acceptance{name: "13 F4, F3", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /, port: 8080}, failureThreshold: 4}
  readinessProbe: {httpGet: {path: /, port: 8080}}`,
		not: []string{"liveness-equals-readiness"}}},
	{acceptance: acceptance{name: "13 F3, F3 with T 5 and 1", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /, port: 8080}, timeoutSeconds: 5}
  readinessProbe: {httpGet: {path: /, port: 8080}}`,
		want: []string{"warn liveness-equals-readiness/app"}, inText: "failureThreshold to 4"}},
	{acceptance: acceptance{name: "31 startup without end", spec: `
containers:
- name: app
  image: i
  startupProbe: {tcpSocket: {port: 80}, failureThreshold: 2147483647, periodSeconds: 10}`,
		want: []string{"warn startup-budget-too-long/app"}, inText: "hides a dead app forever"}},
	{acceptance: acceptance{name: "32 startup 61 x 10", kind: "Deployment", spec: `
containers:
- name: app
  image: i
  startupProbe: {tcpSocket: {port: 80}, failureThreshold: 61, periodSeconds: 10}`,
		want: []string{"warn startup-exceeds-progress-deadline/app"}}},
	{acceptance: acceptance{name: "32 startup 60 x 10", kind: "Deployment", spec: `
containers:
- name: app
  image: i
  startupProbe: {tcpSocket: {port: 80}, failureThreshold: 60, periodSeconds: 10}`,
		not: []string{"startup-exceeds-progress-deadline", "startup-budget-too-long"}}},
	{acceptance: acceptance{name: "32 startup P1 T3 F600", kind: "Deployment", spec: `
containers:
- name: app
  image: i
  startupProbe: {tcpSocket: {port: 80}, failureThreshold: 600, periodSeconds: 1, timeoutSeconds: 3}`,
		not: []string{"startup-exceeds-progress-deadline", "startup-budget-too-long"}}},
	{acceptance: acceptance{name: "32 startup 200 x 10", kind: "Deployment", spec: `
containers:
- name: app
  image: i
  startupProbe: {tcpSocket: {port: 80}, failureThreshold: 200, periodSeconds: 10}`,
		want: []string{"warn startup-budget-too-long/app"}, not: []string{"startup-exceeds-progress-deadline"}}},
	{acceptance: acceptance{name: "34 fixed", fixes: true, owner: rs, only: true, spec: `
containers:
- name: app
  image: i
  ports: [{name: http, containerPort: 8080}]
  livenessProbe: {httpGet: {path: /healthz, port: http}}
  readinessProbe: {httpGet: {path: /ready, port: http}}`,
		fixed: []string{"no-startup-probe/app"}, probe: "P 3 T 1 F 101"}},
	{acceptance: acceptance{name: "34 liveness d20", fixes: true, owner: rs, only: true, spec: `
containers:
- name: app
  image: i
  ports: [{name: http, containerPort: 8080}]
  livenessProbe: {httpGet: {path: /healthz, port: http}, initialDelaySeconds: 20}
  readinessProbe: {httpGet: {path: /ready, port: http}}`,
		fixed: []string{"no-startup-probe/app"}, probe: "P 3 T 1 F 101"}},
	{acceptance: acceptance{name: "34 liveness d20, kubelets 1.38", fixes: true, owner: rs, only: true, spec: `
containers:
- name: app
  image: i
  ports: [{name: http, containerPort: 8080}]
  livenessProbe: {httpGet: {path: /healthz, port: http}, initialDelaySeconds: 20}
  readinessProbe: {httpGet: {path: /ready, port: http}}`,
		fixed: []string{"no-startup-probe/app"}, probe: "P 3 T 1 F 101"}, kubelets: pod.Kubelets{From: 38, To: 38}},
	{acceptance: acceptance{name: "34 readiness P2", fixes: true, owner: rs, only: true, spec: `
containers:
- name: app
  image: i
  ports: [{name: http, containerPort: 8080}]
  livenessProbe: {httpGet: {path: /healthz, port: http}}
  readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 2}`,
		fixed: []string{"no-startup-probe/app"}, probe: "P 2 T 1 F 151"}},
	{acceptance: acceptance{name: "34 with a GPU", fixes: true, owner: rs, only: true, spec: `
containers:
- name: app
  image: i
  resources: {limits: {nvidia.com/gpu: 1}}
  ports: [{name: http, containerPort: 8080}]
  livenessProbe: {httpGet: {path: /healthz, port: http}}
  readinessProbe: {httpGet: {path: /ready, port: http}}`,
		fixed: []string{"no-startup-probe/app"}, probe: "P 3 T 1 F 601"}},
	{acceptance: acceptance{name: "35 exec", fixes: true, spec: `
containers:
- name: app
  image: i
  livenessProbe: {exec: {command: [cat, /tmp/healthy]}, timeoutSeconds: 2}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}`,
		want: []string{"warn no-startup-probe/app"}, fixed: []string{}, probe: "none"}},
	{acceptance: acceptance{name: "35 sidecar", fixes: true, spec: `
initContainers:
- name: proxy
  image: i
  restartPolicy: Always
  livenessProbe: {httpGet: {path: /healthz, port: 8080}}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}
containers:
- {name: app, image: i}`,
		want: []string{"warn no-startup-probe/proxy"}, fixed: []string{}}},
	{acceptance: acceptance{name: "35 no readinessProbe", fixes: true, spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /healthz, port: 8080}}`,
		want: []string{"warn no-startup-probe/app"}, fixed: []string{}, probe: "none"}},
	{acceptance: acceptance{name: "35 T > P", fixes: true, spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {port: 8080}, periodSeconds: 5, timeoutSeconds: 6}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}`,
		want: []string{"warn no-startup-probe/app"}, fixed: []string{}, probe: "none"}},
	{acceptance: acceptance{name: "35 a host", fixes: true, spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {port: 8080, host: web.example}}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}`,
		want: []string{"warn no-startup-probe/app"}, fixed: []string{}, probe: "none"}},
	{acceptance: acceptance{name: "35 a custom owner", fixes: true, owner: "example.com/v1/Thing/t", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {port: 8080}}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}`,
		want: []string{"warn no-startup-probe/app"}, fixed: []string{}, probe: "none"}},
	{acceptance: acceptance{name: "35 linkerd-proxy", fixes: true, owner: rs, spec: `
containers:
- name: linkerd-proxy
  image: i
  livenessProbe: {httpGet: {port: 8080}}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}`,
		want: []string{"audit no-startup-probe/linkerd-proxy"}, fixed: []string{}, probe: "none"}},
	{acceptance: acceptance{name: "39 activeDeadlineSeconds 120", fixes: true, spec: `
activeDeadlineSeconds: 120
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /healthz, port: 8080}}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}`,
		want: []string{"warn no-startup-probe/app"}, not: []string{"startup-exceeds-active-deadline"},
		fixed: []string{}, probe: "none", inText: "Raise livenessProbe.failureThreshold to 6"}},
	{acceptance: acceptance{name: "39 with fix: true", fixes: true, spec: `
activeDeadlineSeconds: 120
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /healthz, port: 8080}}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}`,
		want: []string{"warn startup-exceeds-active-deadline/app"}, not: []string{"no-startup-probe"},
		fixed: []string{"no-startup-probe/app"}, probe: "P 3 T 1 F 101"}, rules: "no-startup-probe: {fix: true}"},
	{acceptance: acceptance{name: "44 kubelets 1.38 only", spec: gateLate, not: []string{"startup-gate-late"}},
		kubelets: pod.Kubelets{From: 38, To: 38}},
	{acceptance: acceptance{name: "44 startup P10 F6, liveness P3 F3", spec: gateLate,
		want: []string{"warn startup-gate-late/app"}}},
	{acceptance: acceptance{name: "beside 44 a budget that is too long", spec: `
containers:
- name: app
  image: i
  startupProbe: {httpGet: {port: 8080}, periodSeconds: 10, failureThreshold: 95}
  livenessProbe: {httpGet: {port: 8080}, periodSeconds: 3}`,
		want:   []string{"warn startup-budget-too-long/app", "warn startup-gate-late/app"},
		inText: "Raise livenessProbe.initialDelaySeconds to 10."}},
	{acceptance: acceptance{name: "one failure after 20 minutes", spec: `
containers:
- name: app
  image: i
  startupProbe: {httpGet: {port: 8080}, periodSeconds: 1200, failureThreshold: 1}`,
		want:   []string{"warn startup-budget-too-short/app", "warn startup-budget-too-long/app"},
		inText: "can kill a boot longer than 0 s (policy: 25 s). Set periodSeconds to 10, failureThreshold to 90."}},
	{acceptance: acceptance{name: "liveness is too slow and too aggressive", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {port: 8080}, periodSeconds: 400, failureThreshold: 1}`,
		want:   []string{"warn liveness-too-aggressive/app", "warn liveness-too-slow/app"},
		inText: "Lower livenessProbe.periodSeconds to 149."}, rules: "liveness-too-slow: {level: warn}"},
	{acceptance: acceptance{name: "44 liveness d15", spec: `
containers:
- name: app
  image: i
  startupProbe: {httpGet: {port: 8080}, periodSeconds: 10, failureThreshold: 6}
  livenessProbe: {httpGet: {port: 8080}, periodSeconds: 3, initialDelaySeconds: 15}`,
		not: []string{"startup-gate-late", "initial-delay-with-startup-probe"}}},
	{acceptance: acceptance{name: "44 startup P1 F60", spec: `
containers:
- name: app
  image: i
  startupProbe: {httpGet: {port: 8080}, periodSeconds: 1, failureThreshold: 60}
  livenessProbe: {httpGet: {port: 8080}, periodSeconds: 3}`,
		not: []string{"startup-gate-late"}}},
	{acceptance: acceptance{name: "45 /actuator/health in both", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /actuator/health, port: 8080}}
  readinessProbe: {httpGet: {path: /actuator/health, port: 8080}}`,
		want: []string{"warn liveness-asks-readiness/app"}, not: []string{"liveness-equals-readiness"}}},
	{acceptance: acceptance{name: "45 /actuator/health/liveness", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /actuator/health/liveness, port: 8080}}`,
		not: []string{"liveness-asks-readiness"}}},
	{acceptance: acceptance{name: "45 /readyz", spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /readyz, port: 8080}}`,
		want: []string{"warn liveness-asks-readiness/app"}}},
}

const gateLate = `
containers:
- name: app
  image: i
  startupProbe: {httpGet: {port: 8080}, periodSeconds: 10, failureThreshold: 6}
  livenessProbe: {httpGet: {port: 8080}, periodSeconds: 3}`

func TestAcceptanceStartup(t *testing.T) {
	for _, c := range acceptanceStartup {
		t.Run(c.name, func(t *testing.T) { c.run(t, c.plan(t)) })
	}
}

// plan is that of the recommended profile with the case's rules, for its kubelets or for 1.37.
func (c startupCase) plan(t *testing.T) *rules.Plan {
	t.Helper()
	text := "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nrules: {" + c.rules + "}\n"
	p, err := policy.Load(catalogue.All, c.name, []byte(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	kubelets := c.kubelets
	if kubelets == (pod.Kubelets{}) {
		kubelets = pod.Kubelets{From: pod.Newest, To: pod.Newest}
	}
	return catalogue.All.NewPlan(p.Settings(),
		rules.Options{Injected: rules.DefaultInjected, Most: rules.Deny, Kubelets: kubelets})
}
