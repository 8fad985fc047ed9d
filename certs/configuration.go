package certs

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// FieldManager owns clientConfig.caBundle, and nothing else.
const FieldManager = "podvet"

// A configurationKind is one of the two kinds of webhook configuration.
type configurationKind struct {
	name     string
	resource schema.GroupVersionResource
}

// Both kinds have the fields that matter here in the same places.
var configurationKinds = []configurationKind{
	{"MutatingWebhookConfiguration", schema.GroupVersionResource{
		Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}},
	{"ValidatingWebhookConfiguration", schema.GroupVersionResource{
		Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"}},
}

// A configuration is an object of one of the kinds, as far as certificates go.
type configuration struct {
	kind            configurationKind
	name            string
	resourceVersion string
	webhooks        Published
}

// toConfiguration reads an object, and when podvet last wrote it.
func toConfiguration(object *unstructured.Unstructured, kind configurationKind) (configuration, error) {
	var read struct {
		Webhooks Published `json:"webhooks"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &read); err != nil {
		return configuration{}, fmt.Errorf("the %s %s cannot be understood: %w", kind.name, object.GetName(), err)
	}
	for _, by := range object.GetManagedFields() {
		for i := range read.Webhooks {
			if w := &read.Webhooks[i]; by.Manager == FieldManager && by.Time != nil && by.Time.After(w.Changed) {
				w.Changed = by.Time.Time
			}
		}
	}
	return configuration{kind, object.GetName(), object.GetResourceVersion(), read.Webhooks}, nil
}

// carries tells whether each webhook has that CA bundle.
func (c configuration) carries(bundle []byte) bool {
	for _, w := range c.webhooks {
		if !bytes.Equal(w.ClientConfig.CABundle, bundle) {
			return false
		}
	}
	return true
}

// withBundle is the server-side apply of clientConfig.caBundle to each webhook, on condition that nobody has written
// since c was read.
func (c configuration) withBundle(bundle []byte) *unstructured.Unstructured {
	entries := make([]any, 0, len(c.webhooks))
	for _, w := range c.webhooks {
		entries = append(entries, map[string]any{
			"name":         w.Name,
			"clientConfig": map[string]any{"caBundle": base64.StdEncoding.EncodeToString(bundle)},
		})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": c.kind.resource.GroupVersion().String(),
		"kind":       c.kind.name,
		"metadata":   map[string]any{"name": c.name, "resourceVersion": c.resourceVersion},
		"webhooks":   entries,
	}}
}

// webhooks are those of all configurations.
func webhooks(configurations []configuration) Published {
	var all Published
	for _, c := range configurations {
		all = append(all, c.webhooks...)
	}
	return all
}
