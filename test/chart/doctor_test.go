package chart

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podvet/podvet/test/authority"
	"github.com/podvet/podvet/test/podvet"
)

const (
	mutatingConfiguration   = "mutatingwebhookconfiguration"
	validatingConfiguration = "validatingwebhookconfiguration"
)

// TestDoctorSelfManaged: two replicas as the chart's default has them.
func TestDoctorSelfManaged(t *testing.T) {
	ns := "doctor-self-managed"
	installForDoctor(t, ns, "webhooks: {validate: {failurePolicy: Fail}}")
	for i := range 2 {
		p := serve(t, ns)
		await(t, "podvet to be ready; its log is "+p.log, func() bool { return p.ready(t) })
		addPod(t, ns, fmt.Sprintf("podvet-%d", i), p)
	}
	allOK(t, awaitFinding(t, "reached", "ok", ""))
	// podvet puts it back before anyone could look.
	patchWebhook(t, mutatingConfiguration, 0, "clientConfig/caBundle", "")
	awaitFinding(t, "ca-bundle", "ok", "")

	// For people.
	out, err := exec.Command(binary, "doctor", "--direct", "--kubeconfig", api.Kubeconfig).Output()
	const sum = "\n\n9 ok, 0 unknown, 0 with a warning, 0 with a problem\n"
	if err != nil || !strings.HasPrefix(string(out), "ok       configuration: ") ||
		!strings.HasSuffix(string(out), sum) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDoctorFaults injects what can be wrong with podvet, one after the other, and takes it back.
func TestDoctorFaults(t *testing.T) {
	ns := "doctor-faults"
	name := "podvet." + ns + ".svc"
	installForDoctor(t, ns, `
webhooks: {timeoutSeconds: 2}
certificates: {mode: existingSecret, existingSecret: {name: webhook-tls}}
`)
	dir := t.TempDir()
	ca := authority.Issue(t, nil, "ca", -time.Hour, 1000*time.Hour)
	good := authority.Issue(t, ca, name, -time.Hour, 500*time.Hour)
	write(t, good, dir)
	setBundles(t, ca.PEM())
	var replicas [2]*server
	for i := range replicas {
		replicas[i] = serve(t, ns, "--cert-dir="+dir)
		await(t, "podvet to be ready; its log is "+replicas[i].log, func() bool { return replicas[i].ready(t) })
		addPod(t, ns, fmt.Sprintf("podvet-%d", i), replicas[i])
	}
	allOK(t, awaitFinding(t, "reached", "ok", ""))

	t.Run("bundle of another CA", func(t *testing.T) {
		other := authority.Issue(t, nil, "other", -time.Hour, 1000*time.Hour)
		setBundles(t, other.PEM())
		found := awaitFinding(t, "reached", "problem",
			"webhook mutate.podvet.dev, whose failurePolicy Ignore hides why")
		for _, w := range []string{"mutate", "validate", "validate-workloads", "validate-policy"} {
			if !found.has("ca-bundle", "problem", "the caBundle of webhook "+w+
				".podvet.dev (1 certificates) cannot verify the certificate of pod podvet-0") {
				t.Errorf("%s", found)
			}
		}
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Fail")
		awaitFinding(t, "reached", "problem", "the API server cannot call webhook validate.podvet.dev because ")
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Ignore")
		setBundles(t, ca.PEM())
	})

	t.Run("bundle emptied", func(t *testing.T) {
		patchWebhook(t, mutatingConfiguration, 0, "clientConfig/caBundle", "")
		found := awaitFinding(t, "ca-bundle", "problem", "webhook mutate.podvet.dev has no caBundle")
		if found.has("ca-bundle", "problem", "webhook validate.podvet.dev") {
			t.Errorf("%s", found)
		}
		patchWebhook(t, mutatingConfiguration, 0, "clientConfig/caBundle", base64.StdEncoding.EncodeToString(ca.PEM()))
	})

	t.Run("certificate", func(t *testing.T) {
		for _, c := range []struct {
			name                string
			from, to            time.Duration
			check, result, text string
		}{
			{name, -20 * time.Hour, time.Hour, "expiry", "warning", "and was not renewed yet"},
			{"another.svc", -time.Hour, 500 * time.Hour, "names", "problem",
				"the API server calls " + name + `, and the certificate of pod podvet-0 is for ["another.svc"]`},
		} {
			write(t, authority.Issue(t, ca, c.name, c.from, c.to), dir)
			found := awaitFinding(t, c.check, c.result, c.text)
			if !found.has("ca-bundle", "ok", "") {
				t.Errorf("%s", found)
			}
		}
		// Where it has expired no replica is ready, and the kubelet does not say why.
		write(t, authority.Issue(t, ca, name, -2*time.Hour, -time.Minute), dir)
		for i, r := range replicas {
			await(t, "podvet to be unready", func() bool { return !r.ready(t) })
			setReady(t, ns, fmt.Sprintf("podvet-%d", i), "False")
		}
		found := awaitFinding(t, "service", "warning", "pod podvet-0 is not ready: the serving certificate expired at ")
		if !found.has("expiry", "problem", "the certificate of pod podvet-0 has expired at ") ||
			!found.has("service", "problem", "no ready endpoint") {
			t.Errorf("%s", found)
		}
		write(t, good, dir)
		for i, r := range replicas {
			await(t, "podvet to be ready", func() bool { return r.ready(t) })
			setReady(t, ns, fmt.Sprintf("podvet-%d", i), "True")
			log, err := os.ReadFile(r.log)
			const said = `"msg":"not ready","reason":"the serving certificate expired at `
			if err != nil || !strings.Contains(string(log), said) {
				t.Errorf("the log does not say why it was not ready: %s", log)
			}
		}
		awaitFinding(t, "expiry", "ok", "")
	})

	t.Run("no endpoints", func(t *testing.T) {
		for i := range replicas {
			setReady(t, ns, fmt.Sprintf("podvet-%d", i), "False")
		}
		found := awaitFinding(t, "service", "problem", "the Service "+ns+"/podvet has no ready endpoint")
		if !found.has("service", "warning", "pod podvet-0 is not ready: containers with unready status: [podvet]") ||
			!found.has("replicas", "ok", "") || !found.has("ca-bundle", "ok", "") {
			t.Errorf("%s", found)
		}
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Fail")
		awaitFinding(t, "reached", "problem", "because the Service has no ready endpoint")
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Ignore")
		setReady(t, ns, "podvet-0", "True")
		setReady(t, ns, "podvet-1", "True")
		awaitFinding(t, "service", "ok", "2 ready endpoints")
	})

	t.Run("silent replica", func(t *testing.T) {
		if err := replicas[1].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		found, _ := doctor(t, api.Kubeconfig, "--direct")
		if took := time.Since(start); took > 25*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := replicas[1].cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		// What the other one says is known all the same.
		if !found.has("replicas", "unknown", "the metrics of pod podvet-1 cannot be read") ||
			!found.has("names", "unknown", "pod podvet-1") ||
			!found.has("ca-bundle", "ok", "") || !found.has("expiry", "ok", "") ||
			!found.has("failure-policy", "ok", "") {
			t.Errorf("%s", found)
		}
		awaitFinding(t, "replicas", "ok", "")
	})

	t.Run("failure policy", func(t *testing.T) {
		selector := json.RawMessage(mustKubectl(t, "", "get", validatingConfiguration, "podvet",
			"-o", "jsonpath={.webhooks[0].namespaceSelector}"))
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Fail")
		awaitFinding(t, "failure-policy", "ok",
			"the webhooks on Fail (validate.podvet.dev) refuse, but not in kube-system and "+ns)
		setReady(t, ns, "podvet-1", "False")
		awaitFinding(t, "failure-policy", "warning", "1 replicas are ready")
		setReady(t, ns, "podvet-1", "True")
		patchWebhook(t, validatingConfiguration, 0, "namespaceSelector", map[string]any{})
		found := awaitFinding(t, "failure-policy", "problem", "is called for the namespace kube-system")
		if !found.has("failure-policy", "problem", "is called for the namespace "+ns) {
			t.Errorf("%s", found)
		}
		patchWebhook(t, validatingConfiguration, 0, "namespaceSelector", selector)
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Ignore")
		patchWebhook(t, validatingConfiguration, 1, "failurePolicy", "Fail")
		awaitFinding(t, "failure-policy", "warning",
			"webhook validate-workloads.podvet.dev is on Fail and not about pods")
		patchWebhook(t, validatingConfiguration, 1, "failurePolicy", "Ignore")
	})

	t.Run("last-good policy", func(t *testing.T) {
		text := mustKubectl(t, "", "get", "configmap", "podvet-policy", "-n", ns, "-o", `jsonpath={.data.policy\.yaml}`)
		rules := json.RawMessage(mustKubectl(t, "", "get", validatingConfiguration, "podvet",
			"-o", "jsonpath={.webhooks[2].rules}"))
		patchWebhook(t, validatingConfiguration, 2, "rules", []any{}) // else it is refused
		await(t, "a bad policy to arrive", func() bool {
			bad := policyPatch(strings.Replace(text, "profile: recommended", "profile: nope", 1))
			_, err := kubectl(t, "", "patch", "configmap", "podvet-policy", "-n", ns, "--type=merge", "-p", bad)
			return err == nil
		})
		found := awaitFinding(t, "policy", "problem", "pod podvet-1 judges by the last good policy, "+
			"because the ConfigMap "+ns+"/podvet-policy holds a policy with mistakes, the first in line ")
		if !found.has("policy", "problem", "profile") ||
			!found.has("configuration", "warning", "a bad policy is not refused when it is applied") {
			t.Errorf("%s", found)
		}
		mustKubectl(t, "", "delete", "configmap", "podvet-policy", "-n", ns)
		awaitFinding(t, "policy", "problem", "does not exist")
		mustKubectl(t, fmt.Sprintf(`
apiVersion: v1
kind: ConfigMap
metadata: {name: podvet-policy, namespace: %s}
data: {policy.yaml: %q}
`, ns, text), "create", "-f", "-")
		patchWebhook(t, validatingConfiguration, 2, "rules", rules)
		awaitFinding(t, "policy", "ok", "")
	})

	t.Run("different replicas", func(t *testing.T) {
		mustKubectl(t, "", "create", "configmap", "other", "-n", ns,
			"--from-literal=policy.yaml=apiVersion: podvet.dev/v1alpha1\nkind: Policy\n")
		mustKubectl(t, "", "create", "configmap", "other-last-good", "-n", ns)
		mustKubectl(t, "", "create", "role", "other", "-n", ns, "--verb=list,watch,update", "--resource=configmaps")
		mustKubectl(t, "", "create", "rolebinding", "other", "-n", ns, "--role=other", "--serviceaccount="+ns+":podvet")
		third := serve(t, ns, "--cert-dir="+dir, "--policy-configmap="+ns+"/other")
		await(t, "podvet to be ready; its log is "+third.log, func() bool { return third.ready(t) })
		addPod(t, ns, "podvet-2", third)
		found := awaitFinding(t, "replicas", "problem", "the replicas judge by different policies: ")
		if !found.has("replicas", "problem", " in podvet-2") ||
			!found.has("policy", "problem", "pod podvet-2 judges by another policy") {
			t.Errorf("%s", found)
		}
		mustKubectl(t, "", "patch", "pod", "podvet-2", "-n", ns, "--type=json",
			"-p", `[{"op":"replace","path":"/spec/containers/0/image","value":"podvet:another"}]`)
		awaitFinding(t, "replicas", "warning", "the replicas are of different versions: ")
		removePod(t, ns, "podvet-2")
		awaitFinding(t, "replicas", "ok", "")
	})

	t.Run("rights", func(t *testing.T) {
		mustKubectl(t, "", "create", "serviceaccount", "nobody", "-n", ns)
		config := kubeconfigFor(t, ns, "nobody")
		found, status := doctor(t, config, "--direct", "--namespace", ns)
		if status != 2 || found.Summary["unknown"] != len(found.Checks) {
			t.Errorf("exit status %d without any right:\n%s", status, found)
		}
		const configurations = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
		if !found.has("configuration", "unknown", "you may not get "+configurations+" at the cluster scope") ||
			!found.has("service", "unknown", "you may not get services in the namespace "+ns) ||
			!found.has("reached", "unknown", "you may not create pods in the namespace default") {
			t.Errorf("%s", found)
		}
		mustKubectl(t, "", "create", "clusterrole", "doctor", "--verb=get,list",
			"--resource=mutatingwebhookconfigurations,validatingwebhookconfigurations,services,pods,namespaces")
		mustKubectl(t, "", "create", "clusterrolebinding", "doctor", "--clusterrole=doctor",
			"--serviceaccount="+ns+":nobody")
		t.Cleanup(func() {
			_ = api.KubectlCommand(t.Context(), "delete", "clusterrole,clusterrolebinding", "doctor").Run()
		})
		// Rights are in force after a moment. Without --direct, too: no port-forward.
		if !podvet.Await(t.Context(), 10*time.Second, func() bool {
			found, status = doctor(t, config)
			return found.has("configuration", "ok", "")
		}) || status != 0 {
			t.Errorf("exit status %d with some rights:\n%s", status, found)
		}
		for check, right := range map[string]string{
			"service":   "list endpointslices.discovery.k8s.io in the namespace " + ns,
			"reached":   "create pods in the namespace default",
			"names":     "pods/portforward in the namespace " + ns,
			"ca-bundle": "no replica's certificate was seen",
			"expiry":    "no replica's certificate was seen",
			"policy":    "get configmaps in the namespace " + ns,
			"replicas":  "get pods/proxy in the namespace " + ns,
		} {
			if !found.has(check, "unknown", right) {
				t.Errorf("%s does not name the right %s:\n%s", check, right, found)
			}
		}
	})

	t.Run("webhooks", func(t *testing.T) {
		patchWebhook(t, validatingConfiguration, 0, "clientConfig/service/path", "/elsewhere")
		patchWebhook(t, validatingConfiguration, 1, "timeoutSeconds", 20)
		patchWebhook(t, validatingConfiguration, 2, "clientConfig/service/port", 444)
		found := awaitFinding(t, "configuration", "problem", `webhook validate.podvet.dev calls the path "/elsewhere"`)
		if !found.has("configuration", "problem", "pods are not vetted") ||
			!found.has("configuration", "warning", "waits 20 seconds") ||
			!found.has("service", "problem", "webhook validate-policy.podvet.dev calls port 444") {
			t.Errorf("%s", found)
		}
	})

	t.Run("another namespace", func(t *testing.T) {
		found, _ := doctor(t, api.Kubeconfig, "--direct", "-n", "default")
		if !found.has("configuration", "warning",
			"you wrote --namespace default, and the webhooks call the Service "+ns+"/podvet") {
			t.Errorf("%s", found)
		}
	})

	t.Run("configuration missing", func(t *testing.T) {
		mustKubectl(t, "", "delete", mutatingConfiguration, "podvet")
		awaitFinding(t, "configuration", "problem", "there is no MutatingWebhookConfiguration podvet")
		mustKubectl(t, "", "delete", validatingConfiguration, "podvet")
		found := awaitFinding(t, "configuration", "problem", "there is no ValidatingWebhookConfiguration podvet")
		if !found.has("service", "unknown", "no webhook names podvet's Service") {
			t.Errorf("%s", found)
		}
		// Who names the namespace learns of the rest.
		found, _ = doctor(t, api.Kubeconfig, "--direct", "-n", ns)
		if !found.has("service", "ok", "") || !found.has("names", "ok", "") {
			t.Errorf("%s", found)
		}
	})
}
