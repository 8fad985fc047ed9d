package picture

import (
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// OverTime are the findings of some rules that have something to show over time, one for each scenario.
func OverTime(v vet.Verdict, wanted func(rule string) bool) (list []Found) {
	if len(v.Invalid) > 0 { // such a pod lives no life
		return nil
	}
	seen := map[Found]bool{}
	for _, f := range found(v) {
		scenario := Found{Rule: About(f.Rule), Container: f.Container}
		if scenario.Rule != "" && wanted(f.Rule) && !seen[scenario] {
			seen[scenario] = true
			list = append(list, f)
		}
	}
	return list
}

// OfFinding is the timeline that shows what a rule finds, before the fixes and, where it says something else, after.
func OfFinding(v vet.Verdict, found Found) Timeline {
	t := Timelines{IfFixed: true, Scenario: timeline.Scenario{Kubelet: pod.Newest,
		Containers: map[string]timeline.Behavior{"": {StopTakes: time.Second}}}}
	drawn := t.of(v, []Found{found})
	if len(drawn.Lives) > 1 && drawn.Lives[0].Verdict == drawn.Lives[1].Verdict {
		drawn.Lives = drawn.Lives[:1]
	}
	return drawn
}
