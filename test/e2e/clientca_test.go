package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/test/authority"
	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// TestClientCA: an API server that sends a client certificate, as docs/certificates.md has it, is answered, and one
// that does not is refused.
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
	caller := authority.Issue(t, nil, "kube-apiserver", -time.Hour, time.Hour) // its own CA
	cert := write("caller.crt", string(caller.PEM()))
	certKey := write("caller.key", string(caller.KeyPEM()))
	users := write("webhooks.yaml", fmt.Sprintf(`apiVersion: v1
kind: Config
users:
- {name: "*", user: {client-certificate: %s, client-key: %s}}
`, cert, certKey))
	admission := write("admission.yaml", fmt.Sprintf(`apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: MutatingAdmissionWebhook
  configuration: &configuration
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: %s
- name: ValidatingAdmissionWebhook
  configuration: *configuration
`, users))
	knows, err := cluster.Start(t.Context(),
		cluster.Options{APIServerFlags: []string{"--admission-control-config-file=" + admission}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = knows.Stop() })

	p, err := podvet.Start(t.Context(), env.Binary, dir, nil, "--local", "--cert-dir", filepath.Join(dir, "certs"),
		"--client-ca", cert)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	const ns = "client-ca"
	r := podvet.Registration{Name: "podvet-" + ns, URL: p.URL, CA: p.CA, FailurePolicy: "Fail", Timeout: 10,
		Selector: ns}
	for _, c := range []*cluster.Cluster{knows, env.API} {
		if err := podvet.Register(t.Context(), c, r); err != nil {
			t.Fatal(err)
		}
		if err := podvet.Apply(t.Context(), c, strings.NewReader(env.NamespaceManifest(ns, ns))); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.AwaitAsked(t.Context(), knows, ns); err != nil {
		t.Error(err)
	}
	said := ""
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		_, said, _ = env.API.Kubectl(t.Context(), "run", "probe", "--image=i", "-n", ns, "--dry-run=server")
		return strings.Contains(said, "failed calling webhook") && strings.Contains(said, "tls: certificate required")
	}) {
		t.Errorf("an API server without a certificate: %s", said)
	}
}
