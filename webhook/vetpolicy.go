package webhook

import (
	"context"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/go-json-experiment/json"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/policy"
)

// vetPolicy judges the policy's ConfigMap before it is stored: all of its mistakes at once, and what is worth a
// second look as warnings. Any other ConfigMap is admitted.
func (h *Handler) vetPolicy(_ context.Context, r *request, _ *policy.Policy) (verdict, error) {
	if r.Kind.Group != "" || r.Kind.Kind != "ConfigMap" || r.SubResource != "" || r.Operation != "CREATE" && r.Operation != "UPDATE" {
		return verdict{}, nil
	}
	if h.cluster != nil && (r.Namespace != h.cluster.key.Namespace || r.Name != h.cluster.key.Name) {
		return verdict{}, nil
	}
	var object corev1.ConfigMap
	if err := json.Unmarshal(r.Object, &object, decodeOptions); err != nil {
		return verdict{}, badRequest("the ConfigMap cannot be read: %v", err)
	}
	if object.DeletionTimestamp != nil {
		return verdict{}, nil
	}
	text, ok := object.Data[policy.Key]
	if !ok {
		return verdict{lines: []string{fmt.Sprintf("the ConfigMap has no key %s: write the policy under it", policy.Key)}, refused: true}, nil
	}
	h.loading.Lock()
	defer h.loading.Unlock()
	now := time.Now()
	_, unknown, err := policy.LoadShared(policy.Key, []byte(text), now)
	if err != nil {
		return verdict{lines: []string{err.Error()}, refused: true}, nil
	}
	v := verdict{}
	for _, advice := range append(unknown, policy.Advice(policy.Key, []byte(text), now, h.knownNamespaces())...) {
		v.lines = append(v.lines, rules.OneLine(advice.Error()))
	}
	return v, nil
}

// knownNamespaces are those of the cluster with their labels, nil where they are not known.
func (h *Handler) knownNamespaces() map[string]map[string]string {
	if h.cluster == nil || !h.cluster.namespaces.synced() {
		return nil
	}
	known := map[string]map[string]string{}
	for _, object := range h.cluster.namespaces.store.List() {
		namespace := object.(*metav1.PartialObjectMetadata)
		known[namespace.Name] = namespace.Labels
	}
	return known
}

// refusal is the status of an object that is not admitted.
func refusal(message string) *status {
	return &status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: message}
}
