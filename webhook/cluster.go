package webhook

import (
	"context"
	"net/http"

	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/rules/policy"
)

// Cluster is what the handler asks of the cluster that it judges for. No function may be nil.
type Cluster struct {
	// PolicyConfigMap is the only one that /validate-policy judges, zero for any.
	PolicyConfigMap types.NamespacedName
	// NamespaceLabels are those of a namespace, nil where there is none. A namespace that is not known yet is asked for
	// only if its labels are needed: this is the only call that a review makes. The error says why they are not known.
	NamespaceLabels func(ctx context.Context, name string, needed bool) (map[string]string, error)
	// NamespaceKnown tells whether there is a namespace, as far as that is known without asking.
	NamespaceKnown func(name string) bool
	// Namespaces are all of them with their labels, nil where they are not known.
	Namespaces func() map[string]map[string]string
	// Ready says what is missing before podvet can judge as it should, nil for nothing.
	Ready func() error
}

var noCluster = Cluster{
	NamespaceLabels: func(context.Context, string, bool) (map[string]string, error) { return nil, nil },
	NamespaceKnown:  func(string) bool { return true }, // nobody knows which there are
	Namespaces:      func() map[string]map[string]string { return nil },
	Ready:           func() error { return nil },
}

// labels are those of a namespace that a policy needs. Where they are not known podvet cannot judge: another answer
// than the failurePolicy's would let whoever keeps them from being known choose the mode.
func (c Cluster) labels(ctx context.Context, namespace string, p *policy.Policy) (map[string]string, error) {
	labels, err := c.NamespaceLabels(ctx, namespace, p.NamespaceLabels)
	if err != nil {
		return nil, &fault{http.StatusServiceUnavailable, "the labels of the namespace are not known: " + err.Error()}
	}
	return labels, nil
}
