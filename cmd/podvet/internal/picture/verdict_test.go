package picture_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/cmd/podvet/internal/picture"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

const (
	liveness  = "livenessProbe: {httpGet: {port: 80}}"
	readiness = "readinessProbe: {httpGet: {port: 80}}"
)

// podOf reads the spec of a pod, with defaults.
func podOf(t *testing.T, spec string) *pod.Subject {
	t.Helper()
	p := &corev1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	s, _ := pod.Read(p)
	return s
}

// one is a pod with one container, of which the fields are given.
func one(t *testing.T, container string) *pod.Subject {
	t.Helper()
	return podOf(t, "containers:\n- {name: app, image: x, "+container+"}")
}

// with is a scenario of the container app.
func with(length time.Duration, does timeline.Behavior) timeline.Scenario {
	return timeline.Scenario{Kubelet: pod.Newest, Length: length, Containers: map[string]timeline.Behavior{"app": does}}
}

func verdict(s *pod.Subject, scenario timeline.Scenario) string {
	return picture.NewLife(picture.AsWritten, s, scenario, timeline.Middle(s)).Verdict
}

func TestVerdicts(t *testing.T) {
	const sleep = "lifecycle: {preStop: {sleep: {seconds: 20}}}"
	for _, c := range []struct {
		container string
		does      timeline.Behavior
		length    time.Duration
		deleteAt  time.Duration
		want      string
	}{
		{"startupProbe: {httpGet: {port: 80}, failureThreshold: 30}", timeline.Behavior{Boot: 400 * time.Second},
			15 * time.Minute, 0, "app never starts: it is killed 3 times in 15 minutes. startupProbe guarantees " +
				"290 s, its boot takes 400 s. failureThreshold 41 would do."},
		{liveness, timeline.Behavior{Boot: 45 * time.Second}, time.Minute, 0, "app never serves: it is killed " +
			"twice in 1 minute. livenessProbe guarantees 20 s, its boot takes 45 s. failureThreshold 6 would do, " +
			"best in a startupProbe."},
		{"", timeline.Behavior{}, time.Hour, 0, "The pod is ready after 0 s, and never killed."},
		{liveness, timeline.Behavior{HangAt: time.Minute}, 2 * time.Minute, 0,
			"app hangs at 60 s and is killed by livenessProbe 21 to 31 s later."},
		{liveness, timeline.Behavior{Boot: 25 * time.Second}, time.Minute, 0, ""},
		{"readinessProbe: {httpGet: {port: web}}", timeline.Behavior{}, time.Minute, 0, "The pod is never ready " +
			"because readinessProbe of app can never run: the kubelet throws the error away, but it is never killed."},
		{sleep, timeline.Behavior{StopTakes: 15 * time.Second}, 3 * time.Minute, time.Minute, "app is killed " +
			"while it shuts down, 10 s after SIGTERM: it takes 15 s to stop. " +
			"terminationGracePeriodSeconds 36 would do."},
		{"", timeline.Behavior{Crash: time.Second, ExitCode: 1}, time.Minute, 0, "app ends by itself with exit " +
			"code 1 after 1 s, and is restarted 3 times in 1 minute. The pod is ready after 0 s, " +
			"and never killed."},
	} {
		scenario := with(c.length, c.does)
		scenario.DeleteAt = c.deleteAt
		if got := verdict(one(t, c.container), scenario); c.want != "" && got != c.want {
			t.Errorf("%s, %+v:\n%s\nwant\n%s", c.container, c.does, got, c.want)
		}
	}
}

// TestVerdictByChance: where only other runs have a kill, the verdict says so.
func TestVerdictByChance(t *testing.T) {
	got := verdict(one(t, liveness), with(time.Minute, timeline.Behavior{Boot: 24 * time.Second}))
	if !regexp.MustCompile(`^app is not killed here, but in \d+ of 100 runs with other probe times: after 2\d s`).
		MatchString(got) {
		t.Error(got)
	}
}

var advised = regexp.MustCompile(`(failureThreshold|terminationGracePeriodSeconds) (\d+) would do`)

// TestAdvice works when it is followed to the letter.
func TestAdvice(t *testing.T) {
	const probe = "httpGet: {port: 80}, periodSeconds: PERIOD, initialDelaySeconds: DELAY"
	followed := 0
	for _, period := range []string{"1", "3", "10"} {
		for _, delay := range []string{"0", "5"} {
			for _, spec := range []string{
				"containers: [{name: app, image: x, startupProbe: {" + probe + ", failureThreshold: 3}}]",
				"containers: [{name: app, image: x, livenessProbe: {" + probe + ", failureThreshold: 3}}]",
				"terminationGracePeriodSeconds: 30\ncontainers: [{name: app, image: x, " +
					"lifecycle: {preStop: {sleep: {seconds: 2PERIOD}}}}]",
			} {
				spec = strings.NewReplacer("PERIOD", period, "DELAY", delay).Replace(spec)
				scenario := with(10*time.Minute, timeline.Behavior{Boot: 95300 * time.Millisecond,
					StopTakes: 25 * time.Second})
				if strings.Contains(spec, "preStop") {
					scenario.Containers["app"] = timeline.Behavior{StopTakes: 25 * time.Second}
					scenario.DeleteAt = time.Minute
				}
				found := advised.FindStringSubmatch(verdict(podOf(t, spec), scenario))
				if found == nil {
					t.Errorf("%s: %s", spec, verdict(podOf(t, spec), scenario))
					continue
				}
				followed++
				field := regexp.MustCompile(found[1] + `: \d+`)
				fixed := podOf(t, field.ReplaceAllString(spec, found[1]+": "+found[2]))
				for seed := range uint64(100) {
					life := timeline.Simulate(fixed, scenario, timeline.Drawn(fixed, seed))
					kills := life.Of("app", timeline.Killing)
					if len(life.Of("app", timeline.SigKill)) > 0 || len(kills) > 0 && kills[0].ByProbe() {
						t.Errorf("%s, with %s, seed %d: killed %v", spec, found[0], seed, kills)
					}
				}
			}
		}
	}
	if followed < 18 {
		t.Errorf("only %d pieces of advice", followed)
	}
}

// TestTelling: what podvet chooses shows what it is about.
func TestTelling(t *testing.T) {
	for _, c := range []struct{ container, rule, want, verdict string }{
		{liveness, "no-startup-probe", "app boots in 33 s, just longer than livenessProbe allows (no-startup-probe)",
			"app never serves"},
		{liveness, "", "app boots in 33 s, just longer than livenessProbe allows", "app never serves"},
		{liveness + ", " + readiness, "liveness-equals-readiness", "app hangs at 300 s (liveness-equals-readiness)",
			"app hangs at 300 s and is killed by livenessProbe"},
		{"lifecycle: {preStop: {sleep: {seconds: 30}}}", "prestop-exceeds-grace", "the pod is deleted at 120 s, " +
			"and app takes 3 s to stop, longer than the 2 s that are left after preStop (prestop-exceeds-grace)",
			"app is killed while it shuts down"},
		{"restartPolicy: Never", "container-may-not-restart", "app ends by itself after 30 s, with " +
			"exit code 0 (container-may-not-restart)", "and is not restarted"},
		{"", "bare-pod", "app boots in 10 s", "never killed"},
	} {
		s := one(t, c.container)
		scenario := timeline.Scenario{Kubelet: pod.Newest, Length: 15 * time.Minute,
			Containers: map[string]timeline.Behavior{}}
		told, about, why := picture.Telling(s, scenario, []picture.Found{{Rule: c.rule, Container: "app"}}, "")
		if got := verdict(s, told); about != "app" || why != c.want || !strings.Contains(got, c.verdict) {
			t.Errorf("{%s} %s: %s: %s", c.container, c.rule, why, got)
		}
	}
}

// TestKillsAreTold: a kill is told whatever comes of it, and "never killed" only where there is none.
func TestKillsAreTold(t *testing.T) {
	never := podOf(t, "restartPolicy: Never\ncontainers: [{name: app, image: x, "+liveness+"}]")
	for what, c := range map[string]struct {
		s    *pod.Subject
		does timeline.Behavior
		want string
	}{
		"for good": {never, timeline.Behavior{Boot: time.Minute},
			"app is killed after 20 to 30 s because a probe fails, and is not restarted."},
		"by postStart": {one(t, "lifecycle: {postStart: {tcpSocket: {port: 80}}}"), timeline.Behavior{},
			"app is killed 6 times in 3 minutes because its postStart hook fails."},
		"while it still boots in its preStop": {one(t, liveness+", lifecycle: {preStop: {sleep: {seconds: 25}}}"),
			timeline.Behavior{Boot: 33 * time.Second}, "app is killed 4 times in 3 minutes, always before its boot " +
				"is over. livenessProbe guarantees 20 s, its boot takes 33 s. failureThreshold 5 would do, best in a " +
				"startupProbe."},
		"before it ends by itself": {one(t, liveness), timeline.Behavior{Boot: time.Hour, Crash: time.Minute},
			"app never serves: it is killed 5 times in 3 minutes. livenessProbe guarantees 20 s, its boot takes " +
				"3600 s. failureThreshold 361 would do, best in a startupProbe."},
		"after the look": {one(t, liveness), timeline.Behavior{HangAt: 170 * time.Second},
			"app hangs at 170 s: livenessProbe takes up to 31 s to see that. The pod stays in the endpoints. " +
				"The pod is ready after 0 s, and never killed."},
	} {
		if got := verdict(c.s, with(3*time.Minute, c.does)); got != c.want {
			t.Errorf("%s: %s", what, got)
		}
	}
}
