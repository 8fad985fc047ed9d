package chart

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podvet/podvet/test/podvet"
)

const shopCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shops.example.com}
spec:
  group: example.com
  names: {kind: Shop, plural: shops}
  scope: Cluster
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

const rolloutManifest = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}]}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx
        ports: [{containerPort: 80}]
        startupProbe: {httpGet: {path: /, port: web}, failureThreshold: 30}
        readinessProbe: {httpGet: {path: /, port: 80}}
`

const shopManifest = `
apiVersion: example.com/v1
kind: Shop
metadata: {name: corner}
spec:
  counters:
  - pods:
      till: {spec: {containers: [{name: till, image: i, startupProbe: {httpGet: {port: nowhere}}, colour: red}]}}
`

// TestCustomResources: the webhook as the chart renders it, before a real API server with Argo's own CRD and one of a
// kind that only the policy knows: who writes a template is warned, and nobody else.
func TestCustomResources(t *testing.T) {
	for _, crd := range []string{unzipped(t, "testdata/argo-rollouts/rollout-crd.yaml.gz"), shopCRD} {
		mustKubectl(t, crd, "create", "-f", "-")
	}
	t.Cleanup(func() { _, _ = kubectl(t, "", "delete", "crd", "rollouts.argoproj.io", "shops.example.com") })
	mustKubectl(t, "", "wait", "--for=condition=Established", "--timeout=60s",
		"crd/rollouts.argoproj.io", "crd/shops.example.com")
	p := serveCustom(t, `
templates:
- {apiVersion: example.com/v1, kind: Shop, path: "spec.counters[].pods.*", like: Deployment}
workloads: deny
`)
	namespace(t, "custom", "privileged")
	mustKubectl(t, "", "label", "namespace", "custom", "custom-resources=judged")

	const refused = `Warning: podvet will refuse these pods: container "web": startupProbe uses port`
	await(t, "podvet to be called; its log is "+p.Log, func() bool {
		out, _ := kubectl(t, rolloutManifest, "apply", "--dry-run=server", "-n", "custom", "-f", "-")
		return strings.Contains(out, "Warning: podvet")
	})
	for _, c := range []struct {
		name, manifest string
		args           []string
		want           string // how the warning begins; "" for silence
	}{
		{"a new Rollout", rolloutManifest, []string{"apply", "-f", "-"}, refused},
		{"scaled", "", []string{"scale", "rollout", "web", "--replicas=3"}, ""},
		{"another strategy", "", patch(`{"spec":{"strategy":{"canary":{"steps":[{"setWeight":50}]}}}}`), ""},
		{"another template", "", patch(`{"spec":{"template":{"metadata":{"annotations":{"a":"b"}}}}}`), refused},
		{"a Deployment's template", `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: ref}
spec:
  selector: {matchLabels: {app: web}}
  strategy: {canary: {}}
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}
`, []string{"apply", "-f", "-"}, ""},
		{"a cluster-wide kind of the policy", shopManifest, []string{"apply", "-f", "-"},
			`Warning: podvet: container "till": startupProbe uses`},
		{"deleted", "", []string{"delete", "rollouts.argoproj.io,shops.example.com", "--all"}, ""},
	} {
		out := mustKubectl(t, c.manifest, append(c.args, "-n", "custom")...)
		warned := slices.DeleteFunc(strings.Split(out, "\n"), func(line string) bool {
			return !strings.HasPrefix(line, "Warning: podvet")
		})
		if c.want == "" && len(warned) > 0 ||
			c.want != "" && (len(warned) != 1 || !strings.HasPrefix(warned[0], c.want)) {
			t.Errorf("%s: %q, want %q", c.name, out, c.want)
		}
	}
}

func patch(change string) []string {
	return []string{"patch", "rollout", "web", "--type=merge", "-p", change}
}

func unzipped(t *testing.T, file string) string {
	t.Helper()
	packed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serveCustom runs podvet with a policy, and has the API server call it by the rules that the chart renders.
func serveCustom(t *testing.T, policy string) *podvet.Server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	text := "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n" + policy
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := podvet.Serve(t.Context(), binary, dir, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	rendered := objects(t, helms[1].render(t, "podvet-system", `
fullnameOverride: custom-resources
webhooks:
  validateWorkloads: {customResources: [rollouts.argoproj.io, shops.example.com]}
  namespaceSelector: {matchLabels: {custom-resources: judged}}
`))
	configuration := find(t, rendered, "ValidatingWebhookConfiguration", "custom-resources")
	hooks := configuration.Object["webhooks"].([]any)
	hooks = slices.DeleteFunc(hooks, func(hook any) bool {
		return hook.(map[string]any)["name"] != "validate-workloads.podvet.dev"
	})
	if len(hooks) != 1 {
		t.Fatalf("%d webhooks for workloads", len(hooks))
	}
	hooks[0].(map[string]any)["clientConfig"] = map[string]any{"url": p.URL + "/validate", "caBundle": p.CA}
	configuration.Object["webhooks"] = hooks
	mustKubectl(t, manifest(t, configuration), "create", "-f", "-")
	t.Cleanup(func() { _, _ = kubectl(t, "", "delete", "validatingwebhookconfiguration", "custom-resources") })
	return p
}
