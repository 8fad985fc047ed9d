package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	cmapi "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestLint(t *testing.T) {
	for _, h := range helms {
		for name, values := range combinations {
			if out, err := h.try(t, values, "lint", "--strict", chartDir, kubernetesVersion); err != nil {
				t.Errorf("helm %s lint with %s:\n%s", h.version, name, out)
			}
		}
	}
}

// TestRender renders every combination with both versions of Helm, and has the API server judge each object.
func TestRender(t *testing.T) {
	certManagerCRDs(t)
	for name, values := range combinations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := "render-" + name
			namespace(t, ns, "privileged")
			three := objects(t, helms[0].render(t, ns, values))
			four := objects(t, helms[1].render(t, ns, values))
			if diff := cmp.Diff(sorted(t, three), sorted(t, four)); diff != "" {
				t.Errorf("Helm 3 (-) and Helm 4 (+) differ:\n%s", diff)
			}
			var accepted []string
			for _, obj := range four {
				if strings.Contains(manifest(t, obj), "caBundle") {
					t.Errorf("%s %s has a caBundle", obj.GetKind(), obj.GetName())
				}
				switch obj.GetKind() { // whose CRDs are not there
				case "ServiceMonitor":
					strict[monitoringv1.ServiceMonitor](t, obj)
				case "PrometheusRule":
					strict[monitoringv1.PrometheusRule](t, obj)
				default:
					accepted = append(accepted, manifest(t, obj))
				}
			}
			// With validation strict an unknown field is an error, not a warning.
			mustKubectl(t, strings.Join(accepted, "\n---\n"), "apply", "--server-side", "--dry-run=server",
				"--validate=strict", "-n", ns, "-f", "-")
		})
	}
}

func manifest(t *testing.T, obj *unstructured.Unstructured) string {
	t.Helper()
	text, err := yaml.Marshal(obj.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sorted(t *testing.T, all []*unstructured.Unstructured) []string {
	t.Helper()
	var texts []string
	for _, obj := range all {
		texts = append(texts, manifest(t, obj))
	}
	slices.Sort(texts)
	return texts
}

// strict reads an object into its type and knows every field of it.
func strict[T any](t *testing.T, obj *unstructured.Unstructured) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(manifest(t, obj)), new(T)); err != nil {
		t.Errorf("%s: %v", obj.GetKind(), err)
	}
}

// certManagerCRDs installs those of the module that go.mod pins.
func certManagerCRDs(t *testing.T) {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/cert-manager/cert-manager").Output()
	if err != nil {
		t.Fatal(err)
	}
	crds := filepath.Join(strings.TrimSpace(string(dir)), "deploy", "crds")
	mustKubectl(t, "", "apply", "--server-side", "-f", crds)
	mustKubectl(t, "", "wait", "--for=condition=Established", "--timeout=60s", "-f", crds)
}

func TestCertManagerInjectsTheCA(t *testing.T) {
	t.Parallel()
	all := objects(t, helms[1].render(t, "vet", combinations["cert-manager"]))
	for _, kind := range []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} {
		if got := find(t, all, kind, "podvet").GetAnnotations()[cmapi.WantInjectAnnotation]; got != "vet/podvet-tls" {
			t.Errorf("%s injects from %q", kind, got)
		}
	}
	leaf := find(t, all, "Certificate", "podvet-tls")
	names, _, _ := unstructured.NestedStringSlice(leaf.Object, "spec", "dnsNames")
	service := find(t, all, "Service", "podvet")
	if want := service.GetName() + "." + service.GetNamespace() + ".svc"; !slices.Equal(names, []string{want}) {
		t.Errorf("the certificate is for %v, the API server asks for %s", names, want)
	}
}

// TestExcluded: podvet can stop neither itself nor what it needs.
func TestExcluded(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"defaults":     `["kube-system","vet"]`,
		"selectors":    `["calico-system","kube-system","vet"]`,
		"cert-manager": `["cert-manager","kube-system","vet"]`,
		"own-issuer":   `["kube-system","pki","vet"]`,
	} {
		all := objects(t, helms[1].render(t, "vet", combinations[name]))
		checked := 0
		for _, kind := range []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} {
			webhooks, _, _ := unstructured.NestedSlice(find(t, all, kind, "podvet").Object, "webhooks")
			for _, webhook := range webhooks {
				hook := webhook.(map[string]any)
				if hook["name"] == "validate-policy.podvet.dev" {
					continue // of this one namespace
				}
				expressions, _, _ := unstructured.NestedSlice(hook, "namespaceSelector", "matchExpressions")
				first := expressions[0].(map[string]any)
				got, _ := json.Marshal(first["values"])
				if first["key"] != "kubernetes.io/metadata.name" || first["operator"] != "NotIn" ||
					string(got) != want {
					t.Errorf("%s: %v excludes %s, want %s", name, hook["name"], got, want)
				}
				checked++
			}
		}
		if checked != 3 {
			t.Errorf("%s: %d webhooks about pods and workloads, want 3", name, checked)
		}
	}
}

// TestReleaseNames: each that Helm takes makes objects that the API server takes, or is refused before anything is
// sent.
func TestReleaseNames(t *testing.T) {
	t.Parallel()
	namespace(t, "release-names", "privileged")
	for _, h := range helms {
		for _, name := range []string{"pod.vet", "a.podvet.b", strings.Repeat("a.", 26) + "b"} {
			out := h.must(t, "", "template", name, chartDir, "--namespace", "release-names", kubernetesVersion)
			mustKubectl(t, out, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
		}
		if out, err := h.try(t, "", "template", "7vet", chartDir, kubernetesVersion); err == nil ||
			!strings.Contains(out, `"7vet" starts with a digit`) {
			t.Errorf("helm %s: %s", h.version, out)
		}
		h.must(t, "fullnameOverride: vet", "template", "7vet", chartDir, kubernetesVersion)
	}
}

// TestOwnChartIsVetted: podvet has nothing to say of itself, by its strictest profile.
func TestOwnChartIsVetted(t *testing.T) {
	t.Parallel()
	for name, values := range combinations {
		cmd := exec.CommandContext(t.Context(), binary, "check", "--profile", "strict", "--fail-on", "warn",
			"-o", "json", "-")
		cmd.Stdin = strings.NewReader(helms[1].render(t, "vet", values))
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		var report struct {
			Subjects []struct{ Findings []any }
		}
		want := 1
		if strings.Contains(values, "reports:") { // the CronJob
			want = 2
		}
		if json.Unmarshal(out, &report) != nil || len(report.Subjects) != want {
			t.Fatalf("%s: podvet check says %v %s%s", name, err, out, said.Bytes())
		}
		for _, s := range report.Subjects {
			if err != nil || len(s.Findings) > 0 {
				t.Errorf("%s: %s", name, out)
			}
		}
	}
}

func TestNotes(t *testing.T) {
	certManagerCRDs(t) // without which Helm prints none
	for _, h := range helms {
		for _, c := range []struct{ values, want string }{
			{``, "refuses nothing"},
			{`policy: {mode: off}`, "it does nothing"},
			{`policy: {mode: enforce}`, "it refuses what cannot work"},
			{combinations["own-policy"], "which you keep"},
			{combinations["fail"], "refused (failurePolicy Fail)"},
			{`webhooks: {validateWorkloads: {failurePolicy: Fail}}`, "into webhooks.excludeNamespaces"},
			{`webhooks: {excludeNamespaces: [default]}`, "--image=nginx -n NAMESPACE --dry-run"},
			{`webhooks: {namespaceSelector: {matchLabels: {a: b}}}`, "--image=nginx -n NAMESPACE --dry-run"},
			{`webhooks: {objectSelector: {matchLabels: {a: b}}}`, "if your policy and selectors leave something"},
			{`policy: {profile: minimal}`, "if your policy and selectors leave something"},
			{`policy: {mode: "off", rules: {}}`, "there is nothing to see"},
			{`webhooks: {enabled: false}`, "does not call podvet"},
			{`certificates: {mode: certManager, certManager: {namespace: pki}}`,
				"never called for the namespaces kube-system, pki, vet."},
		} {
			out := h.must(t, c.values, "install", "notes", chartDir, "--namespace", "vet", "--dry-run=client")
			if !strings.Contains(out, c.want) {
				_, notes, _ := strings.Cut(out, "NOTES:")
				t.Errorf("helm %s with %s lacks %q:\n%s", h.version, c.values, c.want, notes)
			}
		}
	}
}

// TestDocumentedHelm: the commands of Helm in the guides and the notes have flags that Helm 4 knows, and Helm 3 but for
// the one that is told of there.
func TestDocumentedHelm(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, file := range []string{"../../docs/operations.md", "../../README.md", chartDir + "/README.md",
		chartDir + "/templates/NOTES.txt"} {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(page)
	}
	if strings.Contains(text.String(), "podvet-system --reuse-values") {
		t.Error("--reuse-values fails with a chart that has values more: write --reset-then-reuse-values")
	}
	command := regexp.MustCompile("helm (install|upgrade|pull|uninstall|rollback) ((?:[^`\n\\\\]|\\\\\n)*)")
	commands := command.FindAllStringSubmatch(text.String(), -1)
	if len(commands) < 8 {
		t.Fatalf("only %d commands", len(commands))
	}
	for _, h := range helms {
		help := map[string]string{}
		for _, command := range commands {
			if help[command[1]] == "" {
				help[command[1]] = h.must(t, "", command[1], "--help")
			}
			for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(command[2], -1) {
				if h.version == "v3" && flag == "--rollback-on-failure" {
					flag = "--atomic"
				}
				if h.version == "v3" && command[1] == "upgrade" && flag == "--force-conflicts" {
					continue // the table of troubles says that it is Helm 4's
				}
				if !regexp.MustCompile(flag + `\b`).MatchString(help[command[1]]) {
					t.Errorf("helm %s %s has no flag %s", h.version, command[1], flag)
				}
			}
		}
	}
}

// TestDependency: a parent chart hands down keys of its own, which the strict schema must bear.
func TestDependency(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chart := `
apiVersion: v2
name: parent
version: 1.0.0
dependencies: [{name: podvet, version: ">=0.0.0-0", condition: podvet.enabled}]
`
	if err := os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte(chart), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "charts", "podvet"), os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	for _, h := range helms {
		for enabled, want := range map[string]bool{"true": true, "false": false} {
			values := "{global: {region: eu}, podvet: {enabled: " + enabled + ", replicas: 3}}"
			out := h.must(t, values, "template", "podvet", dir, kubernetesVersion)
			if got := strings.Contains(out, "replicas: 3\n"); got != want {
				t.Errorf("helm %s, enabled %s: rendered is %v", h.version, enabled, got)
			}
		}
	}
}

// TestPackage: the chart as it is published holds what it needs and nothing else.
func TestPackage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	helms[1].must(t, "", "package", chartDir, "--destination", dir, "--version", "1.2.3", "--app-version", "v1.2.3")
	archive := filepath.Join(dir, "podvet-1.2.3.tgz")
	if _, err := os.Stat(archive); err != nil {
		t.Fatal(err)
	}
	out := helms[0].must(t, "", "template", "podvet", archive, kubernetesVersion)
	if !strings.Contains(out, "image: ghcr.io/podvet/podvet:v1.2.3\n") {
		t.Error("the packaged chart does not run the image of its version")
	}
}

// TestWhoIsLetIn: each port of the NetworkPolicy has the peers of its own value, and without a value everyone.
func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	open := "webhook: everyone, health: everyone, metrics: everyone"
	for values, want := range map[string]string{
		`networkPolicy: {enabled: true}`: open,
		`networkPolicy: {enabled: true, webhookFrom: [{ipBlock: {cidr: 10.0.0.1/32}}]}`: strings.Replace(open,
			"webhook: everyone", `webhook: [{"ipBlock":{"cidr":"10.0.0.1/32"}}]`, 1),
		`networkPolicy: {enabled: true, healthFrom: [{podSelector: {}}]}`: strings.Replace(open,
			"health: everyone", `health: [{"podSelector":{}}]`, 1),
		`networkPolicy: {enabled: true, metricsFrom: [{namespaceSelector: {}}]}`: strings.Replace(open,
			"metrics: everyone", `metrics: [{"namespaceSelector":{}}]`, 1),
	} {
		policy := find(t, objects(t, helms[1].render(t, "vet", values)), "NetworkPolicy", "podvet")
		rules, _, _ := unstructured.NestedSlice(policy.Object, "spec", "ingress")
		var all []string
		for _, rule := range rules {
			ports, _, _ := unstructured.NestedSlice(rule.(map[string]any), "ports")
			peers := "everyone"
			if from, ok := rule.(map[string]any)["from"]; ok {
				text, _ := json.Marshal(from)
				peers = string(text)
			}
			for _, port := range ports {
				all = append(all, port.(map[string]any)["port"].(string)+": "+peers)
			}
		}
		if got := strings.Join(all, ", "); got != want {
			t.Errorf("%s lets in %s, want %s", values, got, want)
		}
	}
}
