package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// checkPolicy compares the policy that is written with the one in force.
func (in *installation) checkPolicy(ctx context.Context) []Finding {
	if len(in.running()) == 0 {
		return []Finding{unknown("see service", "no replica runs that would have a policy in force")}
	}
	keys := policyKeys(in.running())
	if len(keys) == 0 {
		return []Finding{unknown("start podvet as the chart does",
			"no replica is started with --policy-configmap, so doctor does not know the policy")}
	}
	var found []Finding
	for _, key := range keys {
		found = append(found, in.checkFollowers(ctx, key)...)
	}
	return found
}

// policyKeys are the ConfigMaps that replicas follow.
func policyKeys(replicas []*replica) []string {
	var keys []string
	for _, r := range replicas {
		if key := r.flag("--policy-configmap"); key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// checkFollowers looks at one ConfigMap and at the replicas that follow it.
func (in *installation) checkFollowers(ctx context.Context, key string) []Finding {
	var found []Finding
	want := in.readPolicy(ctx, key)
	if want.err != nil {
		found = append(found, unreadable("the ConfigMap "+key, want.err))
	}
	in.policiesInForce(ctx, func(by map[string][]string) bool {
		return want.hash == "" || len(by) == 1 && by[want.hash] != nil
	})
	silent := 0
	for _, r := range in.running() {
		if r.flag("--policy-configmap") != key {
			continue
		}
		if r.metricErr != nil {
			silent++
		} else if f := want.follows(r); f.Result != OK {
			found = append(found, f)
		}
	}
	switch {
	case silent == 0:
	case want.mistake != "":
		found = append(found, problem(fixPolicy, "the ConfigMap %s %s", key, want.mistake))
	default:
		found = append(found, unknown("see replicas",
			"%d replicas do not say whether they judge by the policy in %s", silent, key))
	}
	if len(found) == 0 {
		found = []Finding{ok("the policy of the ConfigMap %s is in force (%s)", key, want.hash)}
	}
	return append(found, in.ownedPods(want.policy)...)
}

// ownedPods says what becomes of workloads and their pods where ownedPods is warn. The policy is nil where it cannot be
// used.
func (in *installation) ownedPods(p *policy.Policy) []Finding {
	if p == nil {
		return nil
	}
	newWork, nothing := OwnedPods(p)
	covered := slices.ContainsFunc(in.webhooks, func(w webhook) bool {
		return w.kind == validating && w.covers("apps", "deployments", admissionv1.Create) &&
			w.covers("apps", "deployments", admissionv1.Update)
	})
	var found []Finding
	if len(newWork) > 0 && !covered {
		found = append(found, warning("set webhooks.validateWorkloads.enabled, or write ownedPods: enforce",
			"no webhook calls podvet for workloads, so neither these nor their pods are refused (ownedPods: warn)"))
		newWork = nil
	}
	for _, text := range newWork {
		found = append(found, ok("%s", text))
	}
	for _, text := range nothing {
		found = append(found, warning("write workloads: deny, or ownedPods: enforce", "%s", text))
	}
	return found
}

const fixPolicy = "fix it; podvet policy check names every mistake"

// written is the policy that a ConfigMap holds.
type written struct {
	key     string         // of the ConfigMap
	policy  *policy.Policy // nil where it holds none that can be used
	unknown policy.Errors  // entries that this version ignores
	hash    string         // its own, else ""
	mistake string         // why it cannot be used, as is said of the ConfigMap
	absent  bool           // that is the mistake
	err     error          // it could not be read
}

func (in *installation) readPolicy(ctx context.Context, key string) written {
	namespace, name, _ := strings.Cut(key, "/")
	object, err := in.Client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return written{key: key, mistake: "does not exist", absent: true}
	case err != nil:
		return written{key: key, err: err}
	case strings.TrimSpace(object.Data[policy.Key]) == "":
		return written{key: key, mistake: "has no text under the key " + policy.Key, absent: true}
	}
	p, unknown, err := policy.LoadShared(catalogue.All, policy.Key, []byte(object.Data[policy.Key]), time.Now())
	if err != nil {
		return written{key: key, mistake: "holds a policy with mistakes" + firstOf(err)}
	}
	return written{key: key, policy: p, unknown: unknown, hash: p.Hash}
}

// firstOf names the place of the first mistake.
func firstOf(err error) string {
	mistakes, ok := errors.AsType[policy.Errors](err)
	switch {
	case !ok || mistakes[0].Line == 0:
		return ""
	case mistakes[0].Path == "":
		return fmt.Sprintf(", the first in line %d", mistakes[0].Line)
	}
	return fmt.Sprintf(", the first in line %d (%s)", mistakes[0].Line, mistakes[0].Path)
}

// follows tells whether a replica judges by the policy.
func (w written) follows(r *replica) Finding {
	inForce := r.metrics
	switch {
	case w.err != nil && (inForce.source == "last-good" || inForce.source == "default"):
		return problem("see the Event on the ConfigMap "+w.key,
			"pod %s does not judge by the ConfigMap, its policy in force is the %s one", r.Name, inForce.source)
	case w.err != nil || inForce.source == "configmap" && inForce.policy == w.hash:
		return Finding{Result: OK}
	case inForce.source == "default" && w.absent:
		return warning("write a policy into the ConfigMap "+w.key,
			"pod %s judges by the built-in policy, because the ConfigMap %s", r.Name, w.mistake)
	case w.mistake != "":
		inWords := map[string]string{"last-good": "last good", "default": "built-in"}
		return problem(fixPolicy, "pod %s judges by the %s policy, because the ConfigMap %s %s",
			r.Name, inWords[inForce.source], w.key, w.mistake)
	}
	return problem("its log says why it does not follow",
		"pod %s judges by another policy (%s, %s) than the ConfigMap %s holds (%s)",
		r.Name, inForce.policy, inForce.source, w.key, w.hash)
}
