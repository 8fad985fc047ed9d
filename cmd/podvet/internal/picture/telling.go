package picture

import (
	"cmp"
	"fmt"
	"time"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// Found is what a rule finds in a container, "" for the pod.
type Found struct{ Rule, Container string }

// What scenarios are about.
const (
	aBoot  = "boot"
	aStop  = "stop"
	aHang  = "hang"
	aCrash = "crash"
	aStart = "start"

	aHangAndABoot = "hang and boot"
	noBoot        = "no boot"
	noStop        = "no stop"
)

// ADeletion is when a pod is deleted where nobody says when.
const ADeletion = 2 * time.Minute

// tells are the scenarios that show what rules find.
var tells = map[string]string{
	"no-startup-probe":                  aBoot,
	"startup-budget-too-short":          aBoot,
	"startup-shorter-than-liveness":     aBoot,
	"startup-exceeds-active-deadline":   noBoot,
	"startup-exceeds-progress-deadline": noBoot,
	"startup-budget-too-long":           noBoot,
	"liveness-too-aggressive":           aBoot,
	"sidecar-startup-blocks-pod":        noBoot,
	"prestop-exceeds-grace":             aStop,
	"shell-ignores-sigterm":             noStop,
	"termination-grace-zero":            aStop,
	"poststart-cannot-run":              aStart,
	"probe-port-unresolved":             aStart,
	"exec-probe-no-shell":               aStart,
	"exec-probe-shell-args":             aStart,
	"probe-host-loopback":               aStart,
	"probe-without-restart":             aHang,
	"inert-probe-port-unresolved":       aHang,
	"inert-exec-probe-no-shell":         aHang,
	"liveness-equals-readiness":         aHang,
	"liveness-without-readiness":        aHang,
	"liveness-too-slow":                 aHang,
	"probe-timeout-exceeds-period":      aHang,
	"startup-gate-late":                 aHangAndABoot,
	"no-liveness-probe":                 aHang,
	"container-may-not-restart":         aCrash,
	"job-container-restart-always":      aCrash,
	"restart-all-never-ends":            aCrash,
}

// About is what a scenario that shows what a rule finds is about, "" where there is nothing to show over time.
func About(rule string) string { return tells[rule] }

// Telling completes a scenario so that it shows the first finding that has something to show, or without one what the
// probes of the first container do with a boot that takes too long. A length of 0 becomes one that fits. It returns
// which container that is about, and which scenario it is, in words.
func Telling(s *pod.Subject, scenario timeline.Scenario, found []Found, container string,
) (told timeline.Scenario, name, why string) {
	var chosen Found
	for _, f := range found {
		if About(f.Rule) == "" || container != "" && f.Container != "" && f.Container != container {
			continue
		}
		chosen = f
		break
	}
	about, rule := cmp.Or(About(chosen.Rule), aBoot), chosen.Rule
	container = cmp.Or(chosen.Container, container)
	name = cmp.Or(container, s.Spec.Containers[0].Name)
	does := scenario.Containers[name]
	switch about {
	case aBoot:
		why = bootTelling(s, name, &does)
	case aStart:
		does.Boot = 10 * time.Second
		why = name + " boots in 10 s"
	case noBoot:
		why = neverTelling(s, name, &does)
	case noStop:
		scenario.DeleteAt, does.StopTakes = ADeletion, never
		why = "the pod is deleted at 120 s, and " + name + " does not end by itself"
	case aStop:
		scenario.DeleteAt = ADeletion
		why = stopTelling(s, name, &does)
	case aHang:
		does.HangAt = 5 * time.Minute
		why = name + " hangs at 300 s"
	case aHangAndABoot:
		why = lateTelling(s, name, &does) + name + " hangs at 300 s"
		does.HangAt = 5 * time.Minute
	case aCrash:
		does.Crash = 30 * time.Second
		why = name + " ends by itself after 30 s, with exit code 0"
	}
	if rule != "" {
		why += " (" + rule + ")"
	}
	if scenario.Length == 0 {
		scenario.Length = fitting(s, scenario)
	}
	scenario.Length = max(scenario.Length, untilSeen(s, name, does))
	scenario.Containers[name] = does
	return scenario, name, why
}

// fitting is how long to look: until a pod that is deleted is gone, or until back-off is long.
func fitting(s *pod.Subject, scenario timeline.Scenario) time.Duration {
	if scenario.DeleteAt > 0 {
		return scenario.DeleteAt + 2*min(timeline.StopLeft(s, nil), longestStop) + 30*time.Second
	}
	return 15 * time.Minute
}

// untilSeen is how long to look at least to see what a boot or a hang comes to.
func untilSeen(s *pod.Subject, name string, does timeline.Behavior) time.Duration {
	guard, guarded := guardOf(s, name)
	until := does.Boot
	switch c := containerOf(s, name); {
	case does.Boot >= never && guarded:
		until = givesUp(guard)
	case does.HangAt > 0 && c != nil:
		until = does.HangAt
		if liveness, ok := c.ProbeOf(pod.Liveness); ok {
			until += givesUp(liveness)
		}
	}
	return min(until, longestBoot) + 5*time.Minute
}

// givesUp is when a probe has failed at the latest, or the longest that is looked at.
func givesUp(p pod.Probe) time.Duration {
	return time.Duration(min(p.Worst(), int64(longestBoot/time.Second))) * time.Second
}

// neverTelling lets a container never boot.
func neverTelling(s *pod.Subject, name string, does *timeline.Behavior) string {
	guard, ok := guardOf(s, name)
	does.Boot = never
	if !ok || guard.NeverRuns(s) {
		return name + " never boots"
	}
	return fmt.Sprintf("%s never boots, and %s gives up after %d s", name, guard.Kind, guard.Worst())
}

// stopTelling lets a container stop for just longer than its grace period leaves to it.
func stopTelling(s *pod.Subject, name string, does *timeline.Behavior) string {
	left := timeline.StopLeft(s, containerOf(s, name))
	does.StopTakes = min(left, longestStop) + time.Second
	why := fmt.Sprintf("the pod is deleted at 120 s, and %s takes %s to stop", name, Seconds(does.StopTakes))
	if left > longestStop {
		return why
	}
	if c := containerOf(s, name); c == nil || timeline.PreStopTakes(s, c) == 0 {
		return why + ", longer than its grace period of " + Seconds(left)
	}
	return why + fmt.Sprintf(", longer than the %s that are left after preStop", Seconds(left))
}

// lateTelling lets a container boot for longer than its livenessProbe allows, which its startupProbe does allow.
func lateTelling(s *pod.Subject, name string, does *timeline.Behavior) string {
	c := containerOf(s, name)
	if c == nil {
		return ""
	}
	startup, guarded := c.ProbeOf(pod.Startup)
	liveness, ok := c.ProbeOf(pod.Liveness)
	if boot := liveness.Worst() + 2; ok && guarded && boot < startup.Guaranteed() {
		does.Boot = time.Duration(boot) * time.Second
		return fmt.Sprintf("%s boots in %d s, ", name, boot)
	}
	return ""
}

// bootTelling lets a container boot for just longer than its probes allow for sure.
func bootTelling(s *pod.Subject, name string, does *timeline.Behavior) string {
	guard, ok := guardOf(s, name)
	if !ok || guard.NeverRuns(s) {
		does.Boot = 10 * time.Second
		return name + " boots in 10 s"
	}
	if givesUp(guard) == longestBoot {
		return neverTelling(s, name, does)
	}
	does.Boot = givesUp(guard) + 2*time.Second
	return fmt.Sprintf("%s boots in %s, just longer than %s allows", name, Seconds(does.Boot), guard.Kind)
}
