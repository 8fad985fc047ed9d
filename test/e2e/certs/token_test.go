package certs_test

import (
	"strings"
	"testing"

	"github.com/podvet/podvet/test/e2e/env"
)

// TestTokenOfPodvet holds docs/security.md to its word about who holds podvet's token: where podvet writes the bundle
// they can change all of the two configurations, because no right is about a field. Else they only read them.
func TestTokenOfPodvet(t *testing.T) {
	t.Parallel()
	for rights, writes := range map[string]bool{"testdata/self-managed.yaml": true, "testdata/published.yaml": false} {
		s := newSite(t, false)
		env.PolicyNamespace(t, s.namespace, "")
		s.apply(t, s.manifest(t, rights))
		as := "--as=system:serviceaccount:" + s.namespace + ":podvet"
		for _, resource := range []string{"mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
			_, said, done := env.Kubectl(t, "", "", "patch", resource, s.configuration, "--type=json", as, "-p",
				`[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]`)
			if done != writes || !done && !strings.Contains(said, "forbidden") {
				t.Errorf("with %s a change of %s: %v %s", rights, resource, done, said)
			}
		}
		for _, asked := range [][]string{
			{"get", "secrets", "-n", s.namespace}, {"get", "secret/another", "-n", s.namespace},
			{"get", "secrets", "-n", "kube-system"}, {"create", "pods", "-n", s.namespace},
			{"patch", "mutatingwebhookconfiguration/another"}, {"create", "mutatingwebhookconfigurations"},
			{"update", "namespaces"}, {"get", "pods", "-n", s.namespace}, {"create", "clusterrolebindings"},
		} {
			said, _, may := env.Kubectl(t, "", "", append([]string{"auth", "can-i", as}, asked...)...)
			if may || strings.TrimSpace(said) != "no" {
				t.Errorf("with %s it may %v: %s", rights, asked, said)
			}
		}
	}
}
