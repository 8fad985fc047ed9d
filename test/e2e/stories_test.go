package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/test/e2e/env"
)

const (
	// A pod that cannot work: its startup port is declared nowhere.
	badPod = `
apiVersion: v1
kind: Pod
metadata: {name: bad, labels: {app: bad}}
spec:
  containers:
  - name: app
    image: i
    startupProbe: {httpGet: {path: /, port: nowhere}, failureThreshold: 30}
    readinessProbe: {tcpSocket: {port: 80}}
`
	refusal = `container "app": startupProbe uses undeclared port "nowhere", so it is never ready. ` +
		`Declare it or use a number. [probe-port-unresolved]`

	// A pod that ends later than it may, and whose probe ends too soon.
	slowStop = `
apiVersion: v1
kind: Pod
metadata: {name: ssa}
spec:
  terminationGracePeriodSeconds: 30
  containers:
  - name: app
    image: i
    readinessProbe: {exec: {command: [x]}}
    lifecycle: {preStop: {sleep: {seconds: 30}}}
`

	// A template whose pods get a startupProbe and a longer grace period.
	fixable = `
      containers:
      - name: app
        image: i
        ports: [{name: http, containerPort: 8080}]
        livenessProbe: {httpGet: {path: /healthz, port: http}}
        readinessProbe: {httpGet: {path: /ready, port: http}}
        lifecycle: {preStop: {exec: {command: [sleep, "25"]}}}
`
)

// noReadiness is all that kubectl says of an nginx that nothing probes.
const noReadiness = `Warning: podvet: container "nginx": no readinessProbe, so it counts as ready as soon as its ` +
	"process starts. Add one that checks whether it works. [no-readiness-probe]\n"

// sentPod is the pod in a manifest; of none, what kubectl run makes.
func sentPod(t *testing.T, manifest string) *corev1.Pod {
	t.Helper()
	if manifest == "" {
		manifest = "{spec: {containers: [{name: nginx, image: nginx}]}}"
	}
	sent := &corev1.Pod{}
	if err := yaml.Unmarshal([]byte(manifest), sent); err != nil {
		t.Fatal(err)
	}
	return sent
}

// asSent: but for what the fixes recorded, which other assertions hold, the stored pod is the one that was sent.
func asSent(t *testing.T, sent, stored *corev1.Pod) {
	t.Helper()
	repaired := rules.Fix(must1(pod.Read(sent)), policy.Default(catalogue.All).Plan()).Subject
	want, got := repaired.Spec.DeepCopy(), stored.Spec.DeepCopy()
	for _, spec := range []*corev1.PodSpec{want, got} { // without what the API server and its plugins add
		for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
			for i := range list {
				c := &list[i]
				c.TerminationMessagePath, c.TerminationMessagePolicy = "", ""
				c.ImagePullPolicy, c.VolumeMounts = "", nil
			}
		}
		spec.Volumes, spec.Tolerations, spec.Priority, spec.PreemptionPolicy = nil, nil, nil, nil
		spec.ServiceAccountName, spec.DeprecatedServiceAccount = "", ""
		spec.DNSPolicy, spec.SecurityContext, spec.SchedulerName, spec.EnableServiceLinks = "", nil, "", nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-sent +stored):\n%s", stored.Name, diff)
	}
}

func must1[T any](v T, _ bool) T { return v }

func fixed(p *corev1.Pod) string { return p.Annotations[rules.FixedAnnotation] }

// wasFixed checks what podvet makes of the fixable template.
func wasFixed(t *testing.T, p *corev1.Pod) {
	t.Helper()
	want := &corev1.Probe{ProbeHandler: p.Spec.Containers[0].LivenessProbe.ProbeHandler, TimeoutSeconds: 1,
		PeriodSeconds: 3, SuccessThreshold: 1, FailureThreshold: 101}
	if diff := cmp.Diff(want, p.Spec.Containers[0].StartupProbe); diff != "" {
		t.Errorf("startupProbe (-want +stored):\n%s", diff)
	}
	if *p.Spec.TerminationGracePeriodSeconds != 35 {
		t.Errorf("grace %d", *p.Spec.TerminationGracePeriodSeconds)
	}
	if got := fixed(p); got != "no-startup-probe/app,prestop-exceeds-grace/app" {
		t.Errorf("annotation %q", got)
	}
	secondPassChangesNothing(t, builtIn, p)
}

// TestPods: what a user types, sees and gets.
func TestPods(t *testing.T) {
	example := func(name string) string {
		text, err := os.ReadFile("../../examples/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	restart := func(policy string) string {
		return `
apiVersion: v1
kind: Pod
metadata: {name: r}
spec:
  restartPolicy: ` + policy + `
  containers:
  - {name: task, image: i}
`
	}
	for _, c := range []struct {
		name, stdin string
		args        []string
		stdout      string
		warnings    []string
		denied      string
		stored      string // name of the pod, "" for none
		fixed       string
		check       func(*testing.T, *corev1.Pod)
	}{
		{name: "kubectl run", args: []string{"run", "nginx", "--image=nginx"}, stdout: "pod/nginx created\n",
			warnings: []string{"no-readiness-probe"}, stored: "nginx"},
		{name: "apply", stdin: example("01-nginx"), args: []string{"apply", "-f", "-"}, stdout: "pod/nginx created\n",
			warnings: []string{"no-readiness-probe"}, stored: "nginx"},
		{name: "nginx and redis", stdin: example("02-nginx-redis"), args: []string{"apply", "-f", "-"},
			stdout: "pod/nginx-redis created\n", warnings: []string{"no-readiness-probe"}, stored: "nginx-redis"},
		{name: "exec liveness", stdin: example("03-exec-liveness"), args: []string{"create", "-f", "-"},
			stdout: "pod/exec-liveness created\n", stored: "exec-liveness",
			warnings: []string{"no-startup-probe"}, fixed: "exec-probe-short-timeout/liveness",
			check: func(t *testing.T, p *corev1.Pod) {
				if probe := p.Spec.Containers[0].LivenessProbe; probe.TimeoutSeconds != 5 || probe.PeriodSeconds != 5 ||
					p.Spec.Containers[0].StartupProbe != nil {
					t.Errorf("%+v", probe)
				}
			}},
		{name: "exec readiness", stdin: example("04-exec-readiness"), args: []string{"create", "-f", "-"},
			stdout: "pod/exec-readiness created\n", stored: "exec-readiness",
			fixed: "exec-probe-short-timeout/readiness"},
		{name: "startup 30 x 10", stdin: example("05-startup"), args: []string{"create", "-f", "-"},
			stdout: "pod/startup created\n", stored: "startup"},
		{name: "startup 30 x 10 without its port", stdin: example("06-startup-port-not-declared"),
			args:     []string{"create", "-f", "-"},
			warnings: []string{"inert-probe-port-unresolved"},
			denied:   strings.Replace(refusal, "nowhere", "liveness-port", 1)},
		{name: "restartPolicy Always", stdin: restart("Always"), args: []string{"create", "-f", "-"},
			stdout: "pod/r created\n", warnings: []string{"no-readiness-probe"}, stored: "r"},
		{name: "restartPolicy OnFailure", stdin: restart("OnFailure"), args: []string{"create", "-f", "-"},
			stdout: "pod/r created\n", stored: "r"},
		{name: "restartPolicy Never", stdin: restart("Never"), args: []string{"create", "-f", "-"},
			stdout: "pod/r created\n", stored: "r"},
		{name: "native sidecar", stdin: example("12-native-sidecar"), args: []string{"create", "-f", "-"},
			stdout: "pod/native-sidecar created\n", stored: "native-sidecar"},
		{name: "dry run on the server", stdin: badPod, args: []string{"create", "--dry-run=server", "-f", "-"},
			denied: refusal},
		{name: "server-side apply", stdin: slowStop, args: []string{"apply", "--server-side", "-f", "-"},
			stdout: "pod/ssa serverside-applied\n", stored: "ssa",
			fixed: "exec-probe-short-timeout/app,prestop-exceeds-grace/app",
			check: func(t *testing.T, p *corev1.Pod) {
				if *p.Spec.TerminationGracePeriodSeconds != 40 {
					t.Errorf("grace %d", *p.Spec.TerminationGracePeriodSeconds)
				}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ns := env.Namespace(t, "main")
			stdout, stderr, ok := env.Kubectl(t, ns, c.stdin, c.args...)
			if stdout != c.stdout {
				t.Errorf("standard output %q, want %q", stdout, c.stdout)
			}
			if c.stored == "nginx" && stderr != noReadiness {
				t.Errorf("standard error %q", stderr)
			}
			if diff := cmp.Diff(c.warnings, warnings(stderr)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if ok != (c.denied == "") || !strings.Contains(stderr, c.denied) {
				t.Errorf("standard error %q", stderr)
			}
			if c.denied != "" && !strings.Contains(stderr,
				`admission webhook "validate.podvet.dev" denied the request: `+c.denied) {
				t.Errorf("the denial does not say whose it is: %q", stderr)
			}
			if c.stored == "" {
				if list := env.List[corev1.PodList](t, ns, "pods", metav1.ListOptions{}); len(list.Items) > 0 {
					t.Errorf("stored %s", list.Items[0].Name)
				}
				return
			}
			stored := getPod(t, ns, c.stored)
			if fixed(stored) != c.fixed {
				t.Errorf("annotation %q, want %q", fixed(stored), c.fixed)
			}
			if c.check != nil {
				c.check(t, stored)
			}
			asSent(t, sentPod(t, c.stdin), stored)
			secondPassChangesNothing(t, builtIn, stored)
		})
	}
}

func TestRunThenCreate(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "main")
	manifest, stderr := env.Must(t, ns, "", "run", "nginx", "--image=nginx", "--dry-run=client", "-o", "yaml")
	if len(warnings(stderr)) > 0 {
		t.Errorf("warned before anything was sent: %q", stderr)
	}
	stdout, stderr := env.Must(t, ns, manifest, "create", "-f", "-")
	if stdout != "pod/nginx created\n" || stderr != noReadiness {
		t.Errorf("%q %q", stdout, stderr)
	}
	asSent(t, sentPod(t, manifest), getPod(t, ns, "nginx"))
}

// TestDryRunShowsThePatch: what a dry run prints is what would be stored, and nothing is.
func TestDryRunShowsThePatch(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "main")
	text := "apiVersion: v1\nkind: Pod\nmetadata: {name: dry}\nspec:" + strings.ReplaceAll(fixable, "\n      ", "\n  ")
	out, _ := env.Must(t, ns, text, "create", "--dry-run=server", "-o", "json", "-f", "-")
	var shown corev1.Pod
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		t.Fatal(err)
	}
	wasFixed(t, &shown)
	if list := env.List[corev1.PodList](t, ns, "pods", metav1.ListOptions{}); len(list.Items) > 0 {
		t.Error("a dry run is stored")
	}
}

func TestGenerateName(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "main")
	stdout, stderr := env.Must(t, ns, `
apiVersion: v1
kind: Pod
metadata: {generateName: many-, labels: {app: many}}
spec:
  containers:
  - {name: app, image: i, readinessProbe: {exec: {command: [x]}}}
`, "create", "-f", "-")
	made := controllersPod(t, ns, "many", time.Second)
	if stdout != "pod/"+made.Name+" created\n" || stderr != "" || !strings.HasPrefix(made.Name, "many-") {
		t.Errorf("%q %q", stdout, stderr)
	}
	if fixed(made) != "exec-probe-short-timeout/app" || made.Spec.Containers[0].ReadinessProbe.TimeoutSeconds != 5 {
		t.Errorf("%q %+v", fixed(made), made.Spec.Containers[0].ReadinessProbe)
	}
	secondPassChangesNothing(t, builtIn, made)
}
