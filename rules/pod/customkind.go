package pod

// Custom is what differs about the pods of a template that stands in a custom resource.
type Custom struct {
	Kind string // of the resource
	Like string // the kind in the table whose pods these are judged as

	// Pods is the kind that the pods belong to, one of Kubernetes' own; empty where the resource's controller makes
	// them itself.
	Pods string

	Adds      []ProbeKind // what the controller adds to containers that have none of the kind
	FirstOnly bool        // it adds them to the first container alone
}

// OwnerOfPods is the kind of owner by which podvet judges the pods when they are created.
func (c *Custom) OwnerOfPods() string {
	switch {
	case c.Pods == "" || c.Kind == Rollout: // whose pods are told by a label
		return c.Kind
	case c.Pods == "ReplicationController":
		return c.Pods
	}
	return c.Like
}

// DefaultFixes tells whether fixes that are on by default reach the pods. Those of a ReplicaSet are made once; other
// controllers may compare a pod with what they asked for. Where Knative moves the probes there is none left to fix.
func (c *Custom) DefaultFixes() bool { return c.Pods == "ReplicaSet" && len(c.Adds) == 0 }

// Rollout of RolloutGroup is the kind of an Argo Rollout, and rolloutHash a label of its pods (argoproj/argo-rollouts
// pkg/apis/rollouts/v1alpha1/types.go).
const (
	Rollout      = "Rollout"
	RolloutGroup = "argoproj.io"
	rolloutHash  = "rollouts-pod-template-hash"
)
