package doctor

import (
	"context"
	"fmt"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// InForce is the policy that podvet judges by in a cluster.
type InForce struct {
	Policy  *policy.Policy
	Source  string        // in words: which one it is, and why where it is not that of podvet's ConfigMap
	Unknown policy.Errors // its entries that this version ignores
}

// PolicyInForce finds the policy as Examine does: by the webhook configurations, their Service, and the flags of its
// pods. Where that leads nowhere it is the built-in one. A policy that names no versions is about the nodes that may
// stand beside the API server.
func PolicyInForce(ctx context.Context, cluster Cluster, configuration, namespace string) InForce {
	in := &installation{
		Cluster: cluster, configuration: configuration, namespace: namespace, service: configuration,
	}
	found := in.policyInForce(ctx)
	found.Policy = cluster.OnNodes(found.Policy)
	return found
}

// OnNodes has a policy that names no versions be about the nodes of the cluster.
func (c Cluster) OnNodes(p *policy.Policy) *policy.Policy {
	if p.Written().Kubernetes != "" { // then every scope has some
		return p
	}
	return p.OnNodes(pod.Beside(c.Minor))
}

func (in *installation) policyInForce(ctx context.Context) InForce {
	missing := in.readWebhooks(ctx)
	if in.locate(); in.namespace == "" {
		switch {
		case len(missing) == 0:
			return builtIn("no webhook names podvet's Service. Write --podvet-namespace, or --policy FILE for another.")
		case missing[0].Result == Unknown: // it could not be read
			return builtIn("%s. %s", missing[0].What, another)
		}
		return builtIn("%s. If it has another name, write --webhook-configuration.", missing[0].What)
	}
	if _, missing := in.findReplicas(ctx); missing != nil {
		return builtIn("%s. %s", missing.What, another)
	}
	keys := policyKeys(in.replicas)
	if len(keys) == 0 {
		return builtIn("no replica is started with --policy-configmap. %s", another)
	}
	return in.followed(ctx, keys[0])
}

// followed is the policy of those who follow a ConfigMap: where that cannot be used, the last good one.
func (in *installation) followed(ctx context.Context, key string) InForce {
	now := in.readPolicy(ctx, key)
	switch {
	case now.err != nil:
		return builtIn("the ConfigMap %s cannot be read because %s. %s", key, console.Reason(now.err), another)
	case now.policy != nil:
		return InForce{Policy: now.policy, Unknown: now.unknown,
			Source: "judged by the policy in the ConfigMap " + key}
	}
	kept := in.readPolicy(ctx, key+"-last-good") // the name is a contract, see docs/policy.md
	why := fmt.Sprintf("the one in the ConfigMap %s cannot be used. podvet doctor says more.", key)
	if now.absent {
		why = fmt.Sprintf("the ConfigMap %s holds none.", key)
	}
	if kept.policy != nil {
		return InForce{Policy: kept.policy, Unknown: kept.unknown,
			Source: "judged by the last good policy: " + why}
	}
	found := builtIn("%s", why)
	if !now.absent { // whoever wrote a first policy with a mistake may have wanted it to refuse nothing
		found.Policy = found.Policy.WithMode(policy.ModeWarn)
	}
	return found
}

const another = "Write --policy FILE for another."

// builtIn is the built-in policy, and why it is used.
func builtIn(format string, args ...any) InForce {
	return InForce{Policy: policy.Default(catalogue.All),
		Source: "judged by the built-in policy: " + fmt.Sprintf(format, args...)}
}
