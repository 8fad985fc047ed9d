package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cluster is what podvet follows in its cluster: the policy's ConfigMap, the last good policy's, and the labels of
// the namespaces. Nothing else is watched.
type Cluster struct {
	Marks metav1.ObjectMeta // labels and annotations of a last good policy that podvet has to make; set before Run

	handler *Handler
	log     *slog.Logger
	client  client.Client
	key     types.NamespacedName // of the policy's ConfigMap

	policy, lastGood, namespaces *watch
	lookups                      singleflight.Group // of namespaces that are not there yet
	follower                     follower
}

// watch is one kind of object, kept up to date.
type watch struct {
	what   string
	cache  cache.Cache
	store  toolscache.Store // of the namespaces, by name
	synced func() bool
	err    atomic.Pointer[string] // the last one; of no interest once it is synced
}

// InCluster lets the handler follow a cluster. The policy's ConfigMap need not exist.
func (h *Handler) InCluster(ctx context.Context, config *rest.Config, policyConfigMap types.NamespacedName) (*Cluster, error) {
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
	c := &Cluster{handler: h, log: h.log, key: policyConfigMap}
	if c.client, err = client.New(config, client.Options{HTTPClient: httpClient, Scheme: scheme, Mapper: mapper}); err != nil {
		return nil, err
	}
	c.follower = newFollower(c)

	options := cache.Options{HTTPClient: httpClient, Scheme: scheme, Mapper: mapper}
	named := func(name string) cache.Options {
		o := options
		o.ByObject = map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{
			policyConfigMap.Namespace: {FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, name)}}}}
		return o
	}
	if c.policy, err = c.newWatch(ctx, config, "the ConfigMap "+c.key.String(), named(c.key.Name), &corev1.ConfigMap{}, c.follower.poke); err != nil {
		return nil, err
	}
	if c.lastGood, err = c.newWatch(ctx, config, "the ConfigMap "+c.lastGoodKey().String(), named(c.lastGoodKey().Name), &corev1.ConfigMap{}, c.follower.poke); err != nil {
		return nil, err
	}
	if c.namespaces, err = c.newWatch(ctx, config, "the namespaces", options, namespaceMetadata(), nil); err != nil {
		return nil, err
	}
	h.cluster = c
	return c, nil
}

func (c *Cluster) lastGoodKey() types.NamespacedName {
	return types.NamespacedName{Namespace: c.key.Namespace, Name: c.key.Name + "-last-good"}
}

// namespaceMetadata: of a namespace only its metadata is asked for.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}

// newWatch starts nothing yet. changed may be nil.
func (c *Cluster) newWatch(ctx context.Context, config *rest.Config, what string, o cache.Options, object client.Object, changed func()) (*watch, error) {
	w := &watch{what: what}
	o.DefaultWatchErrorHandler = func(_ context.Context, _ *toolscache.Reflector, err error) {
		text := err.Error()
		if last := w.err.Swap(&text); last == nil || *last != text {
			c.log.Warn("cannot watch", "what", what, "error", text)
		}
	}
	o.DefaultTransform = onlyWhatIsRead
	var err error
	if w.cache, err = cache.New(config, o); err != nil {
		return nil, err
	}
	informer, err := w.cache.GetInformer(ctx, object, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	w.synced = informer.HasSynced
	if shared, ok := informer.(toolscache.SharedIndexInformer); ok {
		w.store = shared.GetStore()
	}
	if changed != nil {
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { changed() }, UpdateFunc: func(_, _ any) { changed() }, DeleteFunc: func(any) { changed() }})
	}
	return w, err
}

// onlyWhatIsRead drops what would only take memory: a cluster has thousands of namespaces.
func onlyWhatIsRead(object any) (any, error) {
	if o, ok := object.(*metav1.PartialObjectMetadata); ok {
		o.Annotations, o.ManagedFields, o.OwnerReferences, o.Finalizers = nil, nil, nil, nil
	}
	return object, nil
}

// Run follows the cluster until ctx ends.
func (c *Cluster) Run(ctx context.Context) error {
	failed := make(chan error, 3)
	for _, w := range []*watch{c.policy, c.lastGood, c.namespaces} {
		go func() { failed <- w.cache.Start(ctx) }()
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
	if c.handler.policy.Load() == nil {
		for _, w := range []*watch{c.policy, c.lastGood} {
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

func (w *watch) notRead() error {
	if reason := w.err.Load(); reason != nil {
		return fmt.Errorf("%s cannot be read: %s", w.what, *reason)
	}
	return fmt.Errorf("%s: not read yet", w.what)
}

// lookupTimeout bounds the one call that a review may make.
const lookupTimeout = 500 * time.Millisecond

// namespaceLabels are the labels of a namespace. One that was created together with the pod may not have been seen
// yet: it is asked for, once for all reviews that wait for it.
func (c *Cluster) namespaceLabels(ctx context.Context, name string) map[string]string {
	if object, ok, _ := c.namespaces.store.GetByKey(name); ok {
		return object.(*metav1.PartialObjectMetadata).Labels
	}
	found, _, _ := c.lookups.Do(name, func() (any, error) {
		// Others wait for it too: the first one's caller may go.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer stop()
		object := namespaceMetadata()
		err := c.client.Get(ctx, types.NamespacedName{Name: name}, object)
		result := "found"
		switch {
		case apierrors.IsNotFound(err):
			result = "absent"
		case err != nil:
			result = "failed"
			c.log.Warn("the labels of a namespace are not known: judging without them", "namespace", name, "error", err.Error())
		}
		c.handler.metrics.lookups.WithLabelValues(result).Inc()
		return object.Labels, nil
	})
	labels, _ := found.(map[string]string)
	return labels
}

// readiness says what is missing before podvet can answer as it should, nil for nothing. A new reason is logged: the
// kubelet shows none.
func (h *Handler) readiness(certificate Certificate, started func(*http.Request) error) func(*http.Request) error {
	missing := h.missing(certificate, started)
	var last atomic.Pointer[string]
	return func(r *http.Request) error {
		if h.draining.Load() {
			return errors.New("shutting down")
		}
		err := missing(r)
		reason := ""
		if err != nil {
			reason = err.Error()
		}
		// Some say how late it is.
		known := strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return '0'
			}
			return r
		}, reason)
		if said := last.Swap(&known); said == nil || *said != known {
			if err != nil {
				h.log.Warn("not ready", "reason", reason)
			} else {
				h.log.Info("ready")
			}
		}
		return err
	}
}

func (h *Handler) missing(certificate Certificate, started func(*http.Request) error) func(*http.Request) error {
	return func(r *http.Request) error {
		if h.cluster != nil {
			if err := h.cluster.Ready(); err != nil {
				return err
			}
		}
		// Before the server's own look, which knows no reason why there is no certificate.
		if err := certificate.Ready(); err != nil {
			return err
		}
		return started(r)
	}
}
