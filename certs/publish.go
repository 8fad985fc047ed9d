package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	publishAttempts = 20                     // each after somebody else's write
	publishTimeout  = 10 * time.Second       // for all attempts
	repairInterval  = time.Second            // look for what expired, or could not be repaired
	repairPause     = 250 * time.Millisecond // so that two writers who disagree do not spin
)

// Publisher keeps the CA bundle of all webhooks in the two configurations of one name. Any number of them can
// work on the same two: each adds what it knows to be in force, and none takes away what can still be in use.
type Publisher struct {
	name   string
	client dynamic.Interface
	log    *slog.Logger
	now    func() time.Time // this replica's clock

	informers []cache.SharedIndexInformer // of each kind
	factory   dynamicinformer.DynamicSharedInformerFactory
	wake      chan struct{} // a configuration has changed

	mu       sync.Mutex
	standing standing
	watching lastError
	wrote    time.Time
	reads    map[string]configuration // what was read last, by kind
}

// NewPublisher publishes in the configurations of a name. The error is about config.
func NewPublisher(config *rest.Config, name string, log *slog.Logger) (*Publisher, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return newPublisher(client, name, log)
}

func newPublisher(client dynamic.Interface, name string, log *slog.Logger) (*Publisher, error) {
	p := &Publisher{name: name, client: client, log: log, now: time.Now, wake: make(chan struct{}, 1),
		reads: map[string]configuration{}}
	// The field selector is what lets RBAC limit list and watch to the name.
	selectName := func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	}
	p.factory = dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, metav1.NamespaceNone, selectName)
	changed := func() {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	failed := func(_ context.Context, _ *cache.Reflector, err error) { p.watchFailed(err) }
	for _, kind := range configurationKinds {
		informer := p.factory.ForResource(kind.resource).Informer()
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { changed() },
			UpdateFunc: func(any, any) { changed() },
			DeleteFunc: func(any) { changed() },
		})
		if err == nil {
			err = informer.SetWatchErrorHandlerWithContext(failed)
		}
		if err != nil {
			return nil, err
		}
		p.informers = append(p.informers, informer)
	}
	return p, nil
}

// watchFailed notes why a watch ended, and says it once. That it ends now and then is its nature.
func (p *Publisher) watchFailed(err error) {
	if errors.Is(err, io.EOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watching.becomes(err) {
		p.log.Warn("a webhook configuration cannot be watched", "name", p.name, "error", err)
	}
}

// Run watches the two configurations and repairs their bundles until ctx ends.
func (p *Publisher) Run(ctx context.Context) {
	p.factory.Start(ctx.Done())
	defer p.factory.Shutdown()
	ticker := time.NewTicker(repairInterval)
	defer ticker.Stop()
	var repair lastError
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-ticker.C:
		}
		due, err := p.repair(ctx)
		if ctx.Err() != nil {
			err = nil // it is only being stopped
		}
		if repair.becomes(err) { // not the one before, where someone else has published since
			p.log.Error("the CA bundle is not published", "error", err)
		}
		if due {
			time.Sleep(repairPause)
		}
	}
}

// repair publishes where the watches tell that something is due, and tells whether it was.
func (p *Publisher) repair(ctx context.Context) (due bool, err error) {
	configurations, err := p.cached()
	if err != nil || p.due(configurations) == nil {
		return false, nil //nolint:nilerr // watches that have seen nothing yet tell of nothing due
	}
	_, err = p.publish(ctx)
	return true, err
}

// Publish says what stands of the CAs from now on, and returns what the API server has once all webhooks carry those in
// force. The error is one line.
func (p *Publisher) Publish(ctx context.Context, inForce ...*x509.Certificate) (Published, error) {
	p.stand(standing{inForce: inForce})
	return p.publish(ctx)
}

// stand notes what stands of the CAs from now on. Run publishes it.
func (p *Publisher) stand(s standing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.standing = s
}

// wroteAt is when a bundle was last written, or tried to, by our own clock.
func (p *Publisher) wroteAt() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrote
}

// Published is what the API server has, as far as the watches tell.
func (p *Publisher) Published() (Published, error) {
	configurations, err := p.cached()
	return webhooks(configurations), err
}

// publish writes until it reads that nothing is missing. What it returns was read from the API server.
func (p *Publisher) publish(ctx context.Context) (Published, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	for range publishAttempts {
		configurations, err := p.read(ctx)
		if err != nil {
			return nil, err
		}
		want := p.due(configurations)
		if want == nil {
			return webhooks(configurations), nil
		}
		for _, c := range configurations {
			// On a conflict somebody else has written: what is there now is read again.
			err := p.apply(ctx, c, want)
			p.mu.Lock()
			p.wrote = p.now()
			p.mu.Unlock()
			if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				return nil, fmt.Errorf("the CA bundle cannot be published: %w: allow podvet to patch %s %s",
					err, c.kind.resource.Resource, p.name)
			}
		}
	}
	return nil, fmt.Errorf("the CA bundle cannot be published: "+
		"%d times somebody else changed it in the %s or the %s %s meanwhile: find who by their managedFields",
		publishAttempts, configurationKinds[0].name, configurationKinds[1].name, p.name)
}

// apply writes the bundle where a webhook does not carry it.
func (p *Publisher) apply(ctx context.Context, c configuration, want []byte) error {
	if c.carries(want) {
		return nil
	}
	// Force takes the field from whoever emptied it; the resourceVersion still guards against a race.
	how := metav1.ApplyOptions{FieldManager: FieldManager, Force: true}
	_, err := p.client.Resource(c.kind.resource).Apply(ctx, p.name, c.withBundle(want), how)
	return err
}

// due is the bundle that all webhooks should carry where one does not, given what they carry; nil for none. Before a CA
// is in force nothing is due, nor when all have expired: without a bundle the API server would trust every CA that its
// machine does.
func (p *Publisher) due(configurations []configuration) []byte {
	p.mu.Lock()
	standing := p.standing
	p.mu.Unlock()
	if len(standing.inForce) == 0 {
		return nil
	}
	want := bundle(standing, webhooks(configurations), p.now())
	lacks := func(c configuration) bool { return !c.carries(want) }
	if len(want) == 0 || !slices.ContainsFunc(configurations, lacks) {
		return nil
	}
	return want
}

// read gets the configurations that exist from the API server.
func (p *Publisher) read(ctx context.Context) ([]configuration, error) {
	var found []configuration
	for _, kind := range configurationKinds {
		object, err := p.client.Resource(kind.resource).Get(ctx, p.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the %s %s cannot be read: %w", kind.name, p.name, err)
		}
		c, err := toConfiguration(object, kind)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		p.reads[kind.name] = c
		p.mu.Unlock()
		found = append(found, c)
	}
	return found, nil
}

// latest is a configuration as it was read last, if that is newer than what a watch tells: one that was cut tells of
// what was. Resource versions are comparable within a kind (KEP-5504).
func (p *Publisher) latest(c configuration) configuration {
	p.mu.Lock()
	defer p.mu.Unlock()
	read := p.reads[c.kind.name] // without a version where there was none
	order, err := resourceversion.CompareResourceVersion(read.resourceVersion, c.resourceVersion)
	if err != nil || order <= 0 {
		return c
	}
	return read
}

// cached are the configurations that exist, as the watches tell.
func (p *Publisher) cached() ([]configuration, error) {
	var found []configuration
	for i, informer := range p.informers {
		kind := configurationKinds[i]
		if !informer.HasSynced() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.watching.err != nil {
				return nil, fmt.Errorf("the %s %s cannot be watched: %w", kind.name, p.name, p.watching.err)
			}
			return nil, fmt.Errorf("the %s %s has not been read yet", kind.name, p.name)
		}
		object, ok, err := informer.GetStore().GetByKey(p.name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		u, ok := object.(*unstructured.Unstructured)
		if !ok {
			return nil, errors.New("the watch holds something else than an object")
		}
		c, err := toConfiguration(u, kind)
		if err != nil {
			return nil, err
		}
		found = append(found, p.latest(c))
	}
	return found, nil
}
