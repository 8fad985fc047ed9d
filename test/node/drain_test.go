package node

import (
	"fmt"
	"strings"
	"testing"
)

// oldDeployment was there before podvet. It runs, and podvet would refuse its pods.
const oldDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: old}
spec:
  replicas: 2
  selector: {matchLabels: {app: old}}
  template:
    metadata: {labels: {app: old}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: app, image: "localhost/app:1", imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}]}
`

// TestOldWorkloadSurvivesADrain: with workloads: deny and ownedPods: warn the node of an old workload can be drained,
// and its pods run again and more of them after that. What changes it is refused.
func TestOldWorkloadSurvivesADrain(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	r, app := newRelease(t, n), namespace(t, n)
	old := func(args ...string) string { return kubectl(t, n, "", append(args, "-n", app)...) }
	kubectl(t, n, oldDeployment, "create", "-n", app, "-f", "-")
	old("rollout", "status", "deployment/old", inTime)
	r.install(t, "policy: {mode: enforce, workloads: deny, ownedPods: warn, "+
		"rules: {no-readiness-probe: {level: deny}}}\n"+failClosed)
	r.awaitVetted(t, app)

	names := func() []string { return strings.Fields(old("get", "pods", "-l", "app=old", "-o", "name")) }
	before := names()
	node := strings.TrimSpace(kubectl(t, n, "", "get", "nodes", "-o", "name"))
	// podvet's own pods stay: on a cluster's only node they could not come back before the end of the drain.
	kubectl(t, n, "", "drain", strings.TrimPrefix(node, "node/"), "--pod-selector=app=old", inTime)
	kubectl(t, n, "", "uncordon", strings.TrimPrefix(node, "node/"))
	old("rollout", "status", "deployment/old", inTime)
	old("scale", "deployment/old", "--replicas=3")
	old("rollout", "status", "deployment/old", inTime)
	eventually(t, func() error {
		now := names()
		for _, name := range now {
			if strings.Contains(strings.Join(before, " "), name) {
				return fmt.Errorf("%s is still there", name)
			}
		}
		if len(now) != 3 {
			return fmt.Errorf("there are %q", now)
		}
		return nil
	})

	for _, change := range [][]string{
		{"set", "image", "deployment/old", "app=localhost/app:2"}, {"rollout", "restart", "deployment/old"},
		{"run", "alone", "--image=localhost/app:1", "--port=8080"},
		{"create", "deployment", "new", "--image=localhost/app:1", "--port=8080"},
	} {
		if said, err := n.Kubectl(t.Context(), "", append(change, "-n", app)...); err == nil ||
			!strings.Contains(err.Error(), "[no-readiness-probe]") {
			t.Errorf("kubectl %s: %v: %s", strings.Join(change, " "), err, said)
		}
	}
	if said := old("get", "deployment", "old", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); said !=
		"localhost/app:1" {
		t.Errorf("the image is %s", said)
	}
}
