package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkReplicas sees whether all replicas are the same.
func (in *installation) checkReplicas(ctx context.Context) []Finding {
	running := in.running()
	if len(running) == 0 {
		return []Finding{unknown("see service", "no replica runs")}
	}
	var found []Finding
	policies := in.policiesInForce(ctx, func(by map[string][]string) bool { return len(by) <= 1 })
	images := map[string][]string{}
	for _, r := range running {
		if r.metricErr != nil {
			found = append(found, unreadable("the metrics of pod "+r.Name, r.metricErr))
		}
		if len(r.metrics.lost) > 0 {
			found = append(found, problem("its log says why it does not follow",
				"pod %s no longer follows %s in the API server, so it judges by what it last saw",
				r.Name, strings.Join(r.metrics.lost, ", ")))
		}
		image := r.Spec.Containers[0].Image
		images[image] = append(images[image], r.Name)
	}
	if len(policies) > 1 {
		found = append(found, problem("give all replicas the same --policy-configmap; "+
			"the log of the one that lags says why it does not follow",
			"the replicas judge by different policies: %s", listed(policies)))
	}
	if len(images) > 1 {
		found = append(found, warning(fmt.Sprintf("wait for the rollout to end; "+
			"kubectl rollout status -n %s deployment says whether it does", in.namespace),
			"the replicas are of different versions: %s", listed(images)))
	}
	if len(found) == 0 {
		return []Finding{ok("%d replicas of one version judge by one policy", len(running))}
	}
	return found
}

// listed is "a in x; b in y, z": the names of the replicas by what they have.
func listed(by map[string][]string) string {
	list := make([]string, 0, len(by))
	for _, key := range slices.Sorted(maps.Keys(by)) {
		list = append(list, key+" in "+strings.Join(by[key], ", "))
	}
	return strings.Join(list, "; ")
}
