package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
)

const (
	// A pod that cannot work: its startup port is declared nowhere.
	badPod = `
apiVersion: v1
kind: Pod
metadata: {name: bad, labels: {app: bad}}
spec:
  containers:
  - {name: app, image: i, startupProbe: {httpGet: {path: /, port: nowhere}, failureThreshold: 30}, readinessProbe: {tcpSocket: {port: 80}}}
`
	refusal = `container "app": startupProbe names port "nowhere", which is not declared: it errs for ever and is never started: declare it here or write a number [probe-port-unresolved]`

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
const noReadiness = `Warning: container "nginx": no readinessProbe: it counts as ready, for traffic and rollouts, the moment its process starts: add one that asks whether it can serve [no-readiness-probe]` + "\n"

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
	rules.Default(sent)
	_, repaired := rules.Fix(must1(rules.SubjectOf(sent)), rules.ProfilePlan(rules.Recommended))
	want, got := repaired.Spec.DeepCopy(), stored.Spec.DeepCopy()
	for _, spec := range []*corev1.PodSpec{want, got} { // without what the API server and its plugins add
		for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
			for i := range list {
				list[i].TerminationMessagePath, list[i].TerminationMessagePolicy, list[i].ImagePullPolicy, list[i].VolumeMounts = "", "", "", nil
			}
		}
		spec.Volumes, spec.ServiceAccountName, spec.DeprecatedServiceAccount, spec.Tolerations, spec.Priority, spec.PreemptionPolicy = nil, "", "", nil, nil, nil
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
	want := &corev1.Probe{ProbeHandler: p.Spec.Containers[0].LivenessProbe.ProbeHandler, TimeoutSeconds: 1, PeriodSeconds: 3, SuccessThreshold: 1, FailureThreshold: 101}
	if diff := cmp.Diff(want, p.Spec.Containers[0].StartupProbe); diff != "" {
		t.Errorf("startupProbe (-want +stored):\n%s", diff)
	}
	if *p.Spec.TerminationGracePeriodSeconds != 35 {
		t.Errorf("grace %d", *p.Spec.TerminationGracePeriodSeconds)
	}
	if got := fixed(p); got != "no-startup-probe/app,prestop-exceeds-grace/app" {
		t.Errorf("annotation %q", got)
	}
	secondPassChangesNothing(t, podvet, p)
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
		return "{apiVersion: v1, kind: Pod, metadata: {name: r}, spec: {restartPolicy: " + policy + ", containers: [{name: task, image: i}]}}"
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
		{name: "kubectl run", args: []string{"run", "nginx", "--image=nginx"}, stdout: "pod/nginx created\n", warnings: []string{"no-readiness-probe"}, stored: "nginx"},
		{name: "apply", stdin: example("01-nginx"), args: []string{"apply", "-f", "-"}, stdout: "pod/nginx created\n", warnings: []string{"no-readiness-probe"}, stored: "nginx"},
		{name: "nginx and redis", stdin: example("02-nginx-redis"), args: []string{"apply", "-f", "-"}, stdout: "pod/nginx-redis created\n", warnings: []string{"no-readiness-probe"}, stored: "nginx-redis"},
		{name: "exec liveness", stdin: example("03-exec-liveness"), args: []string{"create", "-f", "-"}, stdout: "pod/exec-liveness created\n",
			warnings: []string{"no-readiness-probe", "no-startup-probe"}, stored: "exec-liveness", fixed: "exec-probe-short-timeout/liveness",
			check: func(t *testing.T, p *corev1.Pod) {
				if probe := p.Spec.Containers[0].LivenessProbe; probe.TimeoutSeconds != 5 || probe.PeriodSeconds != 5 || p.Spec.Containers[0].StartupProbe != nil {
					t.Errorf("%+v", probe)
				}
			}},
		{name: "exec readiness", stdin: example("04-exec-readiness"), args: []string{"create", "-f", "-"}, stdout: "pod/exec-readiness created\n", stored: "exec-readiness", fixed: "exec-probe-short-timeout/readiness"},
		{name: "startup 30 x 10", stdin: example("05-startup"), args: []string{"create", "-f", "-"}, stdout: "pod/startup created\n", stored: "startup"},
		{name: "startup 30 x 10 without its port", stdin: example("06-startup-port-not-declared"), args: []string{"create", "-f", "-"},
			warnings: []string{"no-readiness-probe", "inert-probe-port-unresolved"}, denied: strings.Replace(refusal, "nowhere", "liveness-port", 1)},
		{name: "restartPolicy Always", stdin: restart("Always"), args: []string{"create", "-f", "-"}, stdout: "pod/r created\n", warnings: []string{"no-readiness-probe"}, stored: "r"},
		{name: "restartPolicy OnFailure", stdin: restart("OnFailure"), args: []string{"create", "-f", "-"}, stdout: "pod/r created\n", stored: "r"},
		{name: "restartPolicy Never", stdin: restart("Never"), args: []string{"create", "-f", "-"}, stdout: "pod/r created\n", stored: "r"},
		{name: "native sidecar", stdin: example("12-native-sidecar"), args: []string{"create", "-f", "-"}, stdout: "pod/native-sidecar created\n", stored: "native-sidecar"},
		{name: "dry run on the server", stdin: badPod, args: []string{"create", "--dry-run=server", "-f", "-"}, denied: refusal},
		{name: "server-side apply", stdin: "{apiVersion: v1, kind: Pod, metadata: {name: ssa}, spec: {terminationGracePeriodSeconds: 30, containers: [{name: app, image: i, readinessProbe: {exec: {command: [x]}}, lifecycle: {preStop: {sleep: {seconds: 30}}}}]}}",
			args: []string{"apply", "--server-side", "-f", "-"}, stdout: "pod/ssa serverside-applied\n", stored: "ssa", fixed: "exec-probe-short-timeout/app,prestop-exceeds-grace/app",
			check: func(t *testing.T, p *corev1.Pod) {
				if *p.Spec.TerminationGracePeriodSeconds != 40 {
					t.Errorf("grace %d", *p.Spec.TerminationGracePeriodSeconds)
				}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t, "main")
			stdout, stderr, ok := kubectl(t, ns, c.stdin, c.args...)
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
			if c.denied != "" && !strings.Contains(stderr, `admission webhook "validate.podvet.dev" denied the request: `+c.denied) {
				t.Errorf("the denial does not say whose it is: %q", stderr)
			}
			if c.stored == "" {
				if list := get[corev1.PodList](t, ns, "pods"); len(list.Items) > 0 {
					t.Errorf("stored %s", list.Items[0].Name)
				}
				return
			}
			stored := pod(t, ns, c.stored)
			if fixed(stored) != c.fixed {
				t.Errorf("annotation %q, want %q", fixed(stored), c.fixed)
			}
			if c.check != nil {
				c.check(t, stored)
			}
			asSent(t, sentPod(t, c.stdin), stored)
			secondPassChangesNothing(t, podvet, stored)
		})
	}
}

func TestRunThenCreate(t *testing.T) {
	t.Parallel()
	ns := namespace(t, "main")
	manifest, stderr := must(t, ns, "", "run", "nginx", "--image=nginx", "--dry-run=client", "-o", "yaml")
	if len(warnings(stderr)) > 0 {
		t.Errorf("warned before anything was sent: %q", stderr)
	}
	stdout, stderr := must(t, ns, manifest, "create", "-f", "-")
	if stdout != "pod/nginx created\n" || stderr != noReadiness {
		t.Errorf("%q %q", stdout, stderr)
	}
	asSent(t, sentPod(t, manifest), pod(t, ns, "nginx"))
}

// TestDryRunShowsThePatch: what a dry run prints is what would be stored, and nothing is.
func TestDryRunShowsThePatch(t *testing.T) {
	t.Parallel()
	ns := namespace(t, "main")
	text := "apiVersion: v1\nkind: Pod\nmetadata: {name: dry}\nspec:" + strings.ReplaceAll(fixable, "\n      ", "\n  ")
	out, _ := must(t, ns, text, "create", "--dry-run=server", "-o", "json", "-f", "-")
	var shown corev1.Pod
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		t.Fatal(err)
	}
	wasFixed(t, &shown)
	if list := get[corev1.PodList](t, ns, "pods"); len(list.Items) > 0 {
		t.Error("a dry run is stored")
	}
}

// TestControllers: the real controllers' pods come back patched, their templates stay as written.
func TestControllers(t *testing.T) {
	t.Parallel()
	ns := namespace(t, "main")
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			name := strings.ToLower(kind)
			if kind == "DaemonSet" {
				// It takes a pod until the node lifecycle controller misses its heartbeats, after 50 s, and taints it.
				node := "{apiVersion: v1, kind: Node, metadata: {name: " + ns + ", labels: {kubernetes.io/hostname: " + ns + "}}}"
				must(t, ns, node, "create", "-f", "-")
				t.Cleanup(func() { _, _, _ = api.Kubectl(context.Background(), "delete", "node", ns) })
			}
			manifest := fmt.Sprintf("apiVersion: apps/v1\nkind: %s\nmetadata: {name: %s}\nspec:\n  selector: {matchLabels: {app: %s}}\n  template:\n    metadata: {labels: {app: %s}}\n    spec:%s", kind, name, name, name, fixable)
			stdout, stderr := must(t, ns, manifest, "apply", "-f", "-")
			if stdout != name+".apps/"+name+" created\n" || len(warnings(stderr)) > 0 {
				t.Errorf("%q %q", stdout, stderr)
			}
			made := controllersPod(t, ns, name, 2*time.Minute)
			wasFixed(t, made)
			workload := get[appsv1.Deployment](t, ns, name, name) // the three have the same shape as far as this goes
			if c := workload.Spec.Template.Spec.Containers[0]; c.StartupProbe != nil || *workload.Spec.Template.Spec.TerminationGracePeriodSeconds != 30 {
				t.Error("the template was changed")
			}
		})
	}
}

func TestJobAndCronJob(t *testing.T) {
	t.Parallel()
	ns := namespace(t, "main")
	template := func(app string) string {
		return "{metadata: {labels: {app: " + app + "}}, spec: {restartPolicy: Never, containers: [{name: task, image: i, lifecycle: {preStop: {sleep: {seconds: 30}}}}]}}"
	}
	check := func(t *testing.T, stderr string, made *corev1.Pod) {
		t.Helper()
		if len(warnings(stderr)) > 0 {
			t.Errorf("warned: %q", stderr)
		}
		if *made.Spec.TerminationGracePeriodSeconds != 40 || fixed(made) != "prestop-exceeds-grace/task" {
			t.Errorf("grace %d, annotation %q", *made.Spec.TerminationGracePeriodSeconds, fixed(made))
		}
		secondPassChangesNothing(t, podvet, made)
	}
	t.Run("Job", func(t *testing.T) {
		t.Parallel()
		_, stderr := must(t, ns, "{apiVersion: batch/v1, kind: Job, metadata: {name: once}, spec: {template: "+template("once")+"}}", "create", "-f", "-")
		check(t, stderr, controllersPod(t, ns, "once", 30*time.Second))
	})
	t.Run("CronJob", func(t *testing.T) {
		t.Parallel()
		_, stderr := must(t, ns, "{apiVersion: batch/v1, kind: CronJob, metadata: {name: cron}, spec: {schedule: '* * * * *', jobTemplate: {spec: {template: "+template("cron")+"}}}}", "create", "-f", "-")
		made := controllersPod(t, ns, "cron", 90*time.Second) // at the next full minute
		check(t, stderr, made)
		if subject, _ := rules.SubjectOf(made); subject.OwnerKind != "CronJob" {
			t.Errorf("the owner of %s is named %s", made.OwnerReferences[0].Name, subject.OwnerKind)
		}
	})
	t.Run("Job that never completes", func(t *testing.T) {
		t.Parallel()
		manifest := "{apiVersion: batch/v1, kind: Job, metadata: {name: endless}, spec: {template: {metadata: {labels: {app: endless}}, spec: {restartPolicy: Never, containers: [{name: task, image: i, restartPolicy: Always}]}}}}"
		_, stderr := must(t, ns, manifest, "create", "-f", "-")
		if got := warnings(stderr); !slices.Equal(got, []string{"job-container-restart-always"}) {
			t.Errorf("warnings %q", got)
		}
		denied(t, ns, "Job", "endless", `container "task": restartPolicy Always starts it again whenever it ends`)
	})
}

// denied waits for the event with which a controller says that its pod was refused.
func denied(t *testing.T, ns, kind, name, text string) {
	t.Helper()
	var seen string
	if !Await(t.Context(), 30*time.Second, func() bool {
		list := get[corev1.EventList](t, ns, "events", "--field-selector=reason=FailedCreate,involvedObject.kind="+kind)
		for _, e := range list.Items {
			seen = e.Message
			if strings.HasPrefix(e.InvolvedObject.Name, name) && strings.Contains(e.Message, text) {
				return true
			}
		}
		return false
	}) {
		t.Errorf("no event of %s %s says %q; last: %q", kind, name, text, seen)
	}
}

// TestPodsThatPredate: nobody is hindered in working on what was there before podvet.
func TestPodsThatPredate(t *testing.T) {
	t.Parallel()
	ns := namespace(t, "")
	must(t, ns, badPod, "create", "-f", "-")
	must(t, "", "", "label", "namespace", ns, "podvet-test=main", "--overwrite")
	for _, args := range [][]string{
		{"set", "image", "pod/bad", "app=j"},
		{"label", "pod", "bad", "a=b"},
		{"annotate", "pod", "bad", "a=b"},
		{"patch", "pod", "bad", "--type=strategic", "-p", `{"spec":{"containers":[{"name":"app","image":"k"}]}}`},
		{"debug", "bad", "--image=busybox", "--container=debugger", "--attach=false", "--profile=general"},
	} {
		stdout, stderr, ok := kubectl(t, ns, "", args...)
		if !ok || len(warnings(stderr)) > 0 || args[0] != "debug" && !strings.HasPrefix(stdout, "pod/bad ") {
			t.Errorf("kubectl %s: %q %q", strings.Join(args, " "), stdout, stderr)
		}
		if args[0] == "set" && pod(t, ns, "bad").Spec.Containers[0].Image != "j" {
			t.Error("the image is not set")
		}
	}
	stored := pod(t, ns, "bad")
	if stored.Labels["a"] != "b" || stored.Annotations["a"] != "b" || stored.Spec.Containers[0].Image != "k" || len(stored.Spec.EphemeralContainers) != 1 {
		t.Errorf("not all of it was done: %+v", stored)
	}
	if fixed(stored) != "" {
		t.Errorf("podvet changed it: %q", fixed(stored))
	}
	eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"bad","namespace":%q}}`, ns)
	cmd := api.KubectlCommand(t.Context(), "create", "--raw", "/api/v1/namespaces/"+ns+"/pods/bad/eviction", "-f", "-")
	cmd.Stdin = strings.NewReader(eviction)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), `"status":"Success"`) {
		t.Errorf("eviction: %s", out)
	}
}

// TestDeploymentThatPredates: scaling is silent, a rollout is told, and the pods are refused with the reason.
func TestDeploymentThatPredates(t *testing.T) {
	t.Parallel()
	ns := namespace(t, "")
	manifest := `{apiVersion: apps/v1, kind: Deployment, metadata: {name: old}, spec: {selector: {matchLabels: {app: old}}, template: {metadata: {labels: {app: old}},
  spec: {containers: [{name: app, image: i, startupProbe: {httpGet: {path: /, port: nowhere}, failureThreshold: 30}, readinessProbe: {tcpSocket: {port: 80}}}]}}}}`
	must(t, ns, manifest, "create", "-f", "-")
	controllersPod(t, ns, "old", 30*time.Second)
	must(t, "", "", "label", "namespace", ns, "podvet-test=main", "--overwrite")

	if stdout, stderr := must(t, ns, "", "scale", "deployment", "old", "--replicas=2"); len(warnings(stderr)) > 0 || stdout != "deployment.apps/old scaled\n" {
		t.Errorf("scale: %q %q", stdout, stderr)
	}
	denied(t, ns, "ReplicaSet", "old-", refusal)
	if stored := get[appsv1.Deployment](t, ns, "deployment", "old"); *stored.Spec.Replicas != 2 {
		t.Errorf("%d replicas", *stored.Spec.Replicas)
	}
	_, stderr := must(t, ns, "", "rollout", "restart", "deployment", "old")
	if got := warnings(stderr); !slices.Equal(got, []string{"probe-port-unresolved"}) {
		t.Errorf("rollout restart: %q", stderr)
	}
	if stored := get[appsv1.Deployment](t, ns, "deployment", "old"); stored.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] == "" {
		t.Error("the rollout is not stored")
	}
	if list := get[corev1.PodList](t, ns, "pods"); len(list.Items) != 1 {
		t.Errorf("%d pods, want the one that was there before", len(list.Items))
	}
}

func TestGenerateName(t *testing.T) {
	t.Parallel()
	ns := namespace(t, "main")
	manifest := "{apiVersion: v1, kind: Pod, metadata: {generateName: many-, labels: {app: many}}, spec: {containers: [{name: app, image: i, readinessProbe: {exec: {command: [x]}}}]}}"
	stdout, stderr := must(t, ns, manifest, "create", "-f", "-")
	made := controllersPod(t, ns, "many", time.Second)
	if stdout != "pod/"+made.Name+" created\n" || stderr != "" || !strings.HasPrefix(made.Name, "many-") {
		t.Errorf("%q %q", stdout, stderr)
	}
	if fixed(made) != "exec-probe-short-timeout/app" || made.Spec.Containers[0].ReadinessProbe.TimeoutSeconds != 5 {
		t.Errorf("%q %+v", fixed(made), made.Spec.Containers[0].ReadinessProbe)
	}
	secondPassChangesNothing(t, podvet, made)
}

// TestReinvocation: a webhook that runs after podvet injects a container; podvet is asked again and repairs it.
func TestReinvocation(t *testing.T) {
	t.Parallel()
	ns := namespace(t, "main")
	injected := injector(t)
	configuration := fmt.Sprintf(`{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: zz-injector-%s},
  webhooks: [{name: inject.example.com, admissionReviewVersions: [v1], sideEffects: None, failurePolicy: Fail, reinvocationPolicy: Never, clientConfig: {url: %q, caBundle: %s},
    rules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}], namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}}]}`,
		ns, injected.url, injected.bundle, ns)
	if err := Apply(t.Context(), api, strings.NewReader(configuration)); err != nil {
		t.Fatal(err)
	}
	var stored *corev1.Pod
	if !Await(t.Context(), 30*time.Second, func() bool { // until the API server has seen the configuration
		must(t, ns, "{apiVersion: v1, kind: Pod, metadata: {generateName: p-, labels: {app: p}}, spec: {containers: [{name: app, image: i, readinessProbe: {exec: {command: [x]}}}]}}", "create", "-f", "-")
		list := get[corev1.PodList](t, ns, "pods")
		for i := range list.Items {
			if len(list.Items[i].Spec.Containers) == 2 {
				stored = &list.Items[i]
			}
		}
		return stored != nil
	}) {
		t.Fatal("the injector is not asked")
	}
	if got := fixed(stored); got != "exec-probe-short-timeout/app,exec-probe-short-timeout/late" {
		t.Errorf("annotation %q", got)
	}
	for _, c := range stored.Spec.Containers {
		if c.ReadinessProbe.TimeoutSeconds != 5 {
			t.Errorf("container %s: timeoutSeconds %d", c.Name, c.ReadinessProbe.TimeoutSeconds)
		}
	}
	secondPassChangesNothing(t, podvet, stored)
}

type injectorServer struct{ url, bundle string }

// injector is a mutating webhook that adds a container with an exec probe.
func injector(t *testing.T) injectorServer {
	t.Helper()
	dir := t.TempDir()
	bundle, certificate := localCertificate(t, dir)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var review admissionv1.AdmissionReview
		if json.Unmarshal(body, &review) != nil || review.Request == nil {
			http.Error(w, "no review", http.StatusBadRequest)
			return
		}
		patchType := admissionv1.PatchTypeJSONPatch
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, PatchType: &patchType,
			Patch: []byte(`[{"op":"add","path":"/spec/containers/-","value":{"name":"late","image":"i","readinessProbe":{"exec":{"command":["x"]}}}}]`)}
		review.Request = nil
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return injectorServer{url: "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)), bundle: bundle}
}
