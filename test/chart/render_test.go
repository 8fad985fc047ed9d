package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cmapi "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/policy"
)

// combinations are values that the chart must render, each accepted by the API server.
var combinations = map[string]string{
	"defaults":       ``,
	"cert-manager":   `certificates: {mode: certManager}`,
	"own-issuer":     `certificates: {mode: certManager, certManager: {namespace: pki, issuerRef: {kind: ClusterIssuer, name: corporate}}}`,
	"own-secret":     `certificates: {mode: existingSecret, existingSecret: {name: webhook-tls}}`,
	"host-network":   `{hostNetwork: true, ports: {webhook: 10250, metrics: 18080, health: 18081}}`,
	"one-replica":    `{replicas: 1, podDisruptionBudget: {enabled: false}, topologySpreadConstraints: []}`,
	"fail":           `webhooks: {mutate: {failurePolicy: Fail}, validate: {failurePolicy: Fail}, validateWorkloads: {failurePolicy: Fail}, timeoutSeconds: 10, reinvocationPolicy: Never}`,
	"pods-only":      `webhooks: {validateWorkloads: {enabled: false}}`,
	"own-policy":     `policyConfigMap: {create: false, name: my-policy}`,
	"openshift":      `{podSecurityContext: {runAsUser: null}, resources: null, nodeSelector: null, fullnameOverride: vet}`,
	"no-own-account": `{serviceAccount: {create: false, name: somebody}, rbac: {create: false}}`,
	"mirror":         `image: {registry: "registry.example:5000", repository: mirror/podvet, digest: "sha256:` + strings.Repeat("0a", 32) + `"}`,
	"policy": `
policy:
  mode: off
  profile: strict
  fixes: false
  workloads: off
  injectedContainers: []
  rules:
    startup-budget-too-long: {level: off, params: {maxSeconds: 2147483647}}
    no-startup-probe: {fix: false, params: {minBootSeconds: 0}}
    no-readiness-probe: {fix: true, level: deny, params: {alsoWithoutPorts: true, template: {portName: http, probe: {httpGet: {path: /ready, port: http}}}}}
    restart-policy-not-allowed: {params: {allowed: {Job: [Never], Pod: [Always]}}}
`,
	"selectors": `
webhooks:
  excludeNamespaces: [calico-system]
  namespaceSelector: {matchLabels: {podvet.dev/vet: "true"}, matchExpressions: [{key: team, operator: Exists}]}
  objectSelector: {matchExpressions: [{key: podvet.dev/skip, operator: DoesNotExist}]}
  matchConditions: [{name: not-by-velero, expression: "request.userInfo.username != 'system:serviceaccount:velero:velero'"}]
  annotations: {service.beta.openshift.io/inject-cabundle: "true"}
`,
	"everything": `
replicas: 3
certificates: {mode: certManager}
clientCA: {configMap: api-server-ca}
image: {tag: v9, pullPolicy: Always}
imagePullSecrets: [{name: registry}]
maxConcurrentReviews: 0
shutdownDelaySeconds: 0
extraArgs: [--v=2]
extraEnv: [{name: GOMEMLIMIT, value: 200MiB}]
extraVolumes: [{name: scratch, emptyDir: {}}]
extraVolumeMounts: [{name: scratch, mountPath: /tmp}]
dnsPolicy: Default
service: {annotations: {a: b}}
networkPolicy: {enabled: true, metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
priorityClassName: system-cluster-critical
nodeSelector: {pool: system}
tolerations: [{key: pool, operator: Exists}]
affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]
strategy: {type: Recreate}
serviceAccount: {name: vet, annotations: {a: b}}
serviceMonitor: {enabled: true, interval: 1m, labels: {release: kube-prometheus-stack}}
prometheusRule: {enabled: true, labels: {release: kube-prometheus-stack}}
grafanaDashboard: {enabled: true, annotations: {folder: podvet}}
commonLabels: {team: platform}
commonAnnotations: {contact: platform}
podLabels: {a: b}
podAnnotations: {c: d}
`,
}

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
			mustKubectl(t, strings.Join(accepted, "\n---\n"), "apply", "--server-side", "--dry-run=server", "--validate=strict", "-n", ns, "-f", "-")
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
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
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
				if first["key"] != "kubernetes.io/metadata.name" || first["operator"] != "NotIn" || string(got) != want {
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

// TestPolicyIsRead: what the chart writes into the ConfigMap is a policy, with no word or number changed on the way.
func TestPolicyIsRead(t *testing.T) {
	t.Parallel()
	for _, h := range helms {
		for _, name := range []string{"defaults", "policy"} {
			all := objects(t, h.render(t, "vet", combinations[name]))
			text, _, _ := unstructured.NestedString(find(t, all, "ConfigMap", "podvet-policy").Object, "data", "policy.yaml")
			if out, err := checkPolicy(t, text); err != nil {
				t.Errorf("helm %s wrote\n%s\n%s", h.version, text, out)
			}
			if name != "policy" {
				continue
			}
			for _, want := range []string{`mode: "off"`, `workloads: "off"`, `level: "off"`, "fixes: false", "maxSeconds: 2147483647"} {
				if !strings.Contains(text, want) {
					t.Errorf("helm %s wrote no %s:\n%s", h.version, want, text)
				}
			}
		}
	}
}

func checkPolicy(t *testing.T, text string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "policy", "check", file).CombinedOutput()
	return string(out), err
}

// TestWrongValues: the schema's message names the key, in both versions of Helm, before anything is sent.
func TestWrongValues(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		`replica: 3`:                                                            "'replica' not allowed",
		`replicas: "3"`:                                                         "/replicas': got string, want integer",
		`replicas: null`:                                                        "missing property 'replicas'",
		`webhooks: {mutate: null}`:                                              "missing property 'mutate'",
		`webhooks: {failurePolicy: Fail}`:                                       "'failurePolicy' not allowed",
		`webhooks: {validate: {failurePolicy: fail}}`:                           "must be one of 'Ignore', 'Fail'",
		`webhooks: {timeoutSeconds: 31}`:                                        "maximum: got 31, want 30",
		`webhooks: {matchConditions: [{name: a}]}`:                              "missing property 'expression'",
		`webhooks: {namespaceSelector: {matchLabel: {a: b}}}`:                   "'matchLabel' not allowed",
		`certificates: {mode: certmanager}`:                                     "must be one of 'selfManaged', 'certManager', 'existingSecret'",
		`certificates: {mode: existingSecret}`:                                  "/certificates/existingSecret/name': minLength",
		`image: {digest: "sha256:12"}`:                                          "/image/digest': 'sha256:12' does not match pattern",
		`policy: {mode: warning}`:                                               "/policy/mode': value must be one of 'enforce', 'warn', 'audit', 'off'",
		`policy: {apiVersion: podvet.dev/v1alpha1}`:                             "'apiVersion' not allowed",
		`policy: {rules: {no-readiness-prob: {level: deny}}}`:                   "'no-readiness-prob' not allowed",
		`policy: {rules: {bare-pod: {level: error}}}`:                           "/policy/rules/bare-pod/level': value must be one of",
		`policy: {rules: {bare-pod: {fix: true}}}`:                              "/policy/rules/bare-pod/fix': value must be false",
		`policy: {rules: {bare-pod: {params: {a: 1}}}}`:                         "'params' not allowed",
		`policy: {rules: {startup-budget-too-long: {params: {maxSeconds: 0}}}}`: "minimum: got 0, want 1",
		`policy: {exemptions: [{rules: [bare-pod], match: {namespaces: [a]}}]}`: "missing property 'reason'",
	} {
		for _, h := range helms {
			out, err := h.try(t, values, "install", "wrong", chartDir, "--namespace", "default")
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("helm %s with %s says %q, want %q", h.version, values, out, want)
			}
		}
	}
}

// TestSchemaKnowsPolicies: the schema and the reader of policies agree on each.
func TestSchemaKnowsPolicies(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`,
		`{mode: audit, profile: minimal, workloads: deny}`,
		`{mode: Enforce}`,
		`{fixes: "no"}`,
		`{injectedContainers: istio-proxy}`,
		`{rules: {no-liveness-probe: {level: warn, fix: false}}}`,
		`{rules: {no-startup-probe: {params: {budgetSeconds: -1}}}}`,
		`{rules: {no-startup-probe: {params: {budgetSeconds: 2147483648}}}}`,
		`{rules: {no-startup-probe: {params: {budgetSeconds: 1.5}}}}`,
		`{rules: {no-startup-probe: {params: {budget: 1}}}}`,
		`{rules: {exec-probe-short-timeout: {params: {minSeconds: 3}}}}`,
		`{rules: {no-readiness-probe: {params: {ignorePortNames: [a, 1]}}}}`,
		`{rules: {no-readiness-probe: {params: {template: {portName: http, probe: {httpGet: {port: true}}}}}}}`,
		`{rules: {no-readiness-probe: {params: {template: {portName: http, probe: {httpget: {port: http}}}}}}}`,
		`{rules: {restart-policy-not-allowed: {params: {allowed: {Job: [Sometimes]}}}}}`,
		`{allowPodExemptions: true}`,
		`{scopes: [{match: {namespaces: ["pay-*"]}, mode: "off", rules: {bare-pod: {level: "off"}}}]}`,
		`{scopes: [{match: {kinds: [Deployment], podSelector: {matchExpressions: [{key: a, operator: Exists}]}}, profile: strict}]}`,
		`{scopes: [{match: {namespace: [a]}}]}`,
		`{scopes: [{match: {namespaces: [a b]}}]}`,
		`{exemptions: [{rules: ["*"], match: {namespaces: [a], containers: ["w-*"], images: ["r/*"]}, reason: x, owner: o, expires: "2027-03-01"}]}`,
		`{exemptions: [{rules: [bare-pod], match: {namespaces: [a]}}]}`,
		`{exemptions: [{rules: [bare-pd], match: {namespaces: [a]}, reason: x}]}`,
	} {
		var document map[string]any
		if err := yaml.Unmarshal([]byte(text), &document); err != nil {
			t.Fatal(err)
		}
		document["apiVersion"], document["kind"] = policy.APIVersion, policy.Kind
		whole, err := yaml.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		said, bad := checkPolicy(t, string(whole))
		out, err := helms[1].try(t, "policy: "+text, "template", "podvet", chartDir, kubernetesVersion)
		if (bad == nil) != (err == nil) {
			t.Errorf("%s: podvet policy check says\n%s\nand the schema\n%s", text, said, out)
		}
	}
}

// TestOwnChartIsVetted: podvet has nothing to say of itself, by its strictest profile.
func TestOwnChartIsVetted(t *testing.T) {
	t.Parallel()
	for name, values := range combinations {
		cmd := exec.CommandContext(t.Context(), binary, "check", "--profile", "strict", "--fail-on", "warn", "-o", "json", "-")
		cmd.Stdin = strings.NewReader(helms[1].render(t, "vet", values))
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		var report struct {
			Subjects []struct{ Findings []any }
		}
		if json.Unmarshal(out, &report) != nil || len(report.Subjects) != 1 {
			t.Fatalf("%s: podvet check says %v %s%s", name, err, out, said.Bytes())
		}
		if err != nil || len(report.Subjects[0].Findings) > 0 {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	for _, h := range helms {
		for values, want := range map[string]string{
			``:                         "refuses nothing",
			`policy: {mode: off}`:      "it does nothing",
			`policy: {mode: enforce}`:  "it refuses what cannot work",
			combinations["own-policy"]: "which you keep",
			combinations["fail"]:       "refused (failurePolicy Fail)",
		} {
			out := h.must(t, values, "install", "notes", chartDir, "--namespace", "default", "--dry-run=client")
			if !strings.Contains(out, want) {
				_, notes, _ := strings.Cut(out, "NOTES:")
				t.Errorf("helm %s with %s lacks %q:\n%s", h.version, values, want, notes)
			}
		}
	}
}

// TestDependency: a parent chart hands down keys of its own, which the strict schema must bear.
func TestDependency(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	chart := `{apiVersion: v2, name: parent, version: 1.0.0, dependencies: [{name: podvet, version: ">=0.0.0-0", condition: podvet.enabled}]}`
	if err := os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte(chart), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "charts", "podvet"), os.DirFS(chartDir)); err != nil {
		t.Fatal(err)
	}
	for _, h := range helms {
		for enabled, want := range map[string]bool{"true": true, "false": false} {
			out := h.must(t, "{global: {region: eu}, podvet: {enabled: "+enabled+", replicas: 3}}", "template", "podvet", dir, kubernetesVersion)
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
