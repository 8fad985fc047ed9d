package cluster

import (
	"context"
	"fmt"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// watch is one kind of object, kept up to date.
type watch struct {
	what    string
	cache   cache.Cache
	store   toolscache.Store // of the namespaces, by name
	synced  func() bool
	lastErr said // of no interest once it is synced
}

func (w *watch) notRead() error {
	if reason := w.lastErr.last(); reason != "" {
		return fmt.Errorf("%s cannot be read: %s", w.what, reason)
	}
	return fmt.Errorf("%s: not read yet", w.what)
}

// watcher makes watches. They start with their caches.
type watcher struct {
	config  *rest.Config
	options cache.Options
	log     *slog.Logger
}

// configMap watches one by its name. changed is called whenever it has.
func (w watcher) configMap(ctx context.Context, key types.NamespacedName, changed func()) (*watch, error) {
	w.options.ByObject = map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{
		key.Namespace: {FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, key.Name)}}}}
	made, informer, err := w.make(ctx, "the ConfigMap "+key.String(), &corev1.ConfigMap{})
	if err != nil {
		return nil, err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changed() },
		UpdateFunc: func(_, _ any) { changed() },
		DeleteFunc: func(any) { changed() },
	})
	return made, err
}

// namespaces watches the metadata of all of them.
func (w watcher) namespaces(ctx context.Context) (*watch, error) {
	made, informer, err := w.make(ctx, "the namespaces", namespaceMetadata())
	if err != nil {
		return nil, err
	}
	if shared, ok := informer.(toolscache.SharedIndexInformer); ok {
		made.store = shared.GetStore()
	}
	return made, nil
}

func (w watcher) make(ctx context.Context, what string, object client.Object) (*watch, cache.Informer, error) {
	made := &watch{what: what}
	w.options.DefaultWatchErrorHandler = func(_ context.Context, _ *toolscache.Reflector, err error) {
		if text := err.Error(); made.lastErr.changed(text) {
			w.log.Warn("cannot watch", "what", what, "error", text)
		}
	}
	w.options.DefaultTransform = onlyWhatIsRead
	var err error
	if made.cache, err = cache.New(w.config, w.options); err != nil {
		return nil, nil, err
	}
	informer, err := made.cache.GetInformer(ctx, object, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, nil, err
	}
	made.synced = informer.HasSynced
	return made, informer, nil
}

// namespaceMetadata: of a namespace only its metadata is asked for.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}

// onlyWhatIsRead drops what would only take memory: a cluster has thousands of namespaces.
func onlyWhatIsRead(object any) (any, error) {
	if o, ok := object.(*metav1.PartialObjectMetadata); ok {
		o.Annotations, o.ManagedFields, o.OwnerReferences, o.Finalizers = nil, nil, nil, nil
	}
	return object, nil
}
