package catalogue_test

import (
	"fmt"
	"testing"

	"github.com/podvet/podvet/rules"
)

func TestAcceptanceExec(t *testing.T) { runAcceptance(t, acceptanceExec) }

// probing is a pod spec whose container has a probe with a command.
func probing(kind, command string) string {
	return fmt.Sprintf(`
containers:
- name: app
  image: i
  %s:
    exec: {command: %s}
    timeoutSeconds: 5`, kind, command)
}

// hooked is a pod spec whose container has a hook.
func hooked(kind, handler string) string {
	return fmt.Sprintf(`
containers:
- name: app
  image: i
  lifecycle:
    %s: {%s}`, kind, handler)
}

// running is a pod spec whose container has a command and arguments.
func running(command, args string) string {
	return fmt.Sprintf(`
containers:
- name: app
  image: i
  command: %s
  args: %s`, command, args)
}

const (
	windows  = "\nos: {name: windows}"
	grace60  = "\nterminationGracePeriodSeconds: 60"
	graceOff = "\nterminationGracePeriodSeconds: 0"
)

var acceptanceExec = []acceptance{
	{name: "2 exec liveness", spec: probing("livenessProbe", "[cat, /tmp/healthy]") + `
    initialDelaySeconds: 5
    periodSeconds: 5`, not: []string{"exec-probe-short-timeout"}},
	{name: "2 exec liveness, default timeout", spec: `
containers:
- name: app
  image: i
  livenessProbe:
    exec: {command: [cat, /tmp/healthy]}
    initialDelaySeconds: 5
    periodSeconds: 5`, want: []string{"warn exec-probe-short-timeout/app"}, inText: "Raise timeoutSeconds to 5."},

	{name: "14 readiness of one string", spec: probing("readinessProbe", `["curl -f localhost"]`),
		want: []string{"deny exec-probe-no-shell/app"}, not: []string{"inert-exec-probe-no-shell"}},
	{name: "14 the same in a Job", kind: "Job",
		spec: probing("readinessProbe", `["curl -f localhost"]`) + "\nrestartPolicy: Never",
		want: []string{"warn inert-exec-probe-no-shell/app"}, not: []string{"exec-probe-no-shell"}},
	{name: "14 a path with a blank", spec: probing("readinessProbe", `["/opt/my tools/check"]`),
		want: []string{"warn inert-exec-probe-no-shell/app"}, not: []string{"exec-probe-no-shell"}},
	{name: "15 sh -c", spec: probing("readinessProbe", `["sh", "-c", "a | b"]`),
		not: []string{"exec-probe-no-shell", "inert-exec-probe-no-shell", "exec-probe-shell-args",
			"exec-probe-shell-operator"}},
	{name: "15 windows", spec: probing("readinessProbe", `['C:\Program Files\x.exe']`) + windows,
		not: []string{"exec-probe-no-shell", "inert-exec-probe-no-shell"}},

	{name: "29 sleep 30", spec: hooked("preStop", "sleep: {seconds: 30}"),
		want: []string{"warn prestop-exceeds-grace/app"}, not: []string{"prestop-exec-sleep"}},
	{name: "29 sh -c sleep 25", spec: hooked("preStop", "exec: {command: [sh, -c, sleep 25]}"),
		want: []string{"warn prestop-exceeds-grace/app", "audit prestop-exec-sleep/app"}},
	{name: "29 drain.sh", spec: hooked("preStop", "exec: {command: [/drain.sh]}"),
		not: []string{"prestop-exceeds-grace"}},
	{name: "29 sleep 3600", spec: hooked("preStop", `exec: {command: [sleep, "3600"]}`),
		want: []string{"warn prestop-exceeds-grace/app"}, not: []string{"prestop-exec-sleep"}, inText: "Shorten"},
	{name: "29 echo && sleep 1m", spec: hooked("preStop", "exec: {command: [sh, -c, echo bye && sleep 1m]}") + grace60,
		want: []string{"warn prestop-exceeds-grace/app"}, not: []string{"prestop-exec-sleep"}},
	{name: "29 sleep 5, G 0", spec: hooked("preStop", `exec: {command: [sleep, "5"]}`) + graceOff,
		not: []string{"prestop-exceeds-grace"}},
	{name: "29 sleep 30 fixed", fixes: true, spec: hooked("preStop", "sleep: {seconds: 30}"),
		not: []string{"prestop-exceeds-grace"}, fixed: []string{"prestop-exceeds-grace/app"}, grace: 40},
	{name: "29 sh -c sleep 25 fixed", fixes: true, spec: hooked("preStop", "exec: {command: [sh, -c, sleep 25]}"),
		fixed: []string{"prestop-exceeds-grace/app"}, grace: 35},
	{name: "29 drain.sh fixed", fixes: true, spec: hooked("preStop", "exec: {command: [/drain.sh]}"),
		fixed: []string{}, grace: 30},
	{name: "29 sleep 3600 fixed", fixes: true, spec: hooked("preStop", `exec: {command: [sleep, "3600"]}`),
		want: []string{"warn prestop-exceeds-grace/app"}, fixed: []string{}, grace: 30, inText: "Shorten"},
	{name: "29 echo && sleep 1m fixed", fixes: true, grace: 70,
		spec:  hooked("preStop", "exec: {command: [sh, -c, echo bye && sleep 1m]}") + grace60,
		fixed: []string{"prestop-exceeds-grace/app"}},
	{name: "29 sleep 5, G 0 fixed", fixes: true, spec: hooked("preStop", `exec: {command: [sleep, "5"]}`) + graceOff,
		fixed: []string{}},
	{name: "30 postStart tcpSocket", spec: hooked("postStart", "tcpSocket: {port: 80}"),
		want: []string{"deny poststart-cannot-run/app"}, not: []string{"prestop-cannot-run"}},
	{name: "30 preStop tcpSocket", spec: hooked("preStop", "tcpSocket: {port: 80}"),
		want: []string{"warn prestop-cannot-run/app"}, not: []string{"poststart-cannot-run"}},

	{name: "47 sh without -c", spec: probing("livenessProbe", `["sh", "test -f /x"]`),
		want: []string{"deny exec-probe-shell-args/app"}},
	{name: "47 sh with a file", spec: probing("livenessProbe", `["sh", "/check me.sh"]`),
		not: []string{"exec-probe-shell-args", "exec-probe-no-shell", "inert-exec-probe-no-shell"}},
	{name: "47 an operator", spec: probing("livenessProbe", `["cat", "/x", "|", "grep", "y"]`),
		want: []string{"warn exec-probe-shell-operator/app"}},

	{name: "48 sh -c sleep 5", spec: hooked("preStop", `exec: {command: ["sh", "-c", "sleep 5"]}`),
		want: []string{"audit prestop-exec-sleep/app"}, not: []string{"prestop-exceeds-grace"}},
	{name: "48 sh", spec: running(`["sh", "-c"]`, `["migrate && serve"]`),
		want: []string{"audit shell-ignores-sigterm/app"}},
	{name: "48 exec", spec: running(`["sh", "-c", "migrate && exec serve"]`, "[]"),
		not: []string{"shell-ignores-sigterm"}},
	{name: "48 bash", spec: running(`["bash", "-c", "migrate && serve"]`, "[]"),
		not: []string{"shell-ignores-sigterm"}},
	{name: "48 bash, a pipeline", spec: running(`["bash", "-c", "serve | tee log"]`, "[]"),
		want: []string{"audit shell-ignores-sigterm/app"}},
}

// TestNothingElseIsSaidOfAProbeThatNeverRuns: it is neither too slow nor too frequent, nor the same as another.
func TestNothingElseIsSaidOfAProbeThatNeverRuns(t *testing.T) {
	subject := parseSubject(t, "p", acceptance{spec: `
containers:
- name: app
  image: i
  livenessProbe: &probe
    exec: {command: ["cat /tmp/healthy"]}
    periodSeconds: 1
  readinessProbe: *probe`, owner: rs}.yaml())
	for _, f := range rules.Judge(subject, profilePlan(rules.Strict)) {
		if f.Rule.ID != "exec-probe-no-shell" && f.Rule.ID != "inert-exec-probe-no-shell" {
			t.Error(f)
		}
	}
}
