package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
`, ns, injected.url, injected.bundle)
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

type injectorServer struct{ url, bundle string }

// injector is a mutating webhook that adds a container with an exec probe.
func injector(t *testing.T) injectorServer {
	t.Helper()
	dir := t.TempDir()
	bundle, certificate := localCertificate(t, dir)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var review admissionv1.AdmissionReview
		if json.Unmarshal(body, &review) != nil || review.Request == nil {
			http.Error(w, "no review", http.StatusBadRequest)
			return
		}
		patchType := admissionv1.PatchTypeJSONPatch
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, PatchType: &patchType,
			Patch: []byte(`[{"op": "add", "path": "/spec/containers/-",
				"value": {"name": "late", "image": "i", "readinessProbe": {"exec": {"command": ["x"]}}}}]`)}
		review.Request = nil
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return injectorServer{url: "https://" + listener.Addr().String(), bundle: bundle}
}
