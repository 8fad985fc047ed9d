package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
)

// A form is one way to write what the recommended profile refuses.
type form struct {
	rule, name string
	manifest   string
	bad, good  string // the text at FIELD, and that with podvet's advice followed
	fails      func(*testing.T, *watched)
}

const (
	// The image has no shell; that of the machine is mounted.
	formPod = `
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, image: "localhost/app:1", imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}],
     env: [{name: PATH, value: /bin}], volumeMounts: [MOUNTS], FIELD}
  volumes: [VOLUMES]
`
	// Hooks call a sidecar, which serves by then.
	formHook = `
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec:
  terminationGracePeriodSeconds: 1
  initContainers:
  - {name: proxy, image: "localhost/app:1", imagePullPolicy: Never, args: ["-address=:8081"], restartPolicy: Always,
     startupProbe: {tcpSocket: {port: 8081}, periodSeconds: 1}}
  containers:
  - {name: app, image: "localhost/app:1", imagePullPolicy: Never, ports: [{name: proxy, containerPort: 8081}],
     env: [{name: PATH, value: /bin}], volumeMounts: [MOUNTS], lifecycle: {postStart: FIELD}}
  volumes: [VOLUMES]
`
	formInit = `
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec:
  terminationGracePeriodSeconds: 1
  initContainers:
  - {name: init, image: "localhost/app:1", imagePullPolicy: Never, ports: [{name: proxy, containerPort: 8081}], FIELD}
  containers:
  - {name: app, image: "localhost/app:1", imagePullPolicy: Never}
`
	formJob = `
apiVersion: batch/v1
kind: Job
metadata: {name: NAME}
spec:
  template:
    metadata: {labels: {app: NAME}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
      - {name: app, image: "localhost/app:1", imagePullPolicy: Never, args: [-exit=1s], FIELD}
`
)

var forms = []form{
	{"exec-probe-no-shell", "readiness", formPod,
		`readinessProbe: {exec: {command: ["test -e /app"]}, periodSeconds: 2}`,
		`readinessProbe: {exec: {command: [sh, -c, "test -e /app"]}, periodSeconds: 2}`,
		neverReady("Readiness probe errored and resulted in unknown state")},
	{"exec-probe-no-shell", "startup", formPod,
		`startupProbe: {exec: {command: ["test -e /app"]}, periodSeconds: 2}`,
		`startupProbe: {exec: {command: [sh, -c, "test -e /app"]}, periodSeconds: 2}`,
		neverReady("Startup probe errored and resulted in unknown state")},
	{"exec-probe-shell-args", "readiness", formPod,
		`readinessProbe: {exec: {command: [sh, "test -e /app"]}, periodSeconds: 2}`,
		`readinessProbe: {exec: {command: [sh, -c, "test -e /app"]}, periodSeconds: 2}`,
		neverReady("Readiness probe failed: sh: 0: ")},
	{"exec-probe-shell-args", "startup", formPod,
		`startupProbe: {exec: {command: [sh, "test -e /app"]}, periodSeconds: 2}`,
		`startupProbe: {exec: {command: [sh, -c, "test -e /app"]}, periodSeconds: 2}`,
		isKilled("Killing", "Container app failed startup probe, will be restarted")},
	{"exec-probe-shell-args", "liveness", formPod,
		`livenessProbe: {exec: {command: [sh, "test -e /app"]}, periodSeconds: 2}`,
		`livenessProbe: {exec: {command: [sh, -c, "test -e /app"]}, periodSeconds: 2}`,
		isKilled("Killing", "Container app failed liveness probe, will be restarted")},
	{"probe-host-loopback", "readiness", formPod,
		`readinessProbe: {httpGet: {host: 127.0.0.1, port: http}, periodSeconds: 1}`,
		`readinessProbe: {httpGet: {port: http}, periodSeconds: 1}`,
		neverReady("Readiness probe failed: Get \"http://127.0.0.1:8080/\"")},
	{"probe-host-loopback", "startup", formPod,
		`startupProbe: {tcpSocket: {host: 127.0.0.1, port: http}, periodSeconds: 1}`,
		`startupProbe: {tcpSocket: {port: http}, periodSeconds: 1}`,
		isKilled("Killing", "Container app failed startup probe, will be restarted")},
	{"probe-host-loopback", "liveness", formPod,
		`livenessProbe: {httpGet: {host: localhost, port: http}, periodSeconds: 1}`,
		`livenessProbe: {httpGet: {port: http}, periodSeconds: 1}`,
		isKilled("Killing", "Container app failed liveness probe, will be restarted")},
	{"probe-port-unresolved", "readiness", formPod,
		`readinessProbe: {httpGet: {port: htpp}, periodSeconds: 1}`,
		`readinessProbe: {httpGet: {port: http}, periodSeconds: 1}`,
		neverReady("Readiness probe errored and resulted in unknown state")},
	{"probe-port-unresolved", "sidecar", formInit,
		`restartPolicy: Always, args: ["-address=:8081"], startupProbe: {tcpSocket: {port: prxy}, periodSeconds: 1}`,
		`restartPolicy: Always, args: ["-address=:8081"], startupProbe: {tcpSocket: {port: proxy}, periodSeconds: 1}`,
		hangsInInit},
	{"poststart-cannot-run", "tcpsocket", formHook,
		`{tcpSocket: {port: proxy}}`, `{httpGet: {port: proxy}}`,
		isKilled("FailedPostStartHook", "")},
	{"poststart-cannot-run", "port", formHook,
		`{httpGet: {port: prxy}}`, `{httpGet: {port: 8081}}`,
		isKilled("FailedPostStartHook", "")},
	{"poststart-cannot-run", "host", formHook,
		`{httpGet: {host: 127.0.0.1, port: proxy}}`, `{httpGet: {port: proxy}}`,
		isKilled("FailedPostStartHook", "")},
	{"poststart-cannot-run", "no-shell", formHook,
		`{exec: {command: ["test -e /app"]}}`, `{exec: {command: [sh, -c, "test -e /app"]}}`,
		isKilled("FailedPostStartHook", "")},
	{"poststart-cannot-run", "shell-args", formHook,
		`{exec: {command: [sh, "test -e /app"]}}`, `{exec: {command: [sh, -c, "test -e /app"]}}`,
		isKilled("FailedPostStartHook", "")},
	{"restart-all-never-ends", "in", formInit,
		`args: [-exit=1s], restartPolicy: Never, ` +
			`restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [0, 1]}}]`,
		`args: [-exit=1s], restartPolicy: Never, ` +
			`restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}}]`,
		startsOver},
	{"restart-all-never-ends", "not-in", formInit,
		`args: [-exit=1s], restartPolicy: Never, ` +
			`restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: NotIn, values: [1]}}]`,
		`args: [-exit=1s], restartPolicy: Never, ` +
			`restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: NotIn, values: [0, 1]}}]`,
		startsOver},
	{"job-container-restart-always", "always", formJob,
		`restartPolicy: Always`, `restartPolicy: OnFailure`, isRestarted},
	{"job-container-restart-always", "rule", formJob,
		`restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [1]}}]`,
		`restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [0, 1]}}]`,
		isRestarted},
}

// render is a form's manifest.
func (f form) render(name, field string) string {
	var mounts, volumes []string
	for _, folder := range []string{"bin", "lib", "lib64"} { // what dash needs
		if _, err := os.Stat("/" + folder); err == nil {
			mounts = append(mounts, fmt.Sprintf("{name: %s, mountPath: /%[1]s, readOnly: true}", folder))
			volumes = append(volumes, fmt.Sprintf("{name: %s, hostPath: {path: /%[1]s}}", folder))
		}
	}
	return strings.NewReplacer("NAME", name, "FIELD", field, "MOUNTS", strings.Join(mounts, ", "),
		"VOLUMES", strings.Join(volumes, ", ")).Replace(f.manifest)
}

// TestDenied: what the recommended profile refuses, whatever form it has, fails on a kubelet; its twin, which is
// podvet's advice followed, works as long, beside it.
func TestDenied(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{"restart-policy-not-allowed": true} // fails by a policy's will alone
	for _, f := range forms {
		shown[f.rule] = true
	}
	for _, rule := range catalogue.All.Rules() {
		if rule.Levels[rules.Recommended] == rules.Deny && !shown[rule.ID] {
			t.Errorf("%s denies in the recommended profile, and no form shows that it must", rule.ID)
		}
	}
	for _, f := range forms {
		t.Run(f.rule+" "+f.name, func(t *testing.T) {
			t.Parallel()
			share(t, fewPods)
			f.test(t)
		})
	}
}

func (f form) test(t *testing.T) {
	const bad, twin = "bad", "twin"
	broken, repaired := f.render(bad, f.bad), f.render(twin, f.good)
	if denies := found(t, broken, rules.Deny); !slices.Equal(denies, []string{f.rule}) {
		t.Errorf("podvet denies by %q", denies)
	}
	if denies := found(t, repaired, rules.Deny); len(denies) > 0 {
		t.Errorf("with its advice followed podvet denies by %q", denies)
	}
	ns := namespace(t, shared)
	fails, works := follow(t, shared, ns, bad), follow(t, shared, ns, twin)
	kubectl(t, shared, "---"+broken+"---"+repaired, "apply", "-n", ns, "-f", "-")
	f.fails(t, fails)
	isWell(t, works)
}

// found are the rules of which podvet check has findings of a level in a manifest.
func found(t *testing.T, manifest string, level rules.Level) []string {
	t.Helper()
	podvet, err := podvetCommand()
	if err != nil {
		t.Fatal(err)
	}
	check := exec.Command(podvet, "check", "--fail-on=none", "-o", "json", "-")
	check.Stdin = strings.NewReader(manifest)
	said, err := check.Output()
	if err != nil {
		t.Fatalf("podvet check: %v: %s", err, said)
	}
	var report struct {
		Subjects []struct {
			Findings []struct{ Rule, Level string }
		}
	}
	if err := json.Unmarshal(said, &report); err != nil || len(report.Subjects) != 1 {
		t.Fatalf("podvet check: %v: %s", err, said)
	}
	var ids []string
	for _, f := range report.Subjects[0].Findings {
		if f.Level == level.String() {
			ids = append(ids, f.Rule)
		}
	}
	return ids
}

// podvetCommand builds podvet, where the shared node has its files.
var podvetCommand = sync.OnceValues(func() (string, error) {
	file := filepath.Join(shared.home.path("images"), "podvet-command")
	build := exec.Command("go", "build", "-o", file, "./cmd/podvet")
	build.Dir = "../.."
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return file, nil
})

// observed is how long a pod that hangs is looked at, many times as long as its twin takes to be ready.
const observed = 25 * time.Second

// neverReady: the container runs, is not restarted, and the pod is never ready.
func neverReady(words string) func(*testing.T, *watched) {
	return func(t *testing.T, w *watched) {
		running := w.sees(t, "running",
			func(s corev1.ContainerStatus) bool { return s.State.Running != nil })
		time.Sleep(time.Until(running.State.Running.StartedAt.Add(observed)))
		w.wantEvent(t, "Unhealthy", words)
		if now := w.last().Status.ContainerStatuses[0]; w.wasReady() || now.State.Running == nil ||
			now.RestartCount != 0 {
			t.Errorf("it was ready: %v; it is %+v", w.wasReady(), now)
		}
	}
}

// isKilled: again and again.
func isKilled(reason, words string) func(*testing.T, *watched) {
	return func(t *testing.T, w *watched) {
		isRestarted(t, w)
		w.wantEvent(t, reason, words)
	}
}

func isRestarted(t *testing.T, w *watched) {
	w.sees(t, "restarted twice", func(s corev1.ContainerStatus) bool { return s.RestartCount >= 2 })
}

// startsOver: the init container succeeds again and again, and the app never starts.
func startsOver(t *testing.T, w *watched) {
	eventually(t, func() error {
		for _, s := range w.last().Status.InitContainerStatuses {
			if s.RestartCount >= 3 {
				return nil
			}
		}
		return fmt.Errorf("the init containers are %+v", w.last().Status.InitContainerStatuses)
	})
	if w.ran() {
		t.Error("the app ran")
	}
}

// hangsInInit: the sidecar runs and is never started, so the app never is.
func hangsInInit(t *testing.T, w *watched) {
	var since time.Time
	eventually(t, func() error {
		for _, s := range w.last().Status.InitContainerStatuses {
			if s.State.Running != nil {
				since = s.State.Running.StartedAt.Time
				return nil
			}
		}
		return errors.New("the sidecar does not run")
	})
	time.Sleep(time.Until(since.Add(observed)))
	if s := w.last().Status.InitContainerStatuses[0]; w.ran() || *s.Started || s.RestartCount != 0 {
		t.Errorf("the app ran: %v; the sidecar is %+v", w.ran(), s)
	}
}

// isWell: the pod has succeeded, or is ready, and nothing was restarted.
func isWell(t *testing.T, w *watched) {
	t.Helper()
	eventually(t, func() error {
		p := w.last()
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if s.RestartCount != 0 {
				t.Fatalf("the twin: %s was restarted", s.Name)
			}
		}
		ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
		if !ready && p.Status.Phase != corev1.PodSucceeded {
			return fmt.Errorf("the twin is %+v", p.Status)
		}
		return nil
	})
}
