// Package cluster follows what podvet needs to know of its cluster: the policy's ConfigMap, the last good policy's, and
// the labels of the namespaces. Nothing else is watched. It must not know the admission server: it is handed functions
// that put a policy in force and count, and hands on what it knows of namespaces.
package cluster

import (
	"context"
	"errors"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Options say what to follow, and whom to tell.
type Options struct {
	PolicyConfigMap types.NamespacedName // it need not exist
	LastGoodMarks   metav1.ObjectMeta    // labels and annotations of a last good policy that podvet has to make
	Hooks           Hooks
	Log             *slog.Logger
}

// Cluster is what podvet follows.
type Cluster struct {
	follower   follower
	namespaces *namespaces
}

// New starts nothing yet.
func New(ctx context.Context, config *rest.Config, o Options) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server's own flow control knows better
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	// Three kinds that every API server has: no discovery is needed, and none can fail.
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion})
	mapper.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Event"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	calls, err := client.New(config, client.Options{HTTPClient: httpClient, Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		follower: follower{key: o.PolicyConfigMap, hooks: o.Hooks, log: o.Log, changed: make(chan struct{}, 1),
			writer: writer{client: calls, policy: o.PolicyConfigMap, marks: o.LastGoodMarks}},
		namespaces: newNamespaces(calls, o.Hooks.NamespaceLookup),
	}
	w := watcher{config, cache.Options{HTTPClient: httpClient, Scheme: scheme, Mapper: mapper}, o.Log}
	if c.follower.policy, err = w.configMap(ctx, c.follower.key, c.follower.poke); err != nil {
		return nil, err
	}
	if c.follower.lastGood, err = w.configMap(ctx, lastGoodOf(c.follower.key), c.follower.poke); err != nil {
		return nil, err
	}
	if c.namespaces.watch, err = w.namespaces(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Run follows the cluster until ctx ends.
func (c *Cluster) Run(ctx context.Context) error {
	failed := make(chan error, 3)
	for _, w := range []*watch{c.follower.policy, c.follower.lastGood, c.namespaces.watch} {
		go func() { failed <- w.cache.Start(ctx) }()
	}
	// One that is absent sends no event.
	for _, w := range []*watch{c.follower.policy, c.follower.lastGood} {
		go func() {
			if w.cache.WaitForCacheSync(ctx) {
				c.follower.poke()
			}
		}()
	}
	c.follower.run(ctx)
	return errors.Join(<-failed, <-failed, <-failed)
}

// Ready says what is missing before podvet can judge as it should: nil for nothing.
func (c *Cluster) Ready() error {
	if !c.follower.inForce.Load() {
		for _, w := range []*watch{c.follower.policy, c.follower.lastGood} {
			if !w.synced() {
				return w.notRead()
			}
		}
		return errors.New("the policy is being loaded")
	}
	if !c.namespaces.synced() {
		return c.namespaces.notRead()
	}
	return nil
}

// NamespaceLabels are the labels of a namespace, nil where there is none. If they are needed and not known the API
// server is asked, for half a second. The error says why they are not known then.
func (c *Cluster) NamespaceLabels(ctx context.Context, name string, needed bool) (map[string]string, error) {
	return c.namespaces.labels(ctx, name, needed)
}

// NamespaceKnown tells whether there is a namespace, as far as the watch has shown.
func (c *Cluster) NamespaceKnown(name string) bool { return c.namespaces.has(name) }

// Namespaces are those of the cluster with their labels, nil before they are read.
func (c *Cluster) Namespaces() map[string]map[string]string { return c.namespaces.known() }
