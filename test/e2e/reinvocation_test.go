package e2e

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// TestReinvocation: a webhook that runs after podvet injects a container; podvet is asked again and repairs it.
func TestReinvocation(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "main")
	injected := injector(t)
	configuration := fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: zz-injector-%[1]s}
webhooks:
- name: inject.example.com
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}
  reinvocationPolicy: Never
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: {url: %[2]q, caBundle: %[3]s}
`, ns, injected.url, base64.StdEncoding.EncodeToString(injected.ca))
	if err := podvet.Apply(t.Context(), env.API, strings.NewReader(configuration)); err != nil {
		t.Fatal(err)
	}
	var stored *corev1.Pod
	if !podvet.Await(t.Context(), 30*time.Second, func() bool { // until the API server has seen the configuration
		env.Must(t, ns, `
apiVersion: v1
kind: Pod
metadata: {generateName: p-, labels: {app: p}}
spec:
  containers:
  - {name: app, image: i, readinessProbe: {exec: {command: [x]}}}
`, "create", "-f", "-")
		list := env.List[corev1.PodList](t, ns, "pods", metav1.ListOptions{})
		for i := range list.Items {
			if len(list.Items[i].Spec.Containers) == 2 {
				stored = &list.Items[i]
			}
		}
		return stored != nil
	}) {
		t.Fatal("the injector is not asked")
	}
	if got := fixed(stored); got != "exec-probe-short-timeout/app,exec-probe-short-timeout/late" {
		t.Errorf("annotation %q", got)
	}
	for _, c := range stored.Spec.Containers {
		if c.ReadinessProbe.TimeoutSeconds != 5 {
			t.Errorf("container %s: timeoutSeconds %d", c.Name, c.ReadinessProbe.TimeoutSeconds)
		}
	}
	secondPassChangesNothing(t, builtIn, stored)
}

// injector is a mutating webhook that adds a container with an exec probe.
func injector(t *testing.T) webhook {
	t.Helper()
	patchType := admissionv1.PatchTypeJSONPatch
	return serveWebhook(t, func(string, []byte) *admissionv1.AdmissionResponse {
		return &admissionv1.AdmissionResponse{Allowed: true, PatchType: &patchType,
			Patch: []byte(`[{"op": "add", "path": "/spec/containers/-",
				"value": {"name": "late", "image": "i", "readinessProbe": {"exec": {"command": ["x"]}}}}]`)}
	})
}
