package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lookupTimeout bounds the one call that a review may make.
const lookupTimeout = 500 * time.Millisecond

// Reviews name namespaces, and whoever reaches podvet can write reviews: nobody is to make the API server work with
// podvet's rights. A cluster that makes namespaces fast stays far below this.
const (
	lookupsPerSecond = 10
	lookupsAtOnce    = 50
)

// answerKept is how long an answer is remembered, also that a namespace does not exist: what the watch shows is newer.
const answerKept = time.Second

// namespaces are those of the cluster with their labels.
type namespaces struct {
	*watch
	client  client.Client
	lookups singleflight.Group // of namespaces that are not there yet
	limit   *rate.Limiter
	count   func(result string)

	mu      sync.Mutex
	answers map[string]answer // by name: the limit bounds how many there are
}

// answer is what the API server said of a namespace, nil labels where there is none.
type answer struct {
	labels map[string]string
	until  time.Time
}

func newNamespaces(calls client.Client, count func(result string)) *namespaces {
	return &namespaces{client: calls, count: count, limit: rate.NewLimiter(lookupsPerSecond, lookupsAtOnce),
		answers: map[string]answer{}}
}

// labels are those of a namespace. One that was created together with the pod may not have been seen yet: if its labels
// are needed it is asked for, once for all reviews that wait for it. The error says why they are not known.
func (n *namespaces) labels(ctx context.Context, name string, needed bool) (map[string]string, error) {
	if object, ok, _ := n.store.GetByKey(name); ok {
		return object.(*metav1.PartialObjectMetadata).Labels, nil
	}
	if !needed || len(validation.IsDNS1123Label(name)) > 0 { // no namespace has such a name
		return nil, nil
	}
	found, err, _ := n.lookups.Do(name, func() (any, error) {
		// Others wait for it too: the first one's caller may go.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
		defer stop()
		return n.lookUp(ctx, name)
	})
	labels, _ := found.(map[string]string)
	return labels, err
}

func (n *namespaces) lookUp(ctx context.Context, name string) (map[string]string, error) {
	if known, ok := n.remembered(name, time.Now()); ok {
		return known, nil
	}
	if !n.limit.Allow() {
		n.count("limited")
		return nil, errors.New("too many namespaces were asked for that podvet does not know")
	}
	object := namespaceMetadata()
	err := n.client.Get(ctx, types.NamespacedName{Name: name}, object)
	switch {
	case err == nil:
		n.count("found")
	case apierrors.IsNotFound(err):
		n.count("absent")
	default:
		n.count("failed")
		return nil, whyNot(err)
	}
	n.remember(name, object.Labels, time.Now())
	return object.Labels, nil
}

// whyNot says why the API server did not tell. Whoever created the pod reads it.
func whyNot(err error) error {
	switch {
	case apierrors.IsForbidden(err):
		return errors.New("podvet may not get namespaces")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the API server did not answer in time")
	}
	return errors.New("the API server could not be asked")
}

func (n *namespaces) remembered(name string, now time.Time) (map[string]string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.answers[name]
	return a.labels, ok && now.Before(a.until)
}

func (n *namespaces) remember(name string, labels map[string]string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other, a := range n.answers {
		if !now.Before(a.until) {
			delete(n.answers, other)
		}
	}
	n.answers[name] = answer{labels, now.Add(answerKept)}
}

// has tells whether a namespace is known.
func (n *namespaces) has(name string) bool {
	_, ok, _ := n.store.GetByKey(name)
	return ok
}

// known are all of them with their labels, nil before they are read.
func (n *namespaces) known() map[string]map[string]string {
	if !n.synced() {
		return nil
	}
	known := map[string]map[string]string{}
	for _, object := range n.store.List() {
		namespace := object.(*metav1.PartialObjectMetadata)
		known[namespace.Name] = namespace.Labels
	}
	return known
}
