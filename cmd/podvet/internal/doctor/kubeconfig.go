package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/policy/strict"
)

// Kubeconfig names a cluster as kubectl does. Where nothing is written that is KUBECONFIG, ~/.kube/config, or the
// cluster of the pod that podvet runs in.
type Kubeconfig struct {
	File, Context string

	// Direct is to dial pods by their own addresses, not through the API server. In a pod that is the default.
	Direct bool
}

// podToken is where the kubelet puts the token of a pod's account (client-go rest.InClusterConfig).
const podToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// Connect makes sure that the cluster answers, see Connect. The API server's logs know the caller by the agent.
func (k Kubeconfig) Connect(ctx context.Context, agent string) (Cluster, error) {
	console.QuietLibraries(slog.DiscardHandler) // what they tell of is said here in other words
	loader, files := k.loader()
	config, err := loader.ClientConfig()
	if err != nil {
		return Cluster{}, k.noCluster(err, files)
	}
	config.UserAgent = agent
	// Whoever has a pod's own account is on the network of the pods. Who has a kubeconfig may be anywhere, a pod too.
	return Connect(ctx, config, k.Direct || config.BearerTokenFile == podToken)
}

// loader reads the kubeconfig as kubectl does.
func (k Kubeconfig) loader() (clientcmd.ClientConfig, *clientcmd.ClientConfigLoadingRules) {
	files := clientcmd.NewDefaultClientConfigLoadingRules()
	files.ExplicitPath = k.File
	overrides := &clientcmd.ConfigOverrides{CurrentContext: k.Context}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(files, overrides), files
}

// Namespace is the one that the context names, else default, as for kubectl.
func (k Kubeconfig) Namespace() string {
	loader, _ := k.loader()
	if namespace, _, err := loader.Namespace(); err == nil {
		return namespace
	}
	return metav1.NamespaceDefault
}

// noCluster says why no cluster is named.
func (k Kubeconfig) noCluster(err error, files *clientcmd.ClientConfigLoadingRules) error {
	const remedy = "write --kubeconfig or --context, set KUBECONFIG, or run podvet in a pod"
	written, _ := files.Load()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return errors.New("no cluster is named: " + remedy)
	case written != nil && k.Context != "" && written.Contexts[k.Context] == nil:
		return fmt.Errorf("the kubeconfig has no context %q%s: kubectl config get-contexts lists them", k.Context,
			strict.DidYouMean(k.Context, slices.Sorted(maps.Keys(written.Contexts))))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the kubeconfig %s does not exist: %s", k.File, remedy)
	}
	return errors.New("the kubeconfig cannot be used: see kubectl config view, or " + remedy)
}
