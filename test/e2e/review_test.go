package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/podvet/podvet/test/podvet"
)

// secondPassChangesNothing sends a stored pod through /mutate again, as the API server does when a later
// webhook has changed something.
func secondPassChangesNothing(t *testing.T, p *podvet.Server, stored *corev1.Pod) {
	t.Helper()
	raw, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{UID: "again", Operation: admissionv1.Create, Namespace: stored.Namespace,
			Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Object: runtime.RawExtension{Raw: raw}},
	})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections() // podvet lets nobody keep hundreds
	client := http.Client{Timeout: 10 * time.Second, Transport: transport}
	resp, err := client.Post(p.URL+"/mutate", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer admissionv1.AdmissionReview
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Response == nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	if !answer.Response.Allowed || answer.Response.AuditAnnotations["policy"] == "" {
		t.Errorf("%s is not judged: %+v", stored.Name, answer.Response)
	}
	if len(answer.Response.Patch) > 0 {
		t.Errorf("a second pass changes %s: %s", stored.Name, answer.Response.Patch)
	}
}
