package chart

import (
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// gitOps are the files in examples/gitops, with what each must say.
var gitOps = []struct {
	file, apiVersion, kind string
	values, chart          []string // where the object has the values, and what names the chart
	address                string
	own                    string // the tool's own namespace, which podvet must leave alone
}{
	{"flux.yaml", "helm.toolkit.fluxcd.io/v2", "HelmRelease", []string{"spec", "values"},
		nil, "", "flux-system"},
	{"argocd.yaml", "argoproj.io/v1alpha1", "Application", []string{"spec", "source", "helm", "valuesObject"},
		[]string{"spec", "source", "repoURL"}, "ghcr.io/podvet/charts", "argocd"},
}

// TestGitOps: the examples for Flux and Argo CD name the published chart and its version, their values are values of
// the chart and change what it renders, and the API server takes the result.
func TestGitOps(t *testing.T) {
	t.Parallel()
	const ns = "podvet-system" // as the examples and all guides have it
	namespace(t, ns, "restricted")
	for _, c := range gitOps {
		all := gitOpsObjects(t, c.file)
		release := find(t, all, c.kind, "podvet")
		if release.GetAPIVersion() != c.apiVersion {
			t.Errorf("%s: a %s of %s", c.file, c.kind, release.GetAPIVersion())
		}
		values, found, err := unstructured.NestedMap(release.Object, c.values...)
		if err != nil || !found || len(values) == 0 {
			t.Fatalf("%s: no values at %v: %v", c.file, c.values, err)
		}
		if got := text(t, release, c.chart...); got != c.address {
			t.Errorf("%s: the chart comes from %q, want %q", c.file, got, c.address)
		}
		excluded, _, _ := unstructured.NestedStringSlice(values, "webhooks", "excludeNamespaces")
		if !slices.Contains(excluded, c.own) {
			t.Errorf("%s: podvet may refuse the pods of %s, which bring podvet back", c.file, c.own)
		}
		wantRendered(t, c.file, ns, values)
	}
	flux := gitOpsObjects(t, "flux.yaml")
	source := find(t, flux, "OCIRepository", "podvet")
	if got := text(t, source, "spec", "url"); got != "oci://ghcr.io/podvet/charts/podvet" {
		t.Errorf("Flux takes the chart from %q", got)
	}
	version := chartVersion(t)
	for what, got := range map[string]string{
		"OCIRepository": text(t, source, "spec", "ref", "tag"),
		"Application": text(t, find(t, gitOpsObjects(t, "argocd.yaml"), "Application", "podvet"),
			"spec", "source", "targetRevision"),
	} {
		if got != version {
			t.Errorf("the %s names version %q, Chart.yaml %q", what, got, version)
		}
	}
	for _, obj := range flux {
		if obj.GetKind() != "Namespace" && obj.GetNamespace() != ns {
			t.Errorf("flux.yaml: the %s is in %q, want %s", obj.GetKind(), obj.GetNamespace(), ns)
		}
	}
}

// wantRendered renders the chart with the values of an example, with all of them and with each key left out.
func wantRendered(t *testing.T, file, ns string, values map[string]any) {
	t.Helper()
	for _, h := range helms {
		whole := h.render(t, ns, asYAML(t, values))
		for key := range values {
			rest := map[string]any{}
			for other, value := range values {
				if other != key {
					rest[other] = value
				}
			}
			// The policy is written out as the chart has it, for readers to change.
			if same := h.render(t, ns, asYAML(t, rest)) == whole; same != (key == "policy") {
				t.Errorf("%s: without %s helm %s renders the same: %v", file, key, h.version, same)
			}
		}
		mustKubectl(t, whole, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
	}
}

func gitOpsObjects(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile("../../examples/gitops/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, string(data))
}

// text is the string at a path, "" for no path.
func text(t *testing.T, obj *unstructured.Unstructured, path ...string) string {
	t.Helper()
	if len(path) == 0 {
		return ""
	}
	value, found, err := unstructured.NestedString(obj.Object, path...)
	if err != nil || !found {
		t.Fatalf("%s: no text at %s: %v", obj.GetKind(), strings.Join(path, "."), err)
	}
	return value
}

func asYAML(t *testing.T, values map[string]any) string {
	t.Helper()
	data, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func chartVersion(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(chartDir + "/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var chart struct{ Version string }
	if err := yaml.Unmarshal(data, &chart); err != nil {
		t.Fatal(err)
	}
	return chart.Version
}
