package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/webhook"
	"github.com/podvet/podvet/webhook/budget"
	"github.com/podvet/podvet/webhook/cluster"
)

// inCluster follows the policy of a cluster. It serves from the start: what is missing is said by /readyz.
func inCluster(ctx context.Context, o Options, out, errOut io.Writer) error {
	log := slog.New(console.Calm(slog.NewJSONHandler(errOut, console.LogOptions)))
	slog.SetDefault(log) // net/http tells of failed handshakes by the log package
	console.QuietLibraries(log.Handler())
	kubeconfig := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(kubeconfig, nil).ClientConfig()
	if err != nil {
		return fmt.Errorf("no cluster: %w: run podvet in a pod, or set KUBECONFIG", err)
	}
	config.UserAgent = "podvet/" + o.Version
	handler := webhook.NewHandler(nil, o.MaxConcurrent, log)
	handler.Within(budget.Memory())
	watches := cluster.NewWatches(log)
	config.Wrap(watches.Transport)
	if err := handler.Registry().Register(watches); err != nil {
		return err
	}
	followed, err := o.follow(ctx, config, handler, log)
	if err != nil {
		return fmt.Errorf("the cluster cannot be followed: %w", err)
	}
	if o.Server.Certificate, err = o.certificate(config, handler, log); err != nil {
		return err
	}
	if o.Server.ClientCAs, err = o.clientCAs(); err != nil {
		return err
	}
	if o.GuardMetrics {
		if o.Server.MetricsGuard, err = cluster.ReadersOnly(config); err != nil {
			return err
		}
	}
	// While it drains podvet still judges, and so still follows.
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- followed.Run(following) }()
	go watches.Run(following)
	o.Server.Started = func() {
		_, _ = fmt.Fprintf(out, "podvet %s serves on port %d with the policy in the ConfigMap %s\n",
			o.Version, o.Server.Port, o.PolicyConfigMap)
	}
	if err := o.explain(handler.Serve(ctx, o.Server)); err != nil {
		return err
	}
	stop()
	return <-failed
}

// follow has the handler judge by what the cluster says.
func (o *Options) follow(
	ctx context.Context, config *rest.Config, handler *webhook.Handler, log *slog.Logger,
) (*cluster.Cluster, error) {
	namespace, name, _ := strings.Cut(o.PolicyConfigMap, "/")
	configMap := types.NamespacedName{Namespace: namespace, Name: name}
	followed, err := cluster.New(ctx, config, cluster.Options{
		PolicyConfigMap: configMap, LastGoodMarks: o.marks(), Log: log,
		Hooks: cluster.Hooks{SetPolicy: onNodes(config, handler.SetPolicy), Loading: handler.Loading(),
			PolicyChanged: handler.PolicyChanged, PolicyBad: handler.PolicyBad,
			NamespaceLookup: handler.NamespaceLookup},
	})
	if err != nil {
		return nil, err
	}
	handler.InCluster(webhook.Cluster{PolicyConfigMap: configMap, NamespaceLabels: followed.NamespaceLabels,
		NamespaceKnown: followed.NamespaceKnown, Namespaces: followed.Namespaces, Ready: followed.Ready})
	return followed, nil
}

// onNodes has policies that name no versions be about those of the cluster's nodes: from three below the API server's
// to the API server's (Kubernetes' version skew policy). If the API server does not answer they are about podvet's own.
func onNodes(config *rest.Config, set func(*policy.Policy, string)) func(*policy.Policy, string) {
	config = rest.CopyConfig(config)
	config.Timeout = 5 * time.Second // meanwhile the policy is not in force
	newest := func() int {
		client, err := discovery.NewDiscoveryClientForConfig(config)
		if err != nil {
			return pod.Newest
		}
		version, err := client.ServerVersion()
		if err != nil {
			return pod.Newest
		}
		return pod.MinorOf(version.Minor)
	}
	return func(p *policy.Policy, source string) {
		if p.Written().Kubernetes == "" { // else every scope has some already
			p = p.OnNodes(pod.Beside(newest()))
		}
		set(p, source)
	}
}
