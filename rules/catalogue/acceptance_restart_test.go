package catalogue_test

import (
	"testing"
)

// The acceptance cases about restartPolicy and termination.
var acceptanceRestart = []acceptance{
	{name: "21 an ephemeral container", owner: rs, only: true, spec: `
containers:
- name: app
  image: i
  readinessProbe: {httpGet: {path: /ready, port: 8080}}
ephemeralContainers:
- {name: debugger, image: i, targetContainerName: app}`},
	{name: "22 mirror pod", meta: `annotations: {kubernetes.io/config.mirror: x}`, fixes: true, only: true,
		fixed: []string{}, spec: `
terminationGracePeriodSeconds: 0
restartPolicy: Never
initContainers:
- name: check
  image: i
  restartPolicy: Never
  restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [0]}}]
containers:
- name: app
  image: i
  startupProbe: {httpGet: {path: /, port: nowhere}}
  livenessProbe: {httpGet: {path: /, port: 8080}}
  lifecycle: {preStop: {exec: {command: [sleep, "30"]}}}`},
	{name: "22 owned by a node is no mirror pod", owner: "v1/Node/n1", spec: app(startup("nowhere")),
		want: []string{"deny probe-port-unresolved/app"}},
	{name: "23 Job pod Never", owner: job, only: true, spec: app() + "\nrestartPolicy: Never"},
	{name: "23 CronJob pod OnFailure", owner: "batch/v1/Job/nightly-29384950", only: true,
		spec: app() + "\nrestartPolicy: OnFailure"},
	{name: "24 Job pod OnFailure with liveness", owner: job, spec: app(live) + "\nrestartPolicy: OnFailure",
		only: true, want: []string{"warn liveness-with-on-failure/app"}},
	{name: "24 Job pod Never with liveness", owner: job, only: true, spec: app(live) + "\nrestartPolicy: Never"},
	{name: "24 bare pod Never with liveness", spec: app(live) + "\nrestartPolicy: Never",
		only: true, want: []string{"warn probe-without-restart/app"}},
	{name: "25 Job Always", kind: "Job", spec: app("restartPolicy: Always") + "\nrestartPolicy: Never",
		only: true, want: []string{"deny job-container-restart-always/app"}},
	{name: "25 Job Always with a deadline", kind: "Job", only: true,
		spec: app("restartPolicy: Always") + "\nrestartPolicy: Never\nactiveDeadlineSeconds: 600"},
	{name: "26 Job NotIn 1", owner: job, spec: app(restart("Never", "NotIn", "1")) + "\nrestartPolicy: Never",
		only: true, want: []string{"deny job-container-restart-always/app"}},
	{name: "26 Job In 42", owner: job, only: true,
		spec: app(restart("Never", "In", "42")) + "\nrestartPolicy: Never"},
	{name: "27 Deployment Never", kind: "Deployment", only: true, spec: app("restartPolicy: Never"),
		want: []string{"warn container-restart-breaks-controller/"}},
	{name: "27 Deployment OnFailure", kind: "Deployment", only: true, spec: app("restartPolicy: OnFailure"),
		want: []string{"warn container-may-not-restart/app"}},
	{name: "27 Deployment Never with a rule", kind: "Deployment", only: true,
		spec: app(restart("Never", "In", "42")), want: []string{"warn container-may-not-restart/app"}},
	{name: "27 rules that cover every code", kind: "Deployment", only: true, spec: `
containers:
- name: app
  image: i
  restartPolicy: Never
  restartPolicyRules:
  - {action: Restart, exitCodes: {operator: NotIn, values: [1]}}
  - {action: Restart, exitCodes: {operator: In, values: [1]}}
  livenessProbe: {exec: {command: [cat, /tmp/healthy]}, timeoutSeconds: 5}`},
	{name: "28 Onfailure", owner: job, spec: app() + "\nrestartPolicy: Onfailure", only: true, api: true},
	{name: "28 Onfailure in a Job", kind: "Job", spec: app() + "\nrestartPolicy: Onfailure", only: true, api: true},
	{name: "33 custom owner", owner: "example.com/v1/Thing/t", only: true, spec: app() + "\nrestartPolicy: Never"},
	{name: "40 container OnFailure", owner: rs, spec: app("restartPolicy: OnFailure"), only: true,
		want: []string{"warn container-may-not-restart/app"}},
	{name: "restart-all-never-ends is about the first rule that matches", owner: job, only: true, spec: `
restartPolicy: Never
initContainers:
- name: ends
  image: i
  restartPolicy: OnFailure
  restartPolicyRules:
  - {action: Restart, exitCodes: {operator: In, values: [0]}}
  - {action: RestartAllContainers, exitCodes: {operator: NotIn, values: [1]}}
- name: never-ends
  image: i
  restartPolicy: OnFailure
  restartPolicyRules:
  - {action: RestartAllContainers, exitCodes: {operator: NotIn, values: [1]}}
containers:
- {name: app, image: i}`, want: []string{"deny restart-all-never-ends/never-ends"}},
	{name: "job-sidecar-not-native is warned about injected containers, too", owner: job, only: true, spec: `
restartPolicy: Never
containers:
- {name: app, image: i}
- {name: linkerd-proxy, image: cr.l5d.io/linkerd/proxy:2}`,
		want: []string{"warn job-sidecar-not-native/linkerd-proxy"}},
	{name: "job-sidecar-not-native yields", owner: job, only: true, spec: `
restartPolicy: Never
containers:
- {name: app, image: i}
- {name: envoy, image: i, restartPolicy: Always}`, want: []string{"deny job-container-restart-always/envoy"}},
}

func TestAcceptanceRestart(t *testing.T) { runAcceptance(t, acceptanceRestart) }

// TestAcceptanceOwned is case 50: who owns a template decides whether it is judged.
func TestAcceptanceOwned(t *testing.T) {
	const spec = `
apiVersion: apps/v1
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: i, restartPolicy: Never}]}`
	owner := func(apiVersion, kind string) string {
		return "metadata:\n  name: web\n  ownerReferences: [{apiVersion: " + apiVersion + ", kind: " + kind +
			", name: web, uid: u, controller: true}]"
	}
	for name, c := range map[string]struct {
		object string
		owned  bool
	}{
		"of a custom resource": {"kind: StatefulSet\n" + owner("db.example/v1", "Database"), false},
		"of a Deployment":      {"kind: ReplicaSet\n" + owner("apps/v1", "Deployment"), true},
	} {
		subject := parseSubject(t, name, c.object+spec)
		if subject.JudgedAtOwner != c.owned {
			t.Errorf("%s: owned %v", name, subject.JudgedAtOwner)
		}
		if got := finds(t, "container-restart-breaks-controller", c.object+spec); len(got) != 1 {
			t.Errorf("%s: %q", name, got)
		}
	}
}
