package env

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"
)

// Warnings keep every warning of the API server to a client, as it came. Texts are read while no request runs.
type Warnings struct {
	mu    sync.Mutex
	Texts []string
}

// HandleWarningHeader is called by client-go.
func (w *Warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Texts = append(w.Texts, text)
}

// kinds are those that the API server has when it has just started.
var kinds = sync.OnceValues(func() (meta.RESTMapper, error) {
	client, err := discovery.NewDiscoveryClientForConfig(API.Config)
	if err != nil {
		return nil, err
	}
	resources, err := restmapper.GetAPIGroupResources(client)
	return restmapper.NewDiscoveryRESTMapper(resources), err
})

// Try is kubectl create --dry-run=server of a manifest with one object of Kubernetes' own kinds, without the third of a
// second that a process takes: hundreds are tried. It returns what the API server warns of.
func Try(ctx context.Context, ns string, manifest []byte) ([]string, error) {
	text, err := yaml.YAMLToJSON(manifest)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil { // which keeps large numbers as they are
		return nil, err
	}
	known, err := kinds()
	if err != nil {
		return nil, err
	}
	kind := object.GroupVersionKind()
	mapping, err := known.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	w := &Warnings{}
	config := rest.CopyConfig(API.Config)
	config.WarningHandler = w
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	_, err = client.Resource(mapping.Resource).Namespace(ns).Create(ctx, object, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
	return w.Texts, err
}
