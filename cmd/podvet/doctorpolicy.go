package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/policy"
)

// followLimit is how long a replica may take to follow a change of the policy.
const followLimit = 3 * time.Second

// hashes are the replicas by the policy that each has in force. Whoever is about to follow a change is waited for.
func (d *doctor) hashes(ctx context.Context, settled func(map[string][]string) bool) map[string][]string {
	for deadline := time.Now().Add(followLimit); ; {
		by := map[string][]string{}
		for _, r := range d.running() {
			if d.readMetrics(ctx, r); r.metricErr == nil {
				hash, _ := r.metrics.policy()
				by[hash] = append(by[hash], r.Name)
			}
		}
		if settled(by) || time.Now().After(deadline) || ctx.Err() != nil {
			return by
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// checkPolicy compares the policy that is written with the one in force.
func (d *doctor) checkPolicy(ctx context.Context) []finding {
	if len(d.running()) == 0 {
		return []finding{wrong(resultUnknown, "see service", "no replica runs that would have a policy in force")}
	}
	var found []finding
	var keys []string
	for _, r := range d.running() {
		if key := r.flag("--policy-configmap"); key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		found = append(found, d.policyOf(ctx, key)...)
	}
	if len(keys) == 0 {
		return []finding{wrong(resultUnknown, "start podvet as the chart does", "no replica is started with --policy-configmap, so doctor does not know the policy")}
	}
	return found
}

// policyOf looks at the policy of one ConfigMap and at the replicas that follow it.
func (d *doctor) policyOf(ctx context.Context, key string) []finding {
	var found []finding
	written, mistake, absent, err := d.written(ctx, key)
	if err != nil {
		found = append(found, notKnown("the ConfigMap "+key, err))
	}
	unread := 0
	d.hashes(ctx, func(by map[string][]string) bool { return written == nil || len(by) == 1 && by[written.Hash] != nil })
	for _, r := range d.running() {
		if r.flag("--policy-configmap") != key {
			continue
		}
		if r.metricErr != nil {
			unread++
			continue
		}
		hash, source := r.metrics.policy()
		switch {
		case err != nil || source == "configmap" && written != nil && hash == written.Hash:
			if source == "last-good" || source == "default" {
				found = append(found, wrong(resultProblem, "see the Event on the ConfigMap "+key, "pod %s does not judge by the ConfigMap, its policy in force is the %s one", r.Name, source))
			}
		case source == "default" && absent:
			found = append(found, wrong(resultWarning, "write a policy into the ConfigMap "+key, "pod %s judges by the built-in policy: %s", r.Name, mistake))
		case mistake != "":
			found = append(found, wrong(resultProblem, "mend it; podvet policy check names every mistake", "pod %s judges by the %s policy, for the policy in %s cannot be used: %s",
				r.Name, inWords(source), key, mistake))
		default:
			found = append(found, wrong(resultProblem, "its log says why it does not follow", "pod %s judges by another policy (%s, %s) than the ConfigMap %s holds (%s)",
				r.Name, hash, source, key, written.Hash))
		}
	}
	switch {
	case unread == 0:
	case mistake != "":
		found = append(found, wrong(resultProblem, "mend it; podvet policy check names every mistake", "the policy in %s cannot be used: %s", key, mistake))
	default:
		found = append(found, wrong(resultUnknown, "see replicas", "%d replicas do not say whether they judge by the policy in %s", unread, key))
	}
	if len(found) == 0 {
		return well("the policy of the ConfigMap %s is in force (%s)", key, written.Hash)
	}
	return found
}

func inWords(source string) string {
	return map[string]string{"last-good": "last good", "default": "built-in"}[source]
}

// written is the policy that a ConfigMap holds, or the first mistake for which it cannot be used.
func (d *doctor) written(ctx context.Context, key string) (p *policy.Policy, mistake string, absent bool, err error) {
	namespace, name, _ := strings.Cut(key, "/")
	object, err := d.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, "it does not exist", true, nil
	case err != nil:
		return nil, "", false, err
	case strings.TrimSpace(object.Data[policy.Key]) == "":
		return nil, "it has no text under the key " + policy.Key, true, nil
	}
	p, _, err = policy.LoadShared(policy.Key, []byte(object.Data[policy.Key]), time.Now())
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return nil, first, false, nil
	}
	return p, "", false, nil
}

// checkReplicas sees whether all replicas are the same.
func (d *doctor) checkReplicas(ctx context.Context) []finding {
	running := d.running()
	if len(running) == 0 {
		return []finding{wrong(resultUnknown, "see service", "no replica runs")}
	}
	var found []finding
	by := d.hashes(ctx, func(by map[string][]string) bool { return len(by) <= 1 })
	for _, r := range running {
		if r.metricErr != nil {
			found = append(found, notKnown("the metrics of pod "+r.Name, r.metricErr))
		}
	}
	if len(by) > 1 {
		found = append(found, wrong(resultProblem, "give all replicas the same --policy-configmap; the log of the one that lags says why it does not follow",
			"the replicas judge by different policies: %s", listed(by)))
	}
	images := map[string][]string{}
	for _, r := range running {
		images[r.Spec.Containers[0].Image] = append(images[r.Spec.Containers[0].Image], r.Name)
	}
	if len(images) > 1 {
		found = append(found, wrong(resultWarning, fmt.Sprintf("wait for the rollout to end; kubectl rollout status -n %s deployment says whether it does", d.namespace),
			"the replicas are of different versions: %s", listed(images)))
	}
	if len(found) == 0 {
		return well("%d replicas of one version judge by one policy", len(running))
	}
	return found
}

// listed is "a in pod x; b in pods y, z".
func listed(by map[string][]string) string {
	list := make([]string, 0, len(by))
	for _, key := range slices.Sorted(maps.Keys(by)) {
		list = append(list, key+" in "+strings.Join(by[key], ", "))
	}
	return strings.Join(list, "; ")
}
