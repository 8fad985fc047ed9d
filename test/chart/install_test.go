package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestLifecycle installs, upgrades, rolls back and uninstalls the chart with both versions of Helm, in a namespace
// with the restricted Pod Security Standard. Nothing answers at the Service, as if podvet were down all the time.
func TestLifecycle(t *testing.T) {
	for _, h := range helms { // one after the other: the webhooks are the cluster's
		t.Run(h.version, func(t *testing.T) {
			ns := "podvet-" + h.version
			namespace(t, ns, "restricted")
			other := "apps-" + h.version
			namespace(t, other, "privileged")
			before := clusterObjects(t)
			h.must(t, "webhooks: {timeoutSeconds: 1}", "install", "podvet", chartDir, "--namespace", ns)

			// The ReplicaSet's pods pass the admission plugin.
			await(t, "two pods of podvet", func() bool { return len(list(t, "pods", "-n", ns)) == 2 })
			writeAsPodvet(t, ns)
			createPod(t, other, "with-ignore") // failurePolicy Ignore, and nobody answers

			h.must(t, "{webhooks: {timeoutSeconds: 1, validate: {failurePolicy: Fail}}, policy: {mode: enforce}}",
				"upgrade", "podvet", chartDir, "--namespace", ns)
			wantKept(t, ns)
			if got := policyText(t, ns); !strings.Contains(got, "mode: enforce") {
				t.Errorf("after the upgrade the policy is\n%s", got)
			}
			// Down with Fail: pods elsewhere are refused, podvet's own and the control plane's are not.
			await(t, "the API server to follow failurePolicy Fail", func() bool {
				out, err := kubectl(t, "", "run", "with-fail", "--image=i", "-n", other, "--dry-run=server")
				return err != nil && strings.Contains(out, `failed calling webhook "validate.podvet.dev"`)
			})
			createPod(t, "kube-system", "static-"+h.version)
			mustKubectl(t, "", "delete", "pods", "--all", "-n", ns, "--force", "--grace-period=0")
			await(t, "podvet's pods to be made again", func() bool { return len(list(t, "pods", "-n", ns)) == 2 })
			// A template is told of an outage by nothing: its webhook stays at Ignore.
			mustKubectl(t, "", "create", "deployment", "web", "--image=i", "-n", other)
			mustKubectl(t, "", "annotate", "deployment", "web", "a=b", "-n", other)

			// podvet owns a field of each webhook, so one that Helm left out would stay behind, and be invalid.
			h.must(t, "webhooks: {timeoutSeconds: 1, validateWorkloads: {enabled: false}}", "upgrade", "podvet",
				chartDir, "--namespace", ns)
			wantKept(t, ns)
			out := mustKubectl(t, "", "get", "validatingwebhookconfiguration", "podvet",
				"-o", `jsonpath={.webhooks[1].name}{.webhooks[1].rules}`)
			if out != "validate-workloads.podvet.dev" && out != "validate-workloads.podvet.dev[]" {
				t.Errorf("turned off, the webhook is %s", out)
			}

			h.must(t, "", "rollback", "podvet", "1", "--namespace", ns)
			wantKept(t, ns)
			if got := policyText(t, ns); !strings.Contains(got, "mode: warn") {
				t.Errorf("after the rollback the policy is\n%s", got)
			}

			// Uninstalled while it blocks and is down.
			h.must(t, "webhooks: {timeoutSeconds: 1, validate: {failurePolicy: Fail}}", "upgrade", "podvet", chartDir,
				"--namespace", ns)
			h.must(t, "", "uninstall", "podvet", "--namespace", ns)
			if after := clusterObjects(t); after != before {
				t.Errorf("before:\n%s\nafter uninstall:\n%s", before, after)
			}
			if left := left(t, ns); len(left) > 0 {
				t.Errorf("uninstall leaves %v", left)
			}
			await(t, "pods to be created again", func() bool {
				_, err := kubectl(t, "", "run", "after", "--image=i", "-n", other, "--dry-run=server")
				return err == nil
			})
		})
	}
}

// TestFromHelm3ToHelm4: a release of Helm 3 is upgraded by Helm 4, and keeps what podvet wrote.
func TestFromHelm3ToHelm4(t *testing.T) {
	const ns = "from-3-to-4"
	namespace(t, ns, "privileged")
	helms[0].must(t, "", "install", "podvet", chartDir, "--namespace", ns)
	writeAsPodvet(t, ns)
	helms[1].must(t, "policy: {mode: audit}", "upgrade", "podvet", chartDir, "--namespace", ns)
	wantKept(t, ns)
	if got := policyText(t, ns); !strings.Contains(got, "mode: audit") {
		t.Errorf("after the upgrade the policy is\n%s", got)
	}
	helms[1].must(t, "", "uninstall", "podvet", "--namespace", ns)
}

// clusterObjects are the objects of the cluster that a release could leave behind, with their finalizers.
func clusterObjects(t *testing.T) string {
	t.Helper()
	kinds := []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies",
		"validatingadmissionpolicybindings", "clusterroles", "clusterrolebindings", "customresourcedefinitions",
		"apiservices", "namespaces"}
	return mustKubectl(t, "", "get", strings.Join(kinds, ","),
		"-o", `jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.finalizers}{"\n"}{end}`)
}

func list(t *testing.T, kind string, args ...string) []string {
	t.Helper()
	return strings.Fields(mustKubectl(t, "", append([]string{"get", kind, "-o", "name"}, args...)...))
}

func createPod(t *testing.T, ns, name string) {
	t.Helper()
	mustKubectl(t, "", "run", name, "--image=i", "-n", ns)
}

const published = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t" // which the API server does not read before it calls

// writeAsPodvet writes what podvet writes at run time, in the ways it does.
func writeAsPodvet(t *testing.T, ns string) {
	t.Helper()
	bundle := func(kind string, names ...string) string {
		var webhooks []string
		for _, name := range names {
			webhooks = append(webhooks, "\n- {name: "+name+".podvet.dev, clientConfig: {caBundle: "+published+"}}")
		}
		return fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: %sWebhookConfiguration
metadata: {name: podvet}
webhooks:%s
---
`, kind, strings.Join(webhooks, ""))
	}
	mutating := bundle("Mutating", "mutate")
	validating := bundle("Validating", "validate", "validate-workloads", "validate-policy")
	mustKubectl(t, mutating+validating, "apply", "--server-side", "--field-manager=podvet", "-f", "-")
	mustKubectl(t, "", "patch", "configmap", "podvet-policy-last-good", "-n", ns, "--type=merge",
		"-p", `{"data":{"policy.yaml":"last good"}}`)
	mustKubectl(t, "", "patch", "secret", "podvet-self-managed-ca", "-n", ns, "--type=merge",
		"-p", `{"data":{"tls.key":"a2V5"}}`)
}

// wantKept checks that Helm took away nothing of what podvet wrote.
func wantKept(t *testing.T, ns string) {
	t.Helper()
	wantBundles(t, published)
	out := mustKubectl(t, "", "get", "configmap", "podvet-policy-last-good", "-n", ns, "-o", "jsonpath={.data}")
	if out != `{"policy.yaml":"last good"}` {
		t.Errorf("the last good policy is %s", out)
	}
	out = mustKubectl(t, "", "get", "secret", "podvet-self-managed-ca", "-n", ns, "-o", "jsonpath={.data}")
	if out != `{"tls.key":"a2V5"}` {
		t.Errorf("the CA's Secret is %s", out)
	}
}

// wantBundles checks that each webhook has the CA bundle.
func wantBundles(t *testing.T, bundle string) {
	t.Helper()
	for kind, count := range map[string]int{"mutatingwebhookconfiguration": 1, "validatingwebhookconfiguration": 3} {
		out := mustKubectl(t, "", "get", kind, "podvet", "-o", "jsonpath={.webhooks[*].clientConfig.caBundle}")
		if want := strings.TrimSpace(strings.Repeat(bundle+" ", count)); out != want {
			t.Errorf("caBundle of the %s is %q", kind, out)
		}
	}
}

func policyText(t *testing.T, ns string) string {
	t.Helper()
	return mustKubectl(t, "", "get", "configmap", "podvet-policy", "-n", ns, "-o", `jsonpath={.data.policy\.yaml}`)
}

// TestPolicyChangedByHand is what the README says of it.
func TestPolicyChangedByHand(t *testing.T) {
	for _, h := range helms {
		ns := "by-hand-" + h.version
		namespace(t, ns, "privileged")
		h.must(t, "", "install", "podvet", chartDir, "--namespace", ns)
		mustKubectl(t, "", "patch", "configmap", "podvet-policy", "-n", ns, "--field-manager=kubectl-edit",
			"--type=merge", "-p", `{"data":{"policy.yaml":"by hand"}}`)
		out, err := h.try(t, "replicas: 3", "upgrade", "podvet", chartDir, "--namespace", ns)
		switch text := policyText(t, ns); h.version {
		case "v3":
			if err != nil || !strings.Contains(text, "mode: warn") {
				t.Errorf("Helm 3 says %s, the policy is %s", out, text)
			}
		case "v4":
			if err == nil || !strings.Contains(out, `conflict with "kubectl-edit"`) ||
				!strings.Contains(out, "policy.yaml") || text != "by hand" {
				t.Errorf("Helm 4 says %s, the policy is %s", out, text)
			}
		}
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// TestOwnPolicyIsNeverTouched: a ConfigMap that the user keeps outlives upgrades and the release.
func TestOwnPolicyIsNeverTouched(t *testing.T) {
	for _, h := range helms {
		ns := "own-policy-" + h.version
		namespace(t, ns, "privileged")
		mustKubectl(t, "", "create", "configmap", "my-policy", "-n", ns, "--from-literal=policy.yaml=mine")
		h.must(t, combinations["own-policy"], "install", "podvet", chartDir, "--namespace", ns)
		h.must(t, combinations["own-policy"], "upgrade", "podvet", chartDir, "--namespace", ns)
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
		out := mustKubectl(t, "", "get", "configmap", "my-policy", "-n", ns, "-o", "jsonpath={.data}")
		if out != `{"policy.yaml":"mine"}` {
			t.Errorf("helm %s: the ConfigMap holds %s", h.version, out)
		}
	}
}

// TestNotAsked: the value that breaks the glass in Git takes away the rules of the webhooks and nothing else.
func TestNotAsked(t *testing.T) {
	rules := func() string {
		return mustKubectl(t, "", "get", mutatingConfiguration+","+validatingConfiguration,
			"-o", "jsonpath={.items[*].webhooks[*].rules[*].resources}")
	}
	for _, h := range helms {
		ns := "not-asked-" + h.version
		namespace(t, ns, "privileged")
		h.must(t, "webhooks: {validate: {failurePolicy: Fail}}", "install", "podvet", chartDir, "--namespace", ns)
		writeAsPodvet(t, ns)
		before, inNamespace, asked := clusterObjects(t), left(t, ns), rules()
		h.must(t, "webhooks: {enabled: false, validate: {failurePolicy: Fail}}", "upgrade", "podvet", chartDir,
			"--namespace", ns)
		if got := rules(); got != "" || asked == "" {
			t.Errorf("helm %s: podvet is asked about %s", h.version, got)
		}
		wantKept(t, ns)
		await(t, "pods to be created again", func() bool {
			_, err := kubectl(t, "", "run", "pod", "--image=i", "-n", "default", "--dry-run=server")
			return err == nil
		})
		if got := clusterObjects(t); got != before {
			t.Errorf("helm %s: not asked, there are (+) where there were (-)\n%s", h.version, cmp.Diff(before, got))
		}
		if got := left(t, ns); !slices.Equal(got, inNamespace) {
			t.Errorf("helm %s: in the namespace are %v, were %v", h.version, got, inNamespace)
		}
		h.must(t, "webhooks: {enabled: true}", "upgrade", "podvet", chartDir, "--namespace", ns)
		if got := rules(); got != asked {
			t.Errorf("helm %s: asked again, it is about %s", h.version, got)
		}
		wantKept(t, ns)
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// left are a release's objects in its namespace.
func left(t *testing.T, ns string) []string {
	t.Helper()
	kinds := "configmaps,secrets,serviceaccounts,services,deployments,roles,rolebindings," +
		"poddisruptionbudgets,networkpolicies"
	return list(t, kinds, "-n", ns,
		"--field-selector=metadata.name!=kube-root-ca.crt,metadata.name!=default", "--selector=owner!=helm")
}

// TestChangeOfCertificates: from one mode to another in one upgrade, with what each needs and nothing of the other.
func TestChangeOfCertificates(t *testing.T) {
	certManagerCRDs(t)
	for _, h := range helms {
		ns := "certs-" + h.version
		namespace(t, ns, "privileged")
		h.must(t, "", "install", "podvet", chartDir, "--namespace", ns)
		h.must(t, combinations["cert-manager"], "upgrade", "podvet", chartDir, "--namespace", ns)
		if got := list(t, "certificates,issuers,secrets", "-n", ns,
			"-l", "app.kubernetes.io/name=podvet"); len(got) != 4 {
			t.Errorf("helm %s: with cert-manager there are %v", h.version, got)
		}
		h.must(t, "certificates: {mode: selfManaged}", "upgrade", "podvet", chartDir, "--namespace", ns)
		got := list(t, "certificates,issuers,secrets", "-n", ns, "-l", "app.kubernetes.io/name=podvet")
		if len(got) != 1 || got[0] != "secret/podvet-self-managed-ca" {
			t.Errorf("helm %s: without it there are %v", h.version, got)
		}
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// TestConditions: the API server compiles the conditions of the values, and refuses one that is none.
func TestConditions(t *testing.T) {
	for _, h := range helms {
		ns := "conditions-" + h.version
		namespace(t, ns, "privileged")
		broken := `webhooks: {matchConditions: [{name: broken, expression: "object.metadata.name ="}]}`
		out, err := h.try(t, broken, "install", "podvet", chartDir, "--namespace", ns)
		if err == nil || !strings.Contains(out, "compilation failed") {
			t.Errorf("helm %s with a broken condition says %s", h.version, out)
		}
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)

		closed := "webhooks: {timeoutSeconds: 1, validate: {failurePolicy: Fail}, mutate: {failurePolicy: Fail}}"
		h.must(t, closed, "install", "podvet", chartDir, "--namespace", ns)
		pod := func(name, annotations string) string {
			return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default, annotations: %s}
spec:
  containers:
  - {name: c, image: i}
`, name, annotations)
		}
		await(t, "the API server to ask", func() bool {
			_, err := kubectl(t, pod("ordinary", "null"), "create", "--dry-run=server", "-f", "-")
			return err != nil
		})
		// Only a kubelet may create one: that the API server says so, not the webhook, shows the condition at work.
		out, err = kubectl(t, pod("mirror", "{kubernetes.io/config.mirror: a}"), "create", "--dry-run=server",
			"-f", "-")
		if strings.Contains(out, "podvet.dev") {
			t.Errorf("helm %s: a mirror pod is asked about: %v %s", h.version, err, out)
		}
		// A ConfigMap of another name, and the policy itself, whose webhook is away.
		mustKubectl(t, "", "create", "configmap", "another", "-n", ns)
		mustKubectl(t, "", "annotate", "configmap", "podvet-policy", "-n", ns, "a=b")
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// TestRolesNameTheirResources: but for what has no name yet or is read whole.
func TestRolesNameTheirResources(t *testing.T) {
	t.Parallel()
	unnamed := map[string]string{"namespaces": "get list watch", "events": "create",
		"tokenreviews": "create", "subjectaccessreviews": "create"}
	readme, err := os.ReadFile(chartDir + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	// A reader of the README goes by its words.
	words := map[string]string{
		"namespaces": "namespaces",
		"events":     "Events",
		"configmaps": "the ConfigMap",
		"secrets":    "the Secret",

		"tokenreviews":         "TokenReviews",
		"subjectaccessreviews": "SubjectAccessReviews",
		"mutatingwebhookconfigurations validatingwebhookconfigurations": "its own MutatingWebhookConfiguration " +
			"and ValidatingWebhookConfiguration",
	}
	for name, values := range combinations {
		for _, obj := range objects(t, helms[1].render(t, "vet", values)) {
			if obj.GetKind() != "Role" && obj.GetKind() != "ClusterRole" {
				continue
			}
			granted, _, _ := unstructured.NestedSlice(obj.Object, "rules")
			for _, rule := range granted {
				var r struct{ Resources, ResourceNames, Verbs []string }
				data, _ := json.Marshal(rule)
				if err := json.Unmarshal(data, &r); err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(obj.GetName(), "-metrics") && len(r.Resources) == 0 {
					continue // the one path that readers of the metrics may get
				}
				// Who writes reports looks at all workloads, and reports are in all namespaces. See TestReports.
				verbs := strings.Join(r.Verbs, " ")
				reports := strings.HasSuffix(obj.GetName(), "-reports") &&
					(verbs == "list" || strings.HasSuffix(r.Resources[0], "reports"))
				if len(r.ResourceNames) == 0 && !reports && unnamed[strings.Join(r.Resources, " ")] != verbs {
					t.Errorf("%s: %s %s grants %s", name, obj.GetKind(), obj.GetName(), data)
				}
				right := strings.Join(r.Verbs, ", ") + " " + words[strings.Join(r.Resources, " ")]
				if !strings.Contains(string(readme), "| "+right) {
					t.Errorf("%s: the README's table has no right to %s", name, right)
				}
				if strings.Contains(string(data), `"*"`) {
					t.Errorf("%s: %s grants a star: %s", name, obj.GetName(), data)
				}
			}
		}
	}
}
