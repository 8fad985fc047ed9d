package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/policy"
)

// TestPolicyIsRead: what the chart writes into the ConfigMap is a policy, with no word or number changed on the way.
func TestPolicyIsRead(t *testing.T) {
	t.Parallel()
	for _, h := range helms {
		for _, name := range []string{"defaults", "policy"} {
			all := objects(t, h.render(t, "vet", combinations[name]))
			text, _, _ := unstructured.NestedString(find(t, all, "ConfigMap", "podvet-policy").Object, "data",
				"policy.yaml")
			if out, err := checkPolicy(t, text); err != nil {
				t.Errorf("helm %s wrote\n%s\n%s", h.version, text, out)
			}
			if name != "policy" {
				continue
			}
			for _, want := range []string{`mode: "off"`, `workloads: "off"`, `level: "off"`, "fixes: false",
				"namespaceModes:\n- \"off\"\n- warn\n", "maxSeconds: 86400", "failureThreshold: 2147483647"} {
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

// TestWrongValues: the schema's message names the key, or the chart says what is wrong, in both versions of Helm,
// before anything is sent.
func TestWrongValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ values, want string }{
		{`replica: 3`, "'replica' not allowed"},
		{`namespaceModeGuard: {enabled: true, groups: []}`, "/namespaceModeGuard/groups': minItems: got 0, want 1"},
		{`namespaceModeGuard: {groups: platform}`, "/namespaceModeGuard/groups': got string, want array"},
		{`replicas: "3"`, "/replicas': got string, want integer"},
		{`replicas: null`, "missing property 'replicas'"},
		{`webhooks: {mutate: null}`, "missing property 'mutate'"},
		{`webhooks: {failurePolicy: Fail}`, "'failurePolicy' not allowed"},
		{`webhooks: {validate: {failurePolicy: fail}}`, "must be one of 'Ignore', 'Fail'"},
		{`webhooks: {timeoutSeconds: 31}`, "maximum: got 31, want 30"},
		{`webhooks: {validateWorkloads: {customResources: [Rollout]}}`, "'Rollout' does not match pattern"},
		{`webhooks: {matchConditions: [{name: a}]}`, "missing property 'expression'"},
		{`webhooks: {namespaceSelector: {matchLabel: {a: b}}}`, "'matchLabel' not allowed"},
		{`certificates: {mode: certmanager}`, "must be one of 'selfManaged', 'certManager', 'existingSecret'"},
		{`certificates: {mode: existingSecret}`, "/certificates/existingSecret/name': minLength"},
		{`image: {digest: "sha256:12"}`, "/image/digest': 'sha256:12' does not match pattern"},
		{`policy: {mode: warning}`, "/policy/mode': value must be one of 'enforce', 'warn', 'audit', 'off'"},
		{`policy: {apiVersion: podvet.dev/v1alpha1}`, "'apiVersion' not allowed"},
		{`policy: {rules: {no-readiness-prob: {level: deny}}}`, "'no-readiness-prob' not allowed"},
		{`policy: {rules: {bare-pod: {level: error}}}`, "/policy/rules/bare-pod/level': value must be one of"},
		{`policy: {rules: {bare-pod: {fix: true}}}`, "/policy/rules/bare-pod/fix': value must be false"},
		{`policy: {rules: {bare-pod: {params: {a: 1}}}}`, "'params' not allowed"},
		{`policy: {rules: {startup-budget-too-long: {params: {maxSeconds: 0}}}}`, "minimum: got 0, want 1"},
		{`policy: {exemptions: [{rules: [bare-pod], match: {namespaces: [a]}}]}`, "missing property 'reason'"},
		{`resources: {limits: {memory: 256mb}}`, "/resources/limits/memory': '256mb' does not match pattern"},
		{`resources: {limits: {memroy: 256Mi}}`, "'memroy' does not match pattern"},
		{`resources: {limit: {memory: 256Mi}}`, "'limit' not allowed"},
		{`reports: {format: policyreports}`, "must be one of 'policyreport', 'openreports'"},
		{`reports: {schedule: hourly}`, "/reports/schedule': 'hourly' does not match pattern"},
		{`strategy: {typ: Recreate}`, "'typ' not allowed"},
		{`strategy: {type: recreate}`, "must be one of 'Recreate', 'RollingUpdate'"},
		{`strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}`,
			"/strategy/rollingUpdate': maxProperties: got 1, want 0"},
		{`strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}`,
			"strategy.rollingUpdate: with maxSurge and maxUnavailable both 0 nothing could ever be replaced"},
		{`affinity: {podAntiAfinity: {}}`, "'podAntiAfinity' not allowed"},
		{`affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {}}]}}`,
			"missing property 'topologyKey'"},
		{`securityContext: {readOnlyRootFileSystem: true}`, "'readOnlyRootFileSystem' not allowed"},
		{`podSecurityContext: {runAsUser: root}`, "/podSecurityContext/runAsUser': got string, want"},
		{`ports: {webhook: 9443, metrics: 9443}`, "ports: webhook, metrics and health need a port each"},
		{`ports: {webhook: 443}`, "/ports/webhook': minimum: got 443, want 1,024"},
		{`certificates: {mode: certManager, certManager: {issuerRef: {kind: ClusterIssuer}}}`,
			"/certificates/certManager/issuerRef': properties 'name' required, if 'kind' exists"},
		{`certificates: {mode: certManager, certManager: {duration: 1h, renewBefore: 2160h}}`,
			"renewBefore 5m at least and shorter than duration"},
		{`certificates: {mode: certManager, certManager: {duration: 90 days}}`, "'90 days' does not match pattern"},
		{`webhooks: {excludeNamespaces: ["team-*"]}`,
			"/webhooks/excludeNamespaces/0': 'team-*' does not match pattern"},
		{`webhooks: {matchConditions: [{name: no-mirror-pod, expression: "true"}]}`,
			`webhooks.matchConditions: the name "no-mirror-pod" is taken`},
		{`webhooks: {matchConditions: [{name: a b, expression: "true"}]}`, "'a b' does not match pattern"},
		{`webhooks: {namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}`, "missing property 'values'"},
		{`webhooks: {objectSelector: {matchExpressions: [{key: a, operator: In, values: []}]}}`,
			"/values': minItems: got 0, want 1"},
		{`webhooks: {objectSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}`,
			"/values': maxItems: got 1, want 0"},
		{`webhooks: {objectSelector: {matchLabels: {a: b c}}}`, "'b c' does not match pattern"},
		{`fullnameOverride: pod.vet`, "'pod.vet' does not match pattern"},
		{`nameOverride: pod.vet`, "'pod.vet' does not match pattern"},
		{`topologySpreadConstraints: [{maxSkew: 1}]`, "missing properties 'topologyKey', 'whenUnsatisfiable'"},
		{`tolerations: [{kee: a}]`, "'kee' not allowed"},
		{`tolerations: [{key: a, effect: NoScheduling}]`, "/tolerations/0/effect': value must be one of"},
		{`commonLabels: {"a b": c}`, "'a b' does not match pattern"},
		{`commonLabels: {a: b c}`, "'b c' does not match pattern"},
		{`service: {annotations: {"a b": c}}`, "'a b' does not match pattern"},
		{`image: {tag: v1 x}`, "'v1 x' does not match pattern"},
		{`image: {repository: Podvet}`, "'Podvet' does not match pattern"},
		{`extraEnv: [{nam: a}]`, "'nam' not allowed"},
		{`extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]`, "missing property 'key'"},
		{`extraVolumes: [{name: certs, emptyDir: {}}]`, `extraVolumes: the name "certs" is taken`},
		{`extraVolumes: [{name: a, emptydir: {}}]`, "'emptydir' not allowed"},
		{`extraVolumeMounts: [{name: a}]`, "missing property 'mountPath'"},
		{`imagePullSecrets: [registry]`, "/imagePullSecrets/0': got string, want object"},
		{`networkPolicy: {egress: [{port: 443}]}`, "'port' not allowed"},
		{`networkPolicy: {webhookFrom: [10.0.0.1]}`, "/networkPolicy/webhookFrom/0': got string, want object"},
		{`metrics: {readers: [{name: a}]}`, "missing property 'kind'"},
		{`metrics: {readers: [{kind: Pod, name: a}]}`, "/metrics/readers/0/kind': value must be one of"},
		{`networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabel: {}}}]}`, "'matchLabel' not allowed"},
	} {
		for _, h := range helms {
			out, err := h.try(t, c.values, "install", "wrong", chartDir, "--namespace", "default")
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("helm %s with %s says %q, want %q", h.version, c.values, out, c.want)
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
		`{ownedPods: warn, workloads: deny, namespaceModes: false}`,
		`{ownedPods: deny}`,
		`{namespaceModes: [warn, "off"]}`,
		`{namespaceModes: warn}`,
		`{namespaceModes: []}`,
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
		`
  scopes:
  - match: {kinds: [Deployment], podSelector: {matchExpressions: [{key: a, operator: Exists}]}}
    profile: strict
`,
		`{scopes: [{match: {namespace: [a]}}]}`,
		`{scopes: [{match: {namespaces: [a b]}}]}`,
		`
  exemptions:
  - rules: ["*"]
    match: {namespaces: [a], containers: ["w-*"], images: ["r/*"]}
    reason: x
    owner: o
    expires: "2027-03-01"
`,
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
