package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// A site is a namespace with podvet's ServiceAccount and configurations. Its replicas have no more rights than
// testdata/self-managed.yaml gives.
type site struct {
	namespace     string
	configuration string
	admin         kubernetes.Interface
}

const caSecret = "podvet-ca"

// newSite makes a site. Without rights nothing is bound to the ServiceAccount.
func newSite(t *testing.T, rights bool) *site {
	t.Helper()
	admin, err := kubernetes.NewForConfig(env.API.Config)
	if err != nil {
		t.Fatal(err)
	}
	ns := env.Namespace(t, "")
	s := &site{namespace: ns, configuration: "certs-" + ns, admin: admin}
	s.apply(t, s.manifest(t, "testdata/configurations.yaml"))
	if rights {
		s.apply(t, s.manifest(t, "testdata/self-managed.yaml"))
	}
	return s
}

func (s *site) manifest(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("NAMESPACE", s.namespace, "CONFIGURATION", s.configuration).Replace(string(text))
}

// apply is what Helm 4 does: a server-side apply, here by a manager of that name.
func (s *site) apply(t *testing.T, manifest string, args ...string) {
	t.Helper()
	cmd := env.API.KubectlCommand(t.Context(),
		append([]string{"apply", "--server-side", "--field-manager=helm", "-f", "-"}, args...)...)
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// published is what the API server has of both configurations.
func (s *site) published(ctx context.Context) (certs.Published, error) {
	configurations := s.admin.AdmissionregistrationV1()
	m, err := configurations.MutatingWebhookConfigurations().Get(ctx, s.configuration, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	v, err := configurations.ValidatingWebhookConfigurations().Get(ctx, s.configuration, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	var all certs.Published
	for _, w := range m.Webhooks {
		all = append(all, certs.Webhook{Name: w.Name, ClientConfig: w.ClientConfig})
	}
	for _, w := range v.Webhooks {
		all = append(all, certs.Webhook{Name: w.Name, ClientConfig: w.ClientConfig})
	}
	return all, nil
}

func (s *site) mustPublished(t *testing.T) certs.Published {
	t.Helper()
	published, err := s.published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return published
}

// secret is the CA Secret, nil when there is none.
func (s *site) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	list, err := s.admin.CoreV1().Secrets(s.namespace).List(t.Context(),
		metav1.ListOptions{FieldSelector: "metadata.name=" + caSecret})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

// storedCA is the CA in the Secret, nil when there is no good one.
func (s *site) storedCA(t *testing.T) *x509.Certificate {
	t.Helper()
	secret := s.secret(t)
	if secret == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil || !pair.Leaf.IsCA || time.Now().After(pair.Leaf.NotAfter) {
		return nil
	}
	return pair.Leaf
}

// setSecret writes the data of the CA Secret, whatever is there.
func (s *site) setSecret(t *testing.T, data map[string][]byte) {
	t.Helper()
	secret := s.secret(t)
	secret.ResourceVersion, secret.Data = "", data
	if _, err := s.admin.CoreV1().Secrets(s.namespace).Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// rotated waits until the Secret holds another good CA than before.
func (s *site) rotated(t *testing.T, before *x509.Certificate, limit time.Duration) *x509.Certificate {
	t.Helper()
	var ca *x509.Certificate
	if !podvet.Await(t.Context(), limit, func() bool { ca = s.storedCA(t); return ca != nil && !ca.Equal(before) }) {
		t.Fatalf("no new CA within %v", limit)
	}
	return ca
}

// options are those of a replica that acts as the ServiceAccount.
func (s *site) options(admin *rest.Config) certs.SelfManagedOptions {
	config := rest.CopyConfig(admin)
	config.Impersonate.UserName = "system:serviceaccount:" + s.namespace + ":podvet"
	config.Impersonate.Groups = []string{"system:authenticated", "system:serviceaccounts"}
	return certs.SelfManagedOptions{
		Config: config, SecretNamespace: s.namespace, SecretName: caSecret,
		DNSNames: []string{"podvet." + s.namespace + ".svc"}, Configuration: s.configuration,
	}
}
