package live_test

import (
	"strings"
	"testing"

	"github.com/podvet/podvet/test/e2e/env"
)

const shops = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shops.example.com}
spec:
  group: example.com
  names: {kind: Shop, plural: shops}
  scope: Namespaced
  versions:
  - name: v2
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
  - name: v1
    served: true
    storage: false
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// TestTemplatesOfThePolicy: a kind that only the policy knows is listed in the version that it names, where the cluster
// serves it.
func TestTemplatesOfThePolicy(t *testing.T) {
	ns := env.Namespace(t, "")
	env.Must(t, ns, shops, "create", "-f", "-")
	t.Cleanup(func() { _, _, _ = env.Kubectl(t, ns, "", "delete", "crd", "shops.example.com") })
	env.Must(t, ns, "", "wait", "--for=condition=Established", "--timeout=60s", "crd/shops.example.com")
	env.Must(t, ns, `
apiVersion: example.com/v1
kind: Shop
metadata: {name: corner}
spec: {till: {spec: {containers: [{name: till, image: i, startupProbe: {tcpSocket: {port: nope}}}]}}}
`, "create", "-f", "-")
	const policy = `{apiVersion: podvet.dev/v1alpha1, kind: Policy, templates: [
{apiVersion: example.com/v1, kind: Shop, path: spec.till, like: Deployment},
{apiVersion: gone.example.com/v1, kind: Shop, path: spec.till, like: Deployment}]}`
	r := check(t, "", policy, "--cluster", "-n", ns, "--policy", "-")
	if want := "Shop/" + ns + "/corner\n           warn     container \"till\": startupProbe uses"; r.status != 0 ||
		!strings.Contains(r.stdout, want) {
		t.Errorf("status %d, want %q:\n%s%s", r.status, want, r.stdout, r.stderr)
	}
	if r := check(t, "", "", "--cluster", "-n", ns); strings.Contains(r.stdout, "Shop") {
		t.Errorf("nobody knows the kind:\n%s", r.stdout)
	}
}
