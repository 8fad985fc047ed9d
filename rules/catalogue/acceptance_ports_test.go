package catalogue_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
)

// The acceptance cases about presence, ports, schemes and hosts.
var acceptancePorts = []acceptance{
	{name: "1 kubectl run", only: true,
		spec: `
containers:
- name: nginx
  image: nginx
`, want: []string{"audit bare-pod/", "warn no-readiness-probe/nginx"}},
	{name: "2 exec liveness", only: true,
		spec: `
containers:
- name: app
  image: busybox
  livenessProbe:
    exec: {command: [cat, /tmp/healthy]}
    initialDelaySeconds: 5
    periodSeconds: 5
`, want: []string{"audit bare-pod/", "warn no-readiness-probe/app", "warn no-startup-probe/app",
			"warn exec-probe-short-timeout/app"}, inText: "15 s"},
	{name: "3 startup port not declared",
		spec: `
containers:
- name: app
  image: i
  startupProbe:
    httpGet: {path: /healthz, port: liveness-port}
    periodSeconds: 10
    failureThreshold: 30
`, want: []string{"deny probe-port-unresolved/app"}, not: []string{"inert-probe-port-unresolved"},
		inText: `undeclared port "liveness-port"`},
	{name: "4 startup port declared",
		spec: `
containers:
- name: app
  image: i
  ports: [{name: liveness-port, containerPort: 8080}]
  startupProbe:
    httpGet: {path: /healthz, port: liveness-port}
    periodSeconds: 10
    failureThreshold: 30
`, not: []string{"probe-port-unresolved", "inert-probe-port-unresolved", "probe-port-not-tcp",
			"startup-budget-too-short", "startup-budget-too-long", "startup-shorter-than-liveness"}},
	{name: "5 startup port in the other container",
		spec: `
containers:
- name: app
  image: i
  startupProbe: {httpGet: {path: /, port: http}, failureThreshold: 30}
- name: web
  image: i
  ports: [{name: http, containerPort: 8080}]
`, want: []string{"deny probe-port-unresolved/app"}, inText: `which only container "web" declares`},
	{name: "6 liveness port not declared",
		spec: `
containers:
- name: app
  image: i
  livenessProbe: {tcpSocket: {port: http}, periodSeconds: 10, failureThreshold: 3}
`, want: []string{"warn inert-probe-port-unresolved/app"}, not: []string{"probe-port-unresolved", "no-startup-probe"}},
	{name: "7 number not declared",
		spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /healthz, port: 8080}}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}
  startupProbe: {httpGet: {path: /, port: 8080}, failureThreshold: 30}
`, not: []string{"probe-port-unresolved", "inert-probe-port-unresolved", "probe-port-not-tcp",
			"probe-port-undeclared"}},
	{name: "8 a name bound to UDP",
		spec: `
containers:
- name: app
  image: i
  ports: [{name: dns, containerPort: 53, protocol: UDP}]
  livenessProbe: {tcpSocket: {port: dns}}
`, want: []string{"warn probe-port-not-tcp/app"}},
	{name: "8 UDP and TCP",
		spec: `
containers:
- name: app
  image: i
  ports: [{name: dns, containerPort: 53, protocol: UDP}, {name: dns-tcp, containerPort: 53}]
  livenessProbe: {tcpSocket: {port: dns}}
`, not: []string{"probe-port-not-tcp"}},
	{name: "9 no handler", fixes: true, fixed: []string{}, api: true,
		spec: `
containers:
- name: app
  image: i
  livenessProbe: {}
`},
	{name: "10 periodSeconds 0 is 10",
		spec: `
containers:
- name: app
  image: i
  livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 0}
  readinessProbe: {httpGet: {path: /ready, port: 80}}
`, want: []string{"warn no-startup-probe/app"}, inText: "20 s"},
	{name: "16 host 127.0.0.1", owner: rs,
		spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {host: 127.0.0.1, path: /, port: 8080}}
`, want: []string{"deny probe-host-loopback/app"}, not: []string{"probe-host-set"}},
	{name: "16 with hostNetwork", owner: rs,
		spec: `
hostNetwork: true
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {host: 127.0.0.1, path: /, port: 8080}}
`, not: []string{"probe-host-loopback", "probe-host-set"}},
	{name: "16 with a hostPort of that number", owner: rs,
		spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {host: 127.0.0.1, path: /, port: 8080}}
- name: web
  image: i
  ports: [{containerPort: 80, hostPort: 8080}]
`, want: []string{"warn probe-host-set/app"}, not: []string{"probe-host-loopback"}},
	{name: "16 a NodePort", owner: rs,
		spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {host: 127.0.0.1, path: /, port: 31000}}
`, want: []string{"warn probe-host-set/app"}, not: []string{"probe-host-loopback"}},
	{name: "16 a port of the node", owner: rs,
		spec: `
containers:
- name: app
  image: i
  livenessProbe: {tcpSocket: {host: localhost, port: 10248}}
`, want: []string{"warn probe-host-set/app"}, not: []string{"probe-host-loopback"}},
	{name: "17 the header Host only", owner: rs, only: true,
		spec: `
containers:
- name: app
  image: i
  readinessProbe: {httpGet: {path: /, port: 8080, httpHeaders: [{name: Host, value: shop.example}]}}
`},
	{name: "18 init container", owner: rs, only: true,
		spec: `
initContainers:
- name: migrate
  image: i
  ports: [{containerPort: 80}]
containers:
- name: app
  image: i
  readinessProbe: {httpGet: {path: /ready, port: 8080}}
`},
	{name: "19 sidecar with three sound probes", owner: rs, only: true,
		spec: `
initContainers:
- name: proxy
  image: i
  restartPolicy: Always
  ports: [{containerPort: 80}]
  startupProbe: {httpGet: {path: /s, port: 80}, failureThreshold: 10}
  readinessProbe: {httpGet: {path: /r, port: 80}}
  livenessProbe: {httpGet: {path: /l, port: 80}, periodSeconds: 20}
containers:
- name: app
  image: i
  readinessProbe: {httpGet: {path: /ready, port: 8080}}
`},
	{name: "20 sidecar startup port", owner: rs,
		spec: `
initContainers:
- name: proxy
  image: i
  restartPolicy: Always
  startupProbe: {httpGet: {path: /, port: nowhere}, failureThreshold: 10}
containers:
- name: app
  image: i
`, want: []string{"deny probe-port-unresolved/proxy"}, inText: "hangs in Init"},
	{name: "22 mirror pod", meta: `annotations: {kubernetes.io/config.mirror: x}`, fixes: true, only: true,
		fixed: []string{},
		spec: `
terminationGracePeriodSeconds: 0
containers:
- name: app
  image: i
  ports: [{name: https, containerPort: 8443}]
  livenessProbe: {httpGet: {host: 127.0.0.1, port: https}, failureThreshold: 1}
  readinessProbe: {exec: {command: ["curl -f localhost"]}}
  startupProbe: {httpGet: {port: nowhere}}
  lifecycle: {postStart: {tcpSocket: {port: 80}}, preStop: {exec: {command: [sleep, "30"]}}}
`},
	{name: "22 owned by a node is not a mirror pod", owner: "v1/Node/n1",
		spec: `
containers:
- name: app
  image: i
  startupProbe: {httpGet: {port: nowhere}}
`, want: []string{"deny probe-port-unresolved/app"}},
	{name: "33 custom owner", owner: "example.com/v1/Thing/t", only: true,
		spec: `
restartPolicy: Never
containers:
- name: app
  image: i
`},
	{name: "36 generateName", fixes: true, owner: rs, fixed: []string{"no-startup-probe/app"},
		spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /healthz, port: 8080}}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}
`},
	{name: "40 container OnFailure", owner: rs,
		spec: `
containers:
- name: app
  image: i
  restartPolicy: OnFailure
  ports: [{containerPort: 80}]
`, not: presence},
	{name: "42 worker with liveness", kind: "Deployment",
		spec: `
containers:
- name: worker
  image: i
  livenessProbe: {exec: {command: [cat, /tmp/healthy]}}
`, not: presence},
	{name: "42 worker with a port named metrics", kind: "Deployment",
		spec: `
containers:
- name: worker
  image: i
  ports: [{name: metrics, containerPort: 9090}]
  livenessProbe: {exec: {command: [cat, /tmp/healthy]}}
`, not: presence},
	{name: "42 worker without probes", kind: "Deployment", only: true,
		spec: `
containers:
- name: worker
  image: i
`, want: []string{"audit unprobed-container/worker"}},
	{name: "43 sleep infinity", only: true,
		spec: `
containers:
- name: debug
  image: i
  command: [sleep, infinity]
`, want: []string{"audit bare-pod/", "audit unprobed-container/debug"}},
	{name: "43 args alone", not: []string{"no-readiness-probe"},
		spec: `
containers:
- name: debug
  image: i
  args: [--watch]
`},
	{name: "43 a port for watching alone", not: []string{"no-readiness-probe"},
		spec: `
containers:
- name: debug
  image: i
  ports: [{name: metrics, containerPort: 9090}]
`},
	{name: "46 HTTP on port https", owner: rs,
		spec: `
containers:
- name: app
  image: i
  ports: [{name: https, containerPort: 8443}]
  readinessProbe: {httpGet: {path: /, port: https}}
`, want: []string{"warn probe-scheme-mismatch/app"}},
	{name: "46 HTTPS on port http", owner: rs,
		spec: `
containers:
- name: app
  image: i
  ports: [{name: http, containerPort: 8080}]
  readinessProbe: {httpGet: {path: /, port: http, scheme: HTTPS}}
`, want: []string{"warn probe-scheme-mismatch/app"}},
	{name: "46 HTTP on 8443 declared as web", owner: rs, only: true,
		spec: `
containers:
- name: app
  image: i
  ports: [{name: web, containerPort: 8443}]
  readinessProbe: {httpGet: {path: /, port: 8443}}
`},
	{name: "46 HTTP on undeclared 8443", owner: rs, only: true,
		spec: `
containers:
- name: app
  image: i
  readinessProbe: {httpGet: {path: /, port: 8443}}
`, want: []string{"warn probe-scheme-mismatch/app"}},
	{name: "49 Knative", owner: rs, meta: `labels: {serving.knative.dev/revision: hello-00001}`,
		not: []string{"no-readiness-probe", "liveness-without-readiness", "unprobed-container"},
		spec: `
containers:
- name: user-container
  image: i
  ports: [{containerPort: 8080}]
  livenessProbe: {httpGet: {path: /livez, port: 8080}}
- name: queue-proxy
  image: i
  ports: [{containerPort: 8012}]
  readinessProbe: {httpGet: {path: /, port: 8012}}
`},
	{name: "49 the label alone", owner: rs, meta: `labels: {serving.knative.dev/revision: hello-00001}`,
		spec: `
containers:
- name: user-container
  image: i
  ports: [{containerPort: 8080}]
  livenessProbe: {httpGet: {path: /livez, port: 8080}}
`, want: []string{"warn liveness-without-readiness/user-container"}, not: []string{"no-readiness-probe"}},
	{name: "52 sidecar beside nothing that runs long",
		spec: `
initContainers:
- name: tunnel
  image: i
  restartPolicy: Always
  readinessProbe: {tcpSocket: {port: tunnel}}
containers:
- name: task
  image: i
  restartPolicy: OnFailure
`, want: []string{"warn inert-probe-port-unresolved/tunnel"}, not: []string{"probe-port-unresolved"}},
	{name: "52 sidecar, restartPolicy of the pod",
		spec: `
restartPolicy: OnFailure
initContainers:
- name: tunnel
  image: i
  restartPolicy: Always
  readinessProbe: {tcpSocket: {port: tunnel}}
containers:
- name: task
  image: i
`, want: []string{"warn inert-probe-port-unresolved/tunnel"}, not: []string{"probe-port-unresolved"}},
	{name: "53 host and port", owner: rs, only: true,
		spec: `
containers:
- name: app
  image: i
  readinessProbe: {httpGet: {host: 127.0.0.1, path: /, port: nowhere}}
`, want: []string{"deny probe-port-unresolved/app"}},
}

// presence are the rules about probes that are missing.
var presence = []string{"no-readiness-probe", "liveness-without-readiness", "unprobed-container", "no-liveness-probe"}

func TestAcceptancePorts(t *testing.T) { runAcceptance(t, acceptancePorts) }

// Case 41: about an injected container nothing is louder than audit, also where it is an app container.
func TestAcceptanceInjected(t *testing.T) {
	const app = "{name: app, image: i, readinessProbe: {httpGet: {path: /ready, port: 8080}}}"
	for name, spec := range map[string]string{
		"sidecar": `
initContainers:
- name: istio-proxy
  image: i
  restartPolicy: Always
  startupProbe: {httpGet: {path: /ready, port: 15021}, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 600}
  readinessProbe: {httpGet: {path: /ready, port: 15021}, periodSeconds: 15, timeoutSeconds: 40}
containers:
- ` + app,
		"app container": `
containers:
- name: istio-proxy
  image: i
  ports: [{name: http, containerPort: 8080}]
  livenessProbe: {httpGet: {host: 127.0.0.1, path: /, port: 8080}}
- ` + app,
	} {
		c := acceptance{owner: rs, spec: spec}
		findings := rules.Judge(parseSubject(t, name, c.yaml()), profilePlan(rules.Recommended))
		for _, f := range findings {
			if f.Level > rules.Audit {
				t.Errorf("%s: %s %s", name, f.Level, f)
			}
		}
		if len(findings) == 0 && name == "app container" {
			t.Errorf("%s: nothing is recorded", name)
		}
	}
}

// Case 42: a worker is asked for a readinessProbe in no profile.
func TestAcceptanceWorkers(t *testing.T) {
	for _, c := range acceptancePorts {
		if !strings.HasPrefix(c.name, "42 worker") {
			continue
		}
		for _, profile := range []rules.Profile{rules.Minimal, rules.Recommended, rules.Strict} {
			for _, f := range rules.Judge(parseSubject(t, c.name, c.yaml()), profilePlan(profile)) {
				if f.Rule.ID == "no-readiness-probe" || f.Rule.ID == "liveness-without-readiness" {
					t.Errorf("%s, profile %s: %s", c.name, profile, f)
				}
			}
		}
	}
}

// Case 36: a pod is named by its generateName, and one without annotations is given the whole map.
func TestAcceptanceGenerateName(t *testing.T) {
	const text = `
apiVersion: v1
kind: Pod
metadata: {generateName: web-abc-}
spec: {containers: [{name: app, image: i}]}`
	subject := parseSubject(t, "36", text)
	if subject.Name != "web-abc-" {
		t.Errorf("the pod is called %q", subject.Name)
	}
	fixed := rules.Fixed{Rule: catalogue.All.Lookup("no-startup-probe"), Container: "app"}
	op := rules.Annotate(subject.Meta, []rules.Fixed{fixed})
	if got := asJSON(t, op); !strings.Contains(got, `"/metadata/annotations"`) {
		t.Errorf("the patch is %s", got)
	}
}

// Cases 37 and 38: the same pod gets the same answer, and a container that was added after podvet's fixes is judged
// with the others.
func TestAcceptanceAddedAfterwards(t *testing.T) {
	c := acceptance{owner: rs, spec: `
containers:
- name: app
  image: i
  livenessProbe: {httpGet: {path: /healthz, port: 8080}}
  readinessProbe: {httpGet: {path: /ready, port: 8080}}
`}
	plan := profilePlan(rules.Recommended)
	subject := parseSubject(t, "38", c.yaml())
	first, again := rules.Vet(subject, plan), rules.Vet(subject, plan)
	if !slices.Equal(lines(first), lines(again)) || len(first.Findings) > 0 || len(first.Fixed) != 1 {
		t.Errorf("first %q, then %q", lines(first), lines(again))
	}
	c.spec += `
- name: agent
  image: i
  startupProbe: {tcpSocket: {port: nowhere}}
`
	acceptance{want: []string{"deny probe-port-unresolved/agent"}}.check(t, rules.Result{
		Findings: rules.Judge(parseSubject(t, "38", c.yaml()), plan), Repair: rules.Repair{Subject: subject}})
}
