package timeline

import "github.com/podvet/podvet/rules/pod"

// Simulate is the life of a pod in a scenario with a timing. Its defaults are filled in.
func Simulate(s *pod.Subject, scenario Scenario, timing Timing) *Life {
	k := &kubelet{subject: s, scenario: scenario, timing: timing, firstStart: true}
	k.life.Scenario = scenario
	k.wake = func() { k.at(k.now, k.wantSync) } // after what is under way
	k.worker.requeueAt = never
	for _, c := range podContainers(s) {
		k.add(s, c)
	}
	k.at(timing.Relist, k.relist)
	k.at(timing.Tick, k.tick)
	if scenario.DeleteAt > 0 {
		k.at(scenario.DeleteAt, k.remove)
	}
	k.worker.lastEnd = -1 // the first sync waits for nothing
	k.wake()
	k.run(scenario.Length)
	k.close()
	return &k.life
}

// podContainers are the init containers and sidecars, then the app containers, each as listed in the spec.
func podContainers(s *pod.Subject) []*pod.Container {
	inits := make([]*pod.Container, len(s.Spec.InitContainers), len(s.Spec.InitContainers)+len(s.Spec.Containers))
	for c := range s.InitContainers() {
		inits[c.Index] = c
	}
	var apps []*pod.Container
	for i := range s.Containers {
		if c := &s.Containers[i]; c.Class == pod.Sidecar {
			inits[c.Index] = c
		} else {
			apps = append(apps, c)
		}
	}
	return append(inits, apps...)
}

func (k *kubelet) add(s *pod.Subject, made *pod.Container) {
	c := &container{Container: made, does: k.scenario.Containers[made.Name]}
	if c.Class != pod.Init {
		for _, kind := range pod.HookKinds {
			c.hooks[kind] = hookOf(s, made, kind)
		}
	}
	k.containers = append(k.containers, c)
	class := map[pod.Class]string{pod.Init: "init", pod.Sidecar: "sidecar", pod.App: "app"}[c.Class]
	k.life.Containers = append(k.life.Containers, Container{Name: c.Name, Class: class})
}

// remove is someone who deletes the pod. Without a grace period the API server forgets it at once.
func (k *kubelet) remove() {
	if k.worker.done {
		return
	}
	k.deleted = true
	k.gone = k.subject.Grace() == 0
	k.tell(Event{Kind: Deleted, Grace: seconds(k.subject.Grace())})
	k.observe()
	for _, c := range k.containers {
		for _, w := range c.probes {
			if w != nil {
				w.cancel()
			}
		}
	}
	k.wake()
}

// close ends the spans where the life is no longer looked at.
func (k *kubelet) close() {
	for i := range k.life.Containers {
		k.life.Containers[i].Spans = closeSpans(k.life.Containers[i].Spans, k.now)
	}
	k.life.Endpoints, k.life.Phases = closeSpans(k.life.Endpoints, k.now), closeSpans(k.life.Phases, k.now)
	k.life.Printed = closeSpans(k.life.Printed, k.now)
}
