package chart

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

			h.must(t, "{webhooks: {timeoutSeconds: 1, validate: {failurePolicy: Fail}}, policy: {mode: enforce}}", "upgrade", "podvet", chartDir, "--namespace", ns)
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
			await(t, "podvet's pods to be made anew", func() bool { return len(list(t, "pods", "-n", ns)) == 2 })
			// A template is told of an outage by nothing: its webhook stays at Ignore.
			mustKubectl(t, "", "create", "deployment", "web", "--image=i", "-n", other)
			mustKubectl(t, "", "annotate", "deployment", "web", "a=b", "-n", other)

			// podvet owns a field of each webhook, so one that Helm left out would stay behind, and be invalid.
			h.must(t, "webhooks: {timeoutSeconds: 1, validateWorkloads: {enabled: false}}", "upgrade", "podvet", chartDir, "--namespace", ns)
			wantKept(t, ns)
			if out := mustKubectl(t, "", "get", "validatingwebhookconfiguration", "podvet", "-o", `jsonpath={.webhooks[1].name}{.webhooks[1].rules}`); out != "validate-workloads.podvet.dev" && out != "validate-workloads.podvet.dev[]" {
				t.Errorf("turned off, the webhook is %s", out)
			}

			h.must(t, "", "rollback", "podvet", "1", "--namespace", ns)
			wantKept(t, ns)
			if got := policyText(t, ns); !strings.Contains(got, "mode: warn") {
				t.Errorf("after the rollback the policy is\n%s", got)
			}

			// Uninstalled while it blocks and is down.
			h.must(t, "webhooks: {timeoutSeconds: 1, validate: {failurePolicy: Fail}}", "upgrade", "podvet", chartDir, "--namespace", ns)
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
	return mustKubectl(t, "", "get", "mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings,customresourcedefinitions,apiservices,namespaces",
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
			webhooks = append(webhooks, fmt.Sprintf("{name: %s.podvet.dev, clientConfig: {caBundle: %s}}", name, published))
		}
		return fmt.Sprintf("{apiVersion: admissionregistration.k8s.io/v1, kind: %sWebhookConfiguration, metadata: {name: podvet}, webhooks: [%s]}\n---\n", kind, strings.Join(webhooks, ", "))
	}
	mustKubectl(t, bundle("Mutating", "mutate")+bundle("Validating", "validate", "validate-workloads", "validate-policy"),
		"apply", "--server-side", "--field-manager=podvet", "-f", "-")
	mustKubectl(t, "", "patch", "configmap", "podvet-policy-last-good", "-n", ns, "--type=merge", "-p", `{"data":{"policy.yaml":"last good"}}`)
	mustKubectl(t, "", "patch", "secret", "podvet-self-managed-ca", "-n", ns, "--type=merge", "-p", `{"data":{"tls.key":"a2V5"}}`)
}

// wantKept checks that Helm took away nothing of what podvet wrote.
func wantKept(t *testing.T, ns string) {
	t.Helper()
	wantBundles(t, published)
	if out := mustKubectl(t, "", "get", "configmap", "podvet-policy-last-good", "-n", ns, "-o", "jsonpath={.data}"); out != `{"policy.yaml":"last good"}` {
		t.Errorf("the last good policy is %s", out)
	}
	if out := mustKubectl(t, "", "get", "secret", "podvet-self-managed-ca", "-n", ns, "-o", "jsonpath={.data}"); out != `{"tls.key":"a2V5"}` {
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
		mustKubectl(t, "", "patch", "configmap", "podvet-policy", "-n", ns, "--field-manager=kubectl-edit", "--type=merge", "-p", `{"data":{"policy.yaml":"by hand"}}`)
		out, err := h.try(t, "replicas: 3", "upgrade", "podvet", chartDir, "--namespace", ns)
		switch text := policyText(t, ns); h.version {
		case "v3":
			if err != nil || !strings.Contains(text, "mode: warn") {
				t.Errorf("Helm 3 says %s, the policy is %s", out, text)
			}
		case "v4":
			if err == nil || !strings.Contains(out, `conflict with "kubectl-edit"`) || !strings.Contains(out, "policy.yaml") || text != "by hand" {
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
		if out := mustKubectl(t, "", "get", "configmap", "my-policy", "-n", ns, "-o", "jsonpath={.data}"); out != `{"policy.yaml":"mine"}` {
			t.Errorf("helm %s: the ConfigMap holds %s", h.version, out)
		}
	}
}

// run has a shell run what a guide says, with kubectl, podvet and this Helm.
func (h helm) run(t *testing.T, commands string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", commands)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + strings.Join([]string{filepath.Dir(api.Binaries.Kubectl), filepath.Dir(binary), filepath.Dir(h.binary), "/usr/bin:/bin"}, ":"),
		"KUBECONFIG=" + api.Kubeconfig, "HOME=" + h.home}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (h helm) mustRun(t *testing.T, commands string) string {
	t.Helper()
	out, err := h.run(t, commands)
	if err != nil {
		t.Fatalf("helm %s: %v: %s\n%s", h.version, err, out, commands)
	}
	return out
}

// documented is the block of docs/operations.md that has some text, for a namespace and this version of Helm.
func (h helm) documented(t *testing.T, ns, has string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	chart, err := filepath.Abs(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(block[1], has) {
			text := strings.NewReplacer("podvet-system", ns, "CHART", chart).Replace(block[1])
			if h.version == "v3" {
				text = strings.ReplaceAll(text, "--rollback-on-failure", "--atomic")
			}
			return text
		}
	}
	t.Fatalf("docs/operations.md has no block with %q", has)
	return ""
}

// notes are what Helm prints, between two texts.
func notes(t *testing.T, printed, from, to string) string {
	t.Helper()
	_, text, _ := strings.Cut(printed, "NOTES:")
	_, rest, found := strings.Cut(text, from)
	part, _, closed := strings.Cut(rest, to)
	if !found || !closed {
		t.Fatalf("the notes have nothing between %q and %q:\n%s", from, to, text)
	}
	return from + part
}

// ownSecret is a Secret with a CA that is another than what podvet published.
func ownSecret(t *testing.T, ns string) {
	t.Helper()
	mustKubectl(t, "", "create", "secret", "generic", "webhook-tls", "-n", ns, "--from-literal=ca.crt=the new CA")
}

var newCA = base64.StdEncoding.EncodeToString([]byte("the new CA"))

// TestOwnSecret runs what the notes say to do, and upgrades after it.
func TestOwnSecret(t *testing.T) {
	for _, h := range helms {
		ns := "own-secret-" + h.version
		namespace(t, ns, "privileged")
		ownSecret(t, ns)
		h.mustRun(t, notes(t, h.must(t, combinations["own-secret"], "install", "podvet", chartDir, "--namespace", ns), "  CA=$(", "See it work"))
		wantBundles(t, newCA)
		h.must(t, combinations["own-secret"], "upgrade", "podvet", chartDir, "--namespace", ns, "--set", "webhooks.timeoutSeconds=5")
		wantBundles(t, newCA)
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// TestToOwnSecret goes from a CA that podvet published to the user's as docs/operations.md says: both first, then only
// the new one.
func TestToOwnSecret(t *testing.T) {
	for _, h := range helms {
		ns := "to-own-secret-" + h.version
		namespace(t, ns, "privileged")
		h.must(t, "", "install", "podvet", chartDir, "--namespace", ns)
		writeAsPodvet(t, ns)
		ownSecret(t, ns)
		h.mustRun(t, h.documented(t, ns, "caBundle"))
		old, err := base64.StdEncoding.DecodeString(published)
		if err != nil {
			t.Fatal(err)
		}
		both := base64.StdEncoding.EncodeToString([]byte(string(old) + "\nthe new CA"))
		wantBundles(t, both)
		printed := h.mustRun(t, h.documented(t, ns, "certificates.mode=existingSecret"))
		wantBundles(t, both)
		h.mustRun(t, notes(t, printed, "  CA=$(", "See it work"))
		wantBundles(t, newCA)
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// TestFailedInstall: with the flag that docs/operations.md asks for with Fail, what fails half-way leaves nothing that
// refuses pods.
func TestFailedInstall(t *testing.T) {
	// The API server refuses the Deployment alone: requests must not be over limits, which no schema can say.
	const bad = "{resources: {requests: {memory: 1Gi}}, webhooks: {validate: {failurePolicy: Fail}}}"
	for _, h := range helms {
		ns := "failed-" + h.version
		namespace(t, ns, "privileged")
		upgrade := h.documented(t, ns, "failurePolicy=Fail")
		flag := regexp.MustCompile("--(atomic|rollback-on-failure)").FindString(upgrade)
		if flag == "" {
			t.Fatalf("the command has no flag that rolls back:\n%s", upgrade)
		}
		before := clusterObjects(t)
		out, err := h.try(t, bad, "install", "podvet", chartDir, "--namespace", ns, flag, "--timeout=20s")
		if err == nil || !strings.Contains(out, "must be less than or equal to memory limit") {
			t.Fatalf("helm %s says %s", h.version, out)
		}
		if after := clusterObjects(t); after != before {
			t.Errorf("helm %s: after a failed installation:\n%s", h.version, cmp.Diff(before, after))
		}
		if left := left(t, ns); len(left) > 0 {
			t.Errorf("helm %s: a failed installation leaves %v", h.version, left)
		}

		h.must(t, "", "install", "podvet", chartDir, "--namespace", ns)
		// There is no node, so that the rollback waits for replicas in vain.
		if out, err := h.run(t, strings.TrimSpace(upgrade)+" --set resources.requests.memory=1Gi --timeout=5s"); err == nil {
			t.Errorf("helm %s: the upgrade succeeds: %s", h.version, out)
		}
		if got := mustKubectl(t, "", "get", validatingConfiguration, "podvet", "-o", "jsonpath={.webhooks[0].failurePolicy}"); got != "Ignore" {
			t.Errorf("helm %s: after a failed upgrade the failurePolicy is %s", h.version, got)
		}
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// TestNotAsked: the value that breaks the glass in Git takes away the rules of the webhooks and nothing else.
func TestNotAsked(t *testing.T) {
	rules := func() string {
		return mustKubectl(t, "", "get", mutatingConfiguration+","+validatingConfiguration, "-o", "jsonpath={.items[*].webhooks[*].rules[*].resources}")
	}
	for _, h := range helms {
		ns := "not-asked-" + h.version
		namespace(t, ns, "privileged")
		h.must(t, "webhooks: {validate: {failurePolicy: Fail}}", "install", "podvet", chartDir, "--namespace", ns)
		writeAsPodvet(t, ns)
		before, inNamespace, asked := clusterObjects(t), left(t, ns), rules()
		h.must(t, "webhooks: {enabled: false, validate: {failurePolicy: Fail}}", "upgrade", "podvet", chartDir, "--namespace", ns)
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
	return list(t, "configmaps,secrets,serviceaccounts,services,deployments,roles,rolebindings,poddisruptionbudgets,networkpolicies", "-n", ns,
		"--field-selector=metadata.name!=kube-root-ca.crt,metadata.name!=default", "--selector=owner!=helm")
}

// TestNotesCommands runs what the notes say in each mode, with a podvet that answers.
func TestNotesCommands(t *testing.T) {
	const ns = "notes"
	h := helms[len(helms)-1]
	namespace(t, ns, "restricted")
	printed := h.must(t, "", "install", "podvet", chartDir, "--namespace", ns)
	t.Cleanup(func() { _ = h.command(t, "", "uninstall", "podvet", "--namespace", ns, "--ignore-not-found").Run() })
	p := serve(t, ns)
	await(t, "podvet to be ready; its log is "+p.log, func() bool { return p.ready(t) })
	addPod(t, ns, "podvet-0", p)

	// One that enforce would refuse, made while the mode is warn.
	namespace(t, "noted", "privileged")
	mustKubectl(t, `{apiVersion: v1, kind: Pod, metadata: {name: never-ready, namespace: noted}, spec: {containers: [
		{name: c, image: i, ports: [{containerPort: 80}], readinessProbe: {httpGet: {port: http}}}]}}`, "create", "-f", "-")
	_, steps, _ := strings.Cut(notes(t, printed, "but for its mode:", "Of what comes"), ":")
	if out, err := h.run(t, steps); err == nil || !regexp.MustCompile(`deny .*\[probe-port-unresolved\]`).MatchString(out) {
		t.Errorf("what enforce would refuse: %v %s", err, out)
	}

	for _, mode := range []string{"warn", "audit", "enforce", "off", "warn"} {
		printed = h.must(t, "policy: {mode: "+mode+"}", "upgrade", "podvet", chartDir, "--namespace", ns)
		_, text, _ := strings.Cut(printed, "NOTES:")
		try := regexp.MustCompile(`kubectl run try .*`).FindString(text)
		if (try == "") != (mode == "off") {
			t.Fatalf("in the mode %s the notes say to run %q", mode, try)
		}
		if try == "" {
			try = "kubectl run try --image=nginx -n default --dry-run=server"
		}
		warns := strings.Contains(text, `prints "Warning: ..."`)
		await(t, fmt.Sprintf("mode %s, notes\n%s\n%s to print a warning: %v", mode, text, try, warns), func() bool {
			out, err := h.run(t, try)
			return err == nil && regexp.MustCompile(`Warning: .*\[[a-z-]+\]`).MatchString(out) == warns
		})
	}

	h.must(t, "webhooks: {enabled: false}", "upgrade", "podvet", chartDir, "--namespace", ns)
	late := serve(t, ns)
	await(t, "a replica that starts while podvet is not asked to be ready; its log is "+late.log, func() bool { return late.ready(t) })
}

// TestChangeOfCertificates: from one mode to another in one upgrade, with what each needs and nothing of the other.
func TestChangeOfCertificates(t *testing.T) {
	certManagerCRDs(t)
	for _, h := range helms {
		ns := "certs-" + h.version
		namespace(t, ns, "privileged")
		h.must(t, "", "install", "podvet", chartDir, "--namespace", ns)
		h.must(t, combinations["cert-manager"], "upgrade", "podvet", chartDir, "--namespace", ns)
		if got := list(t, "certificates,issuers,secrets", "-n", ns, "-l", "app.kubernetes.io/name=podvet"); len(got) != 4 {
			t.Errorf("helm %s: with cert-manager there are %v", h.version, got)
		}
		h.must(t, "certificates: {mode: selfManaged}", "upgrade", "podvet", chartDir, "--namespace", ns)
		if got := list(t, "certificates,issuers,secrets", "-n", ns, "-l", "app.kubernetes.io/name=podvet"); len(got) != 1 || got[0] != "secret/podvet-self-managed-ca" {
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
		out, err := h.try(t, `webhooks: {matchConditions: [{name: broken, expression: "object.metadata.name ="}]}`, "install", "podvet", chartDir, "--namespace", ns)
		if err == nil || !strings.Contains(out, "compilation failed") {
			t.Errorf("helm %s with a broken condition says %s", h.version, out)
		}
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)

		h.must(t, "webhooks: {timeoutSeconds: 1, validate: {failurePolicy: Fail}, mutate: {failurePolicy: Fail}}", "install", "podvet", chartDir, "--namespace", ns)
		pod := func(name, annotations string) string {
			return fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: default, annotations: %s}, spec: {containers: [{name: c, image: i}]}}", name, annotations)
		}
		await(t, "the API server to ask", func() bool {
			_, err := kubectl(t, pod("ordinary", "null"), "create", "--dry-run=server", "-f", "-")
			return err != nil
		})
		// Only a kubelet may create one: that the API server says so, not the webhook, shows the condition at work.
		out, err = kubectl(t, pod("mirror", "{kubernetes.io/config.mirror: a}"), "create", "--dry-run=server", "-f", "-")
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
	unnamed := map[string]string{"namespaces": "get list watch", "events": "create"}
	readme, err := os.ReadFile(chartDir + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	// A reader of the README goes by its words.
	words := map[string]string{"namespaces": "namespaces", "events": "Events", "configmaps": "the ConfigMap", "secrets": "the Secret",
		"mutatingwebhookconfigurations validatingwebhookconfigurations": "its own MutatingWebhookConfiguration and ValidatingWebhookConfiguration"}
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
				if len(r.ResourceNames) == 0 && unnamed[strings.Join(r.Resources, " ")] != strings.Join(r.Verbs, " ") {
					t.Errorf("%s: %s %s grants %s", name, obj.GetKind(), obj.GetName(), data)
				}
				if right := strings.Join(r.Verbs, ", ") + " " + words[strings.Join(r.Resources, " ")]; !strings.Contains(string(readme), "| "+right) {
					t.Errorf("%s: the README's table has no right to %s", name, right)
				}
				if strings.Contains(string(data), `"*"`) {
					t.Errorf("%s: %s grants a star: %s", name, obj.GetName(), data)
				}
			}
		}
	}
}
