package picture_test

import (
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/picture"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// TestTellingIsShort: however large the numbers in a pod are, no chosen scenario is longer than a simulation may be.
func TestTellingIsShort(t *testing.T) {
	const most = "periodSeconds: 2147483647, timeoutSeconds: 2147483647, failureThreshold: 2147483647, " +
		"initialDelaySeconds: 2147483647}"
	s := podOf(t, "terminationGracePeriodSeconds: 9223372036854775807\ncontainers:\n- {name: app, image: x, "+
		"livenessProbe: {tcpSocket: {port: 80}, "+most+", startupProbe: {tcpSocket: {port: 80}, "+most+"}")
	for rule, want := range map[string]string{
		"no-startup-probe":        "app never boots, and startupProbe gives up after ",
		"termination-grace-zero":  "the pod is deleted at 120 s, and app takes 3601 s to stop (",
		"shell-ignores-sigterm":   "the pod is deleted at 120 s, and app does not end by itself (",
		"startup-budget-too-long": "app never boots, and startupProbe gives up after ",
		"no-liveness-probe":       "app hangs at 300 s (", "startup-gate-late": "app hangs at 300 s (",
		"restart-all-never-ends": "app ends by itself after 30 s",
	} {
		if picture.About(rule) == "" {
			t.Errorf("%s has no scenario", rule)
		}
		scenario := timeline.Scenario{Kubelet: pod.Newest, Containers: map[string]timeline.Behavior{}}
		scenario, _, why := picture.Telling(s, scenario, []picture.Found{{Rule: rule, Container: "app"}}, "")
		if !strings.HasPrefix(why, want) {
			t.Errorf("%s: %s", rule, why)
		}
		if scenario.Length < time.Minute || scenario.Length > 3*time.Hour {
			t.Errorf("%s: %v", rule, scenario.Length)
		}
	}
}

// TestTellingOfALateGate: the next boot after a hang is what such a pod is in danger of.
func TestTellingOfALateGate(t *testing.T) {
	s := one(t, "livenessProbe: {httpGet: {port: 80}, periodSeconds: 3}, startupProbe: {httpGet: {port: 80}, "+
		"failureThreshold: 6}")
	scenario := timeline.Scenario{Kubelet: pod.Newest, Containers: map[string]timeline.Behavior{}}
	scenario, _, why := picture.Telling(s, scenario, []picture.Found{{Rule: "startup-gate-late", Container: "app"}}, "")
	if want := "app boots in 12 s, app hangs at 300 s (startup-gate-late)"; why != want {
		t.Errorf("got %s, want %s", why, want)
	}
	if got := verdict(s, scenario); !strings.Contains(got, "killed again while it boots") {
		t.Error(got)
	}
	scenario.Kubelet = 38
	if got := verdict(s, scenario); strings.Contains(got, "boots") {
		t.Error(got)
	}
}
