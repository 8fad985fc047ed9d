package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/test/cluster"
)

// TestClientCA: an API server that sends a client certificate, as docs/certificates.md has it, is answered, and one that
// does not is refused.
func TestClientCA(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// It is its own CA.
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kube-apiserver"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := write("caller.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	users := write("webhooks.yaml", fmt.Sprintf(`{apiVersion: v1, kind: Config, users: [{name: "*", user: {client-certificate: %s, client-key: %s}}]}`,
		cert, write("caller.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))))
	configuration := fmt.Sprintf("{apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: %s}", users)
	admission := write("admission.yaml", fmt.Sprintf(`apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- {name: MutatingAdmissionWebhook, configuration: %[1]s}
- {name: ValidatingAdmissionWebhook, configuration: %[1]s}
`, configuration))
	knows, err := cluster.Start(t.Context(), cluster.Options{APIServerFlags: []string{"--admission-control-config-file=" + admission}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = knows.Stop() })

	p, err := serve(t.Context(), binary, dir, nil, "--local", "--cert-dir", filepath.Join(dir, "certs"), "--client-ca", cert)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	const ns = "client-ca"
	r := Registration{Name: "podvet-" + ns, URL: p.URL, CA: p.CA, FailurePolicy: "Fail", Timeout: 10, Selector: ns}
	for _, c := range []*cluster.Cluster{knows, api} {
		if err := Register(t.Context(), c, r); err != nil {
			t.Fatal(err)
		}
		if err := Apply(t.Context(), c, strings.NewReader(namespaceManifest(ns, ns))); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.AwaitAsked(t.Context(), knows, ns); err != nil {
		t.Error(err)
	}
	said := ""
	if !Await(t.Context(), 30*time.Second, func() bool {
		_, said, _ = api.Kubectl(t.Context(), "run", "probe", "--image=i", "-n", ns, "--dry-run=server")
		return strings.Contains(said, "failed calling webhook") && strings.Contains(said, "tls: certificate required")
	}) {
		t.Errorf("an API server without a certificate: %s", said)
	}
}
