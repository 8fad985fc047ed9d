package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules"
)

// gatedPod is an app that boots in 12 s and hangs 30 s after its start.
const gatedPod = `---
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: localhost/app:1
    imagePullPolicy: Never
    args: [-boot=12s, -hang=30s]
    ports: [{name: http, containerPort: 8080}]
    livenessProbe: {httpGet: {path: /, port: http}, periodSeconds: 3, failureThreshold: 3}
    startupProbe: {httpGet: {path: /, port: http}, PROBE}
`

const (
	boot  = 12 * time.Second
	gated = 3 * time.Minute // a container lives for some 38 s
)

// TestStartupGateLate: after a liveness kill a kubelet 1.35 to 1.37 lets liveness probe the new container before its
// startupProbe has run once (kubernetes#141155). With a startupProbe that runs each 10 s, of which podvet warns, some
// restarts are killed before the app can serve; with one that runs each 3 s none is.
func TestStartupGateLate(t *testing.T) {
	t.Parallel()
	share(t, manyPods)
	const pods = 6
	ns := namespace(t, shared)
	var manifests strings.Builder
	late, prompt := make([]*watched, pods), make([]*watched, pods)
	begin := time.Now()
	for _, side := range []struct {
		name, probe string
		warned      bool
		pods        []*watched
	}{
		{"late", "periodSeconds: 10, failureThreshold: 6", true, late},
		{"prompt", "periodSeconds: 3, failureThreshold: 21", false, prompt},
	} {
		for i := range side.pods {
			name := fmt.Sprintf("%s-%d", side.name, i)
			side.pods[i] = follow(t, shared, ns, name)
			manifest := strings.NewReplacer("NAME", name, "PROBE", side.probe).Replace(gatedPod)
			if warned := slices.Contains(found(t, manifest, rules.Warn), "startup-gate-late"); warned != side.warned {
				t.Errorf("podvet warns of %s: %v", side.probe, warned)
			}
			manifests.WriteString(manifest)
		}
	}
	kubectl(t, shared, manifests.String(), "apply", "-n", ns, "-f", "-")
	time.Sleep(time.Until(begin.Add(gated)))
	var ended int
	var early []time.Duration
	eventually(t, func() error { // where the ticks fall is luck: one run of 300 needs a little more time
		if ended, early = restarts(late); len(early) == 0 {
			return fmt.Errorf("none of %d restarted containers was killed before the app served", ended)
		}
		return nil
	})
	t.Logf("startupProbe each 10 s: of %d restarted containers that ended, these did before the app served: %v", ended,
		early)
	ended, early = restarts(prompt)
	if ended < pods || len(early) > 0 {
		t.Errorf("startupProbe each 3 s: of %d restarted containers that ended, these did before the app served: %v",
			ended, early)
	}
}

// restarts is how many containers have ended that were not their pods' first, and how long those lived that did not
// live long enough to serve.
func restarts(pods []*watched) (ended int, early []time.Duration) {
	for _, w := range pods {
		lives := map[string]time.Duration{} // by container id
		first := ""
		for _, s := range w.statuses() {
			ends := []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated}
			for _, end := range ends {
				if end == nil {
					continue
				}
				if first == "" {
					first = end.ContainerID
				}
				lives[end.ContainerID] = end.FinishedAt.Sub(end.StartedAt.Time)
			}
		}
		delete(lives, first)
		ended += len(lives)
		for _, life := range lives {
			if life < boot-time.Second { // the times are whole seconds
				early = append(early, life)
			}
		}
	}
	return ended, early
}
