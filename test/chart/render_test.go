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

	"github.com/podvet/podvet/rules/policy"
)

// combinations are values that the chart must render, each accepted by the API server.
var combinations = map[string]string{
	"defaults":     ``,
	"cert-manager": `certificates: {mode: certManager}`,
	"own-issuer":   `certificates: {mode: certManager, certManager: {namespace: pki, issuerRef: {kind: ClusterIssuer, name: corporate}}}`,
	"own-secret":   `certificates: {mode: existingSecret, existingSecret: {name: webhook-tls}}`,
	"own-checked":  `certificates: {mode: existingSecret, existingSecret: {name: webhook-tls, checkBundle: true}}`,
	"host-network": `{hostNetwork: true, ports: {webhook: 10250, metrics: 18080, health: 18081}}`,
	"one-replica":  `{replicas: 1, podDisruptionBudget: {enabled: false}, topologySpreadConstraints: []}`,
	"fail":         `webhooks: {mutate: {failurePolicy: Fail}, validate: {failurePolicy: Fail}, validateWorkloads: {failurePolicy: Fail}, timeoutSeconds: 10, reinvocationPolicy: Never}`,
	"pods-only":    `webhooks: {validateWorkloads: {enabled: false}}`,
	"not-asked":    `webhooks: {enabled: false}`,
	"own-policy":   `policyConfigMap: {create: false, name: my-policy}`,
	"other-types": `
resources: {limits: {memory: 1.5Gi, cpu: 1, example.com/gpu: "1"}, requests: {cpu: 0.1, memory: 1e8}}
extraEnv: [{name: A, value: ""}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: C, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}]
extraVolumes: [{name: a, projected: {sources: [{configMap: {name: a, items: [{key: b, path: c}]}}, {serviceAccountToken: {path: t}}]}}, {name: b, ephemeral: {volumeClaimTemplate: {metadata: {labels: {a: b}}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}, {name: c, hostPath: {path: /c, type: Directory}}, {name: d, secret: {secretName: d, defaultMode: 256}}]
extraVolumeMounts: [{name: a, mountPath: /a, readOnly: true, subPath: x}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}, {key: cpus, operator: Gt, values: ["4"]}]}]}}}
tolerations: [{operator: Exists}, {key: a, operator: Equal, value: b, effect: NoExecute, tolerationSeconds: 5}]
strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 50%, maxUnavailable: 0}}
podSecurityContext: {runAsUser: 1000, fsGroup: 1000, sysctls: [{name: net.core.somaxconn, value: "1024"}], supplementalGroups: [1], appArmorProfile: {type: RuntimeDefault}}
securityContext: {capabilities: {add: [NET_BIND_SERVICE]}, seLinuxOptions: {level: "s0:c1"}, seccompProfile: {type: Localhost, localhostProfile: p.json}}
networkPolicy: {enabled: true, metricsFrom: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {podSelector: {}}], egress: [{ports: [{port: 443, protocol: TCP}, {port: 8000, endPort: 9000}], to: [{ipBlock: {cidr: 10.0.0.1/32}}]}]}
commonLabels: {example.com/team.name: A_b.c, empty: ""}
commonAnnotations: {example.com/Any_thing: "of any text: {}"}
`,
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

// TestWrongValues: the schema's message names the key, or the chart says what is wrong, in both versions of Helm, before
// anything is sent.
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
		`resources: {limits: {memory: 256mb}}`:                                  "/resources/limits/memory': '256mb' does not match pattern",
		`resources: {limits: {memroy: 256Mi}}`:                                  "'memroy' does not match pattern",
		`resources: {limit: {memory: 256Mi}}`:                                   "'limit' not allowed",
		`strategy: {typ: Recreate}`:                                             "'typ' not allowed",
		`strategy: {type: recreate}`:                                            "must be one of 'Recreate', 'RollingUpdate'",
		`strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}`:              "/strategy/rollingUpdate': maxProperties: got 1, want 0",
		`strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}`:          "strategy.rollingUpdate: with maxSurge and maxUnavailable both 0 nothing could ever be replaced",
		`affinity: {podAntiAfinity: {}}`:                                        "'podAntiAfinity' not allowed",
		`affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {}}]}}`: "missing property 'topologyKey'",
		`securityContext: {readOnlyRootFileSystem: true}`:                                                      "'readOnlyRootFileSystem' not allowed",
		`podSecurityContext: {runAsUser: root}`:                                                                "/podSecurityContext/runAsUser': got string, want",
		`ports: {webhook: 9443, metrics: 9443}`:                                                                "ports: webhook, metrics and health need a port each",
		`ports: {webhook: 443}`:                                                                                "/ports/webhook': minimum: got 443, want 1,024",
		`certificates: {mode: certManager, certManager: {issuerRef: {kind: ClusterIssuer}}}`:                   "/certificates/certManager/issuerRef': properties 'name' required, if 'kind' exists",
		`certificates: {mode: certManager, certManager: {duration: 1h, renewBefore: 2160h}}`:                   "renewBefore 5m at least and shorter than duration",
		`certificates: {mode: certManager, certManager: {duration: 90 days}}`:                                  "'90 days' does not match pattern",
		`webhooks: {excludeNamespaces: ["team-*"]}`:                                                            "/webhooks/excludeNamespaces/0': 'team-*' does not match pattern",
		`webhooks: {matchConditions: [{name: no-mirror-pod, expression: "true"}]}`:                             `webhooks.matchConditions: the name "no-mirror-pod" is taken`,
		`webhooks: {matchConditions: [{name: a b, expression: "true"}]}`:                                       "'a b' does not match pattern",
		`webhooks: {namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}`:                          "missing property 'values'",
		`webhooks: {objectSelector: {matchExpressions: [{key: a, operator: In, values: []}]}}`:                 "/values': minItems: got 0, want 1",
		`webhooks: {objectSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}`:            "/values': maxItems: got 1, want 0",
		`webhooks: {objectSelector: {matchLabels: {a: b c}}}`:                                                  "'b c' does not match pattern",
		`fullnameOverride: pod.vet`:                                                                            "'pod.vet' does not match pattern",
		`nameOverride: pod.vet`:                                                                                "'pod.vet' does not match pattern",
		`topologySpreadConstraints: [{maxSkew: 1}]`:                                                            "missing properties 'topologyKey', 'whenUnsatisfiable'",
		`tolerations: [{kee: a}]`:                                                                              "'kee' not allowed",
		`tolerations: [{key: a, effect: NoScheduling}]`:                                                        "/tolerations/0/effect': value must be one of",
		`commonLabels: {"a b": c}`:                                                                             "'a b' does not match pattern",
		`commonLabels: {a: b c}`:                                                                               "'b c' does not match pattern",
		`service: {annotations: {"a b": c}}`:                                                                   "'a b' does not match pattern",
		`image: {tag: v1 x}`:                                                                                   "'v1 x' does not match pattern",
		`image: {repository: Podvet}`:                                                                          "'Podvet' does not match pattern",
		`extraEnv: [{nam: a}]`:                                                                                 "'nam' not allowed",
		`extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]`:                                          "missing property 'key'",
		`extraVolumes: [{name: certs, emptyDir: {}}]`:                                                          `extraVolumes: the name "certs" is taken`,
		`extraVolumes: [{name: a, emptydir: {}}]`:                                                              "'emptydir' not allowed",
		`extraVolumeMounts: [{name: a}]`:                                                                       "missing property 'mountPath'",
		`imagePullSecrets: [registry]`:                                                                         "/imagePullSecrets/0': got string, want object",
		`networkPolicy: {egress: [{port: 443}]}`:                                                               "'port' not allowed",
		`networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabel: {}}}]}`:                                "'matchLabel' not allowed",
	} {
		for _, h := range helms {
			out, err := h.try(t, values, "install", "wrong", chartDir, "--namespace", "default")
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("helm %s with %s says %q, want %q", h.version, values, out, want)
			}
		}
	}
}

// TestReleaseNames: each that Helm takes makes objects that the API server takes, or is refused before anything is sent.
func TestReleaseNames(t *testing.T) {
	t.Parallel()
	namespace(t, "release-names", "privileged")
	for _, h := range helms {
		for _, name := range []string{"pod.vet", "a.podvet.b", strings.Repeat("a.", 26) + "b"} {
			out := h.must(t, "", "template", name, chartDir, "--namespace", "release-names", kubernetesVersion)
			mustKubectl(t, out, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
		}
		if out, err := h.try(t, "", "template", "7vet", chartDir, kubernetesVersion); err == nil || !strings.Contains(out, `"7vet" starts with a digit`) {
			t.Errorf("helm %s: %s", h.version, out)
		}
		h.must(t, "fullnameOverride: vet", "template", "7vet", chartDir, kubernetesVersion)
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
	certManagerCRDs(t) // without which Helm prints none
	for _, h := range helms {
		for values, want := range map[string]string{
			``:                         "refuses nothing",
			`policy: {mode: off}`:      "it does nothing",
			`policy: {mode: enforce}`:  "it refuses what cannot work",
			combinations["own-policy"]: "which you keep",
			combinations["fail"]:       "refused (failurePolicy Fail)",
			`webhooks: {validateWorkloads: {failurePolicy: Fail}}`:             "into webhooks.excludeNamespaces",
			`webhooks: {excludeNamespaces: [default]}`:                         "--image=nginx -n NAMESPACE --dry-run",
			`webhooks: {namespaceSelector: {matchLabels: {a: b}}}`:             "--image=nginx -n NAMESPACE --dry-run",
			`webhooks: {objectSelector: {matchLabels: {a: b}}}`:                "where your policy and selectors leave something",
			`policy: {profile: minimal}`:                                       "where your policy and selectors leave something",
			`policy: {mode: "off", rules: {}}`:                                 "there is nothing to see",
			`webhooks: {enabled: false}`:                                       "nothing is asked of podvet",
			`certificates: {mode: certManager, certManager: {namespace: pki}}`: "namespaces kube-system, pki, vet are never vetted",
		} {
			out := h.must(t, values, "install", "notes", chartDir, "--namespace", "vet", "--dry-run=client")
			if !strings.Contains(out, want) {
				_, notes, _ := strings.Cut(out, "NOTES:")
				t.Errorf("helm %s with %s lacks %q:\n%s", h.version, values, want, notes)
			}
		}
	}
}

// TestDocumentedHelm: the commands of Helm in the guides and the notes have flags that Helm 4 knows, and Helm 3 but for
// the one that is told of there.
func TestDocumentedHelm(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, file := range []string{"../../docs/operations.md", "../../README.md", chartDir + "/README.md", chartDir + "/templates/NOTES.txt"} {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(page)
	}
	if strings.Contains(text.String(), "podvet-system --reuse-values") {
		t.Error("--reuse-values fails with a chart that has values more: write --reset-then-reuse-values")
	}
	commands := regexp.MustCompile("helm (install|upgrade|pull|uninstall|rollback) ((?:[^`\n\\\\]|\\\\\n)*)").FindAllStringSubmatch(text.String(), -1)
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
