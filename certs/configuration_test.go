package certs

import (
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// TestNotUnderstood: an object of another form is an error that names it, read or watched.
func TestNotUnderstood(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": testConfiguration}, "webhooks": "none"}}
	_, err := toConfiguration(object, configurationKinds[1])
	const words = "the ValidatingWebhookConfiguration podvet-hooks cannot be understood: "
	says(t, "alone", err, words)

	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.dynamic.PrependReactor("get", "validatingwebhookconfigurations",
			func(clienttesting.Action) (bool, runtime.Object, error) { return true, object, nil })
		p, _ := c.publisher(t)
		_, err := p.Publish(t.Context(), newCA(t, time.Hour, nil).certificate)
		says(t, "read", err, words)
		p.run(t)
		if err := p.informers[1].GetStore().Add(object); err != nil {
			t.Fatal(err)
		}
		_, err = p.Published()
		says(t, "watched", err, words)
	})
}

// TestChanged is when podvet wrote last: other managers' writes do not count.
func TestChanged(t *testing.T) {
	at := func(second int) *metav1.Time { return new(metav1.Unix(int64(second), 0)) }
	object := &unstructured.Unstructured{Object: map[string]any{"webhooks": []any{map[string]any{"name": "a"}}}}
	object.SetManagedFields([]metav1.ManagedFieldsEntry{
		{Manager: FieldManager, Time: at(10)}, {Manager: FieldManager, Time: at(20)},
		{Manager: FieldManager, Time: at(15)}, {Manager: "helm", Time: at(30)}, {Manager: FieldManager},
	})
	c, err := toConfiguration(object, configurationKinds[0])
	if err != nil {
		t.Fatal(err)
	}
	later := Webhook{Changed: time.Unix(25, 0)}
	if got := c.webhooks.changed().Unix(); got != 20 {
		t.Errorf("%d", got)
	}
	if got := append(Published{later}, c.webhooks...).changed().Unix(); got != 25 {
		t.Errorf("of two: %d", got)
	}
	if !(Published{}).changed().IsZero() {
		t.Error("of none")
	}
}
