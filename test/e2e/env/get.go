package env

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Get reads an object as kubectl get does, which would take a quarter of a second of a processor each time.
func Get[T any](t *testing.T, ns, resource, name string) *T {
	t.Helper()
	obj, err := objects(t, ns, resource).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatalf("%s %s: %v", resource, name, err)
	}
	return as[T](t, obj)
}

// List reads the objects of a namespace, all or those that are selected.
func List[T any](t *testing.T, ns, resource string, selected metav1.ListOptions) *T {
	t.Helper()
	list, err := objects(t, ns, resource).List(t.Context(), selected)
	if err != nil {
		t.Fatalf("%s: %v", resource, err)
	}
	return as[T](t, list)
}

// OfApp selects what has the label app.
func OfApp(name string) metav1.ListOptions { return metav1.ListOptions{LabelSelector: "app=" + name} }

func objects(t *testing.T, ns, resource string) dynamic.ResourceInterface {
	t.Helper()
	mapper, err := kinds()
	if err != nil {
		t.Fatal(err)
	}
	which, err := mapper.ResourceFor(schema.GroupVersionResource{Resource: resource})
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(API.Config)
	if err != nil {
		t.Fatal(err)
	}
	return client.Resource(which).Namespace(ns)
}

func as[T any](t *testing.T, from json.Marshaler) *T {
	t.Helper()
	obj := new(T)
	if err := json.Unmarshal(JSON(from), obj); err != nil {
		t.Fatal(err)
	}
	return obj
}
