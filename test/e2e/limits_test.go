package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// refusedPod is one whose finding denies, with a place for its metadata.
const refusedPod = `
apiVersion: v1
kind: Pod
metadata: {METADATA}
spec:
  containers:
  - name: app
    image: i
    startupProbe: {httpGet: {path: /, port: nowhere}}
    readinessProbe: {httpGet: {path: /, port: 80}}
`

// TestLimits holds docs/security.md to its word about what the author of a pod can do, and what not.
func TestLimits(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	policy := newWork + `exemptions: [{rules: ["*"], match: {images: ["vendor/*"]}, reason: a vendor's}]`
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := podvet.Serve(t.Context(), env.Binary, t.TempDir(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	if err := register(t.Context(), "limits", p, "Fail"); err != nil {
		t.Fatal(err)
	}
	ns := env.Namespace(t, "limits")
	const owner = "ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: r-1, uid: u, controller: true}]"
	for name, c := range map[string]struct {
		metadata, from, to string // of the pod, and what else is different
		created            bool
	}{
		"plain":            {},
		"fixed-annotation": {metadata: `annotations: {podvet.dev/fixed: "probe-port-unresolved/app"}`},
		"exempt-annotation": {
			metadata: `annotations: {podvet.dev/exempt: "probe-port-unresolved: because I say so"}`},
		"mode-label":    {metadata: `labels: {podvet.dev/mode: "off"}`},
		"foreign-owner": {metadata: strings.Replace(owner, "apps/v1", "example.com/v1", 1)},
		"forged-owner":  {metadata: owner, created: true},
		"injected-name": {from: "name: app", to: "name: istio-proxy", created: true},
		"exempt-image":  {from: "image: i", to: "image: vendor/app", created: true},
		"mirror-pod": {metadata: `annotations: {kubernetes.io/config.mirror: x}`,
			from: "spec:\n", to: "spec:\n  nodeName: nowhere\n", created: true},
		"image-similar":   {from: "image: i", to: "image: vendors/app"},
		"injected-beside": {from: "name: app", to: "name: my-istio-proxy"},
	} {
		metadata := strings.TrimSuffix("name: "+name+", "+c.metadata, ", ")
		manifest := strings.Replace(refusedPod, "METADATA", metadata, 1)
		_, said, created := env.Kubectl(t, ns, strings.Replace(manifest, c.from, c.to, 1), "create", "-f", "-")
		if created != c.created || !created && !strings.Contains(said, "[probe-port-unresolved]") {
			t.Errorf("%s: created %v: %s", name, created, said)
		}
	}
	// What is let in by its image is not judged when the image is another.
	patch := `{"spec": {"containers": [{"name": "app", "image": "anything"}]}}`
	env.Must(t, ns, "", "patch", "pod", "exempt-image", "-p", patch)
	if image := getPod(t, ns, "exempt-image").Spec.Containers[0].Image; image != "anything" {
		t.Errorf("the image is %s", image)
	}
}
