package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// FieldManager owns clientConfig.caBundle, and nothing else.
const FieldManager = "podvet"

const (
	publishAttempts = 20                     // each after somebody else's write
	repairEvery     = time.Second            // look for what expired, or could not be repaired
	repairPause     = 250 * time.Millisecond // so that two writers who disagree do not spin
	apiTimeout      = 10 * time.Second
)

// Both kinds of configuration have the fields that matter here in the same places.
var configurationKinds = []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}

var configurationResources = []schema.GroupVersionResource{
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"},
}

// configuration is one of the two, as far as certificates go.
type configuration struct {
	kind            int // index into configurationKinds
	resourceVersion string
	webhooks        Published
}

// Publisher keeps the CA bundle of all webhooks in the two configurations of one name. Any number of them can
// work on the same two: each adds what it knows to be in force, and none takes away what is not expired.
type Publisher struct {
	name   string
	client dynamic.Interface
	log    *slog.Logger

	informers []cache.SharedIndexInformer // of each kind
	factory   dynamicinformer.DynamicSharedInformerFactory
	wake      chan struct{} // a configuration has changed

	mu       sync.Mutex
	inForce  []*x509.Certificate
	watchErr error // the last one
	wrote    time.Time
}

// NewPublisher publishes in the configurations of a name. The error is about config.
func NewPublisher(config *rest.Config, name string, log *slog.Logger) (*Publisher, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	p := &Publisher{name: name, client: client, log: log, wake: make(chan struct{}, 1)}
	// The field selector is what lets RBAC limit list and watch to the name.
	p.factory = dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, metav1.NamespaceNone, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	})
	changed := func() {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	for _, resource := range configurationResources {
		informer := p.factory.ForResource(resource).Informer()
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { changed() }, UpdateFunc: func(any, any) { changed() }, DeleteFunc: func(any) { changed() },
		})
		if err == nil {
			err = informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) { p.watchFailed(err) })
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
	if p.watchErr == nil || p.watchErr.Error() != err.Error() {
		p.log.Warn("a webhook configuration cannot be watched", "name", p.name, "error", err)
	}
	p.watchErr = err
}

// Run watches the two configurations and repairs their bundles until ctx ends.
func (p *Publisher) Run(ctx context.Context) {
	p.factory.Start(ctx.Done())
	defer p.factory.Shutdown()
	ticker := time.NewTicker(repairEvery)
	defer ticker.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-ticker.C:
		}
		configurations, err := p.cached()
		if err != nil || !p.needed(configurations) {
			continue
		}
		trouble := ""
		if _, err := p.publish(ctx); err != nil && ctx.Err() == nil {
			trouble = err.Error()
		}
		if trouble != "" && trouble != said {
			p.log.Error("the CA bundle is not published", "error", trouble)
		}
		said = trouble
		time.Sleep(repairPause)
	}
}

// Publish says which CAs are in force from now on, and returns what the API server has once all webhooks carry
// them. The error is one line.
func (p *Publisher) Publish(ctx context.Context, inForce ...*x509.Certificate) (Published, error) {
	p.mu.Lock()
	p.inForce = inForce
	p.mu.Unlock()
	return p.publish(ctx)
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
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	for range publishAttempts {
		configurations, err := p.read(ctx)
		if err != nil {
			return nil, err
		}
		if !p.needed(configurations) {
			return webhooks(configurations), nil
		}
		want := p.bundle(configurations)
		for _, c := range configurations {
			// On a conflict somebody else has written: what is there now is read again.
			err := p.apply(ctx, c, want)
			p.mu.Lock()
			p.wrote = time.Now()
			p.mu.Unlock()
			if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
				return nil, fmt.Errorf("the CA bundle cannot be published: %w: allow podvet to patch %s %s", err, configurationResources[c.kind].Resource, p.name)
			}
		}
	}
	return nil, fmt.Errorf("the CA bundle cannot be published: %d times somebody else changed it in the %s or the %s %s meanwhile: find who by their managedFields",
		publishAttempts, configurationKinds[0], configurationKinds[1], p.name)
}

// apply writes clientConfig.caBundle of each webhook, on condition that nobody has written since c was read.
func (p *Publisher) apply(ctx context.Context, c configuration, want []byte) error {
	entries, missing := make([]any, 0, len(c.webhooks)), false
	for _, w := range c.webhooks {
		missing = missing || !bytes.Equal(w.ClientConfig.CABundle, want)
		entries = append(entries, map[string]any{
			"name":         w.Name,
			"clientConfig": map[string]any{"caBundle": base64.StdEncoding.EncodeToString(want)},
		})
	}
	if !missing {
		return nil
	}
	resource := configurationResources[c.kind]
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": resource.GroupVersion().String(),
		"kind":       configurationKinds[c.kind],
		"metadata":   map[string]any{"name": p.name, "resourceVersion": c.resourceVersion},
		"webhooks":   entries,
	}}
	// Force takes the field from whoever emptied it; the resourceVersion still guards against a race.
	_, err := p.client.Resource(resource).Apply(ctx, p.name, object, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	return err
}

// bundle is what all webhooks should carry, given what they carry.
func (p *Publisher) bundle(configurations []configuration) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bundle(p.inForce, webhooks(configurations), time.Now())
}

// needed tells whether a webhook does not carry what it should. Before a CA is in force nothing is, nor when all
// have expired: without a bundle the API server would trust every CA that its machine does.
func (p *Publisher) needed(configurations []configuration) bool {
	p.mu.Lock()
	known := len(p.inForce) > 0
	p.mu.Unlock()
	want := p.bundle(configurations)
	if !known || len(want) == 0 {
		return false
	}
	for _, w := range webhooks(configurations) {
		if !bytes.Equal(w.ClientConfig.CABundle, want) {
			return true
		}
	}
	return false
}

// read gets the configurations that exist from the API server.
func (p *Publisher) read(ctx context.Context) ([]configuration, error) {
	var found []configuration
	for kind, resource := range configurationResources {
		object, err := p.client.Resource(resource).Get(ctx, p.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the %s %s cannot be read: %w", configurationKinds[kind], p.name, err)
		}
		c, err := toConfiguration(object, kind)
		if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	return found, nil
}

// cached are the configurations that exist, as the watches tell.
func (p *Publisher) cached() ([]configuration, error) {
	var found []configuration
	for kind, informer := range p.informers {
		if !informer.HasSynced() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.watchErr != nil {
				return nil, fmt.Errorf("the %s %s cannot be watched: %w", configurationKinds[kind], p.name, p.watchErr)
			}
			return nil, fmt.Errorf("the %s %s has not been read yet", configurationKinds[kind], p.name)
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
		found = append(found, c)
	}
	return found, nil
}

func toConfiguration(object *unstructured.Unstructured, kind int) (configuration, error) {
	var read struct {
		Webhooks Published `json:"webhooks"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &read); err != nil {
		return configuration{}, fmt.Errorf("the %s %s cannot be understood: %w", configurationKinds[kind], object.GetName(), err)
	}
	for _, by := range object.GetManagedFields() {
		for i := range read.Webhooks {
			if w := &read.Webhooks[i]; by.Manager == FieldManager && by.Time != nil && by.Time.After(w.Changed) {
				w.Changed = by.Time.Time
			}
		}
	}
	return configuration{kind, object.GetResourceVersion(), read.Webhooks}, nil
}

func webhooks(configurations []configuration) Published {
	var all Published
	for _, c := range configurations {
		all = append(all, c.webhooks...)
	}
	return all
}
