package chart

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/test/e2e"
)

// diagnosis is what podvet doctor -o json prints.
type diagnosis struct {
	APIVersion, Kind string
	Summary          map[string]int
	Checks           []struct{ Name, Result, What, Remedy string }
}

// has tells whether a check has found something.
func (d diagnosis) has(check, result, text string) bool {
	for _, c := range d.Checks {
		if c.Name == check && c.Result == result && strings.Contains(c.What, text) {
			return true
		}
	}
	return false
}

func (d diagnosis) String() string {
	var lines []string
	for _, c := range d.Checks {
		lines = append(lines, fmt.Sprintf("%s %s: %s: %s", c.Result, c.Name, c.What, c.Remedy))
	}
	return strings.Join(lines, "\n")
}

// doctor runs podvet doctor, and returns its exit status too. Everything that is not ok has to say what to do, in a line.
func doctor(t *testing.T, kubeconfig string, args ...string) (diagnosis, int) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"doctor", "--kubeconfig", kubeconfig, "-o", "json"}, args...)...)
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	var found diagnosis
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sum := 0
	for _, n := range found.Summary {
		sum += n
	}
	if found.APIVersion != "podvet.dev/v1alpha1" || found.Kind != "Diagnosis" || len(found.Summary) != 4 || sum != len(found.Checks) {
		t.Errorf("%s", out)
	}
	for _, c := range found.Checks {
		if c.What == "" || (c.Remedy == "") != (c.Result == "ok") || strings.ContainsAny(c.What+c.Remedy, "\n\r") {
			t.Errorf("%+v", c)
		}
	}
	if problem := found.Summary["problem"] > 0; problem != (cmd.ProcessState.ExitCode() == 1) {
		t.Errorf("exit status %d of\n%s", cmd.ProcessState.ExitCode(), found)
	}
	return found, cmd.ProcessState.ExitCode()
}

// awaitFinding runs doctor until it finds something: the API server follows a change after a moment.
func awaitFinding(t *testing.T, check, result, text string) diagnosis {
	t.Helper()
	var found diagnosis
	if !e2e.Await(t.Context(), 20*time.Second, func() bool {
		found, _ = doctor(t, api.Kubeconfig, "--direct")
		return found.has(check, result, text)
	}) {
		t.Errorf("no %s of %s with %q in\n%s", result, check, text, found)
	}
	return found
}

// hostIP is an address that the API server lets a pod have, which a loopback address is not.
func hostIP(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && ip.IP.IsGlobalUnicast() {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback ones, and pods cannot have those")
	return ""
}

// addPod makes the API server's pod for a podvet that runs beside it: the chart's, with the address of this machine.
func addPod(t *testing.T, ns, name string, s *server) {
	t.Helper()
	var deployment struct {
		Spec struct{ Template corev1.PodTemplateSpec }
	}
	if err := json.Unmarshal([]byte(mustKubectl(t, "", "get", "deployment", "podvet", "-n", ns, "-o", "json")), &deployment); err != nil {
		t.Fatal(err)
	}
	template := deployment.Spec.Template
	pod := corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.APIVersion, pod.Kind, pod.Name, pod.Namespace = "v1", "Pod", name, ns
	c := &pod.Spec.Containers[0]
	c.Args = s.args
	for i, port := range c.Ports {
		switch port.Name {
		case "webhook":
			c.Ports[i].ContainerPort = int32(s.port)
		case "metrics":
			c.Ports[i].ContainerPort = int32(s.metricsPort)
		case "health":
			c.Ports[i].ContainerPort = int32(s.healthPort)
		}
	}
	manifest, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	mustKubectl(t, string(manifest), "create", "-f", "-")
	// Kubernetes' own controller makes none for pods without a node.
	mustKubectl(t, fmt.Sprintf(`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: %s, namespace: %s, labels: {kubernetes.io/service-name: podvet}},
		ports: [{name: webhook, port: %d, protocol: TCP}], endpoints: [{addresses: [%s], conditions: {ready: true}, targetRef: {kind: Pod, name: %s, namespace: %s}}]}`,
		name, ns, s.port, hostIP(t), name, ns), "create", "-f", "-")
	setReady(t, ns, name, "True")
}

func removePod(t *testing.T, ns, name string) {
	t.Helper()
	mustKubectl(t, "", "delete", "pod/"+name, "endpointslice/"+name, "-n", ns)
}

func setReady(t *testing.T, ns, name, ready string) {
	t.Helper()
	ip := hostIP(t)
	mustKubectl(t, "", "patch", "endpointslice", name, "-n", ns, "--type=json", "-p",
		fmt.Sprintf(`[{"op":"replace","path":"/endpoints/0/conditions/ready","value":%t}]`, ready == "True"))
	mustKubectl(t, "", "patch", "pod", name, "-n", ns, "--subresource=status", "--type=merge", "-p",
		fmt.Sprintf(`{"status":{"phase":"Running","podIP":%q,"podIPs":[{"ip":%q}],"conditions":[{"type":"Ready","status":%q,"message":"containers with unready status: [podvet]"}]}}`, ip, ip, ready))
}

// authority is a CA for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func certificate(t *testing.T, parent *authority, name string, from, to time.Time) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		BasicConstraintsValid: true, IsCA: parent == nil}
	if parent == nil {
		template.KeyUsage = x509.KeyUsageCertSign
		parent = &authority{template, key}
	} else {
		template.DNSNames = []string{name}
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// write puts a certificate where podvet reads it.
func (a *authority) write(t *testing.T, dir string) {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"tls.key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), "tls.crt": a.pem()} {
		// By rename, so that neither is ever half there.
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
}

// patchWebhook changes a field of one webhook.
func patchWebhook(t *testing.T, kind string, index int, field string, value any) {
	t.Helper()
	patch, err := json.Marshal([]map[string]any{{"op": "add", "path": fmt.Sprintf("/webhooks/%d/%s", index, field), "value": value}})
	if err != nil {
		t.Fatal(err)
	}
	mustKubectl(t, "", "patch", kind, "podvet", "--type=json", "-p", string(patch))
}

const (
	mutatingConfiguration   = "mutatingwebhookconfiguration"
	validatingConfiguration = "validatingwebhookconfiguration"
)

func setBundles(t *testing.T, bundle []byte) {
	t.Helper()
	text := base64.StdEncoding.EncodeToString(bundle)
	patchWebhook(t, mutatingConfiguration, 0, "clientConfig/caBundle", text)
	for i := range 3 {
		patchWebhook(t, validatingConfiguration, i, "clientConfig/caBundle", text)
	}
}

// allOK is a doctor's report without anything to do.
func allOK(t *testing.T, found diagnosis) {
	t.Helper()
	var names []string
	for _, c := range found.Checks {
		names = append(names, c.Name)
	}
	want := []string{"configuration", "service", "reached", "names", "ca-bundle", "expiry", "failure-policy", "policy", "replicas"}
	if !slices.Equal(names, want) || found.Summary["ok"] != len(want) {
		t.Errorf("of a healthy podvet doctor says\n%s", found)
	}
}

// installForDoctor installs the chart and takes its own pods away, which no node would ever run.
func installForDoctor(t *testing.T, ns, values string) {
	t.Helper()
	hostIP(t)
	h := helms[len(helms)-1]
	namespace(t, ns, "restricted")
	h.must(t, values, "install", "podvet", chartDir, "--namespace", ns)
	t.Cleanup(func() { _ = h.command(t, "", "uninstall", "podvet", "--namespace", ns, "--ignore-not-found").Run() })
	mustKubectl(t, "", "scale", "deployment", "podvet", "-n", ns, "--replicas=0")
	await(t, "the Deployment's pods to go", func() bool { return len(list(t, "pods", "-n", ns)) == 0 })
}

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
	if err != nil || !strings.HasPrefix(string(out), "ok       configuration: ") || !strings.HasSuffix(string(out), "\n\n9 ok, 0 unknown, 0 with a warning, 0 with a problem\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDoctorFaults injects what can be wrong with podvet, one after the other, and takes it back.
func TestDoctorFaults(t *testing.T) {
	ns := "doctor-faults"
	name := "podvet." + ns + ".svc"
	installForDoctor(t, ns, "{webhooks: {timeoutSeconds: 2}, certificates: {mode: existingSecret, existingSecret: {name: webhook-tls}}}")
	now, dir := time.Now(), t.TempDir()
	ca := certificate(t, nil, "ca", now.Add(-time.Hour), now.Add(1000*time.Hour))
	good := certificate(t, ca, name, now.Add(-time.Hour), now.Add(500*time.Hour))
	good.write(t, dir)
	setBundles(t, ca.pem())
	var replicas [2]*server
	for i := range replicas {
		replicas[i] = serve(t, ns, "--cert-dir="+dir)
		await(t, "podvet to be ready; its log is "+replicas[i].log, func() bool { return replicas[i].ready(t) })
		addPod(t, ns, fmt.Sprintf("podvet-%d", i), replicas[i])
	}
	allOK(t, awaitFinding(t, "reached", "ok", ""))

	t.Run("bundle of another CA", func(t *testing.T) {
		other := certificate(t, nil, "other", now.Add(-time.Hour), now.Add(1000*time.Hour))
		setBundles(t, other.pem())
		found := awaitFinding(t, "reached", "problem", "webhook mutate.podvet.dev, whose failurePolicy Ignore hides why")
		for _, w := range []string{"mutate", "validate", "validate-workloads", "validate-policy"} {
			if !found.has("ca-bundle", "problem", "the caBundle of webhook "+w+".podvet.dev (1 certificates) cannot verify the certificate of pod podvet-0") {
				t.Errorf("%s", found)
			}
		}
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Fail")
		awaitFinding(t, "reached", "problem", "the API server cannot call webhook validate.podvet.dev: ")
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Ignore")
		setBundles(t, ca.pem())
	})

	t.Run("bundle emptied", func(t *testing.T) {
		patchWebhook(t, mutatingConfiguration, 0, "clientConfig/caBundle", "")
		found := awaitFinding(t, "ca-bundle", "problem", "webhook mutate.podvet.dev has no caBundle")
		if found.has("ca-bundle", "problem", "webhook validate.podvet.dev") {
			t.Errorf("%s", found)
		}
		patchWebhook(t, mutatingConfiguration, 0, "clientConfig/caBundle", base64.StdEncoding.EncodeToString(ca.pem()))
	})

	t.Run("certificate", func(t *testing.T) {
		for _, c := range []struct {
			name                string
			from, to            time.Time
			check, result, text string
		}{
			{name, now.Add(-20 * time.Hour), now.Add(time.Hour), "expiry", "warning", "and was not renewed yet"},
			{"another.svc", now.Add(-time.Hour), now.Add(500 * time.Hour), "names", "problem", "the API server calls " + name + ", and the certificate of pod podvet-0 is for [\"another.svc\"]"},
		} {
			certificate(t, ca, c.name, c.from, c.to).write(t, dir)
			found := awaitFinding(t, c.check, c.result, c.text)
			if !found.has("ca-bundle", "ok", "") {
				t.Errorf("%s", found)
			}
		}
		// Where it has expired no replica is ready, and the kubelet does not say why.
		certificate(t, ca, name, now.Add(-2*time.Hour), now.Add(-time.Minute)).write(t, dir)
		for i, r := range replicas {
			await(t, "podvet to be unready", func() bool { return !r.ready(t) })
			setReady(t, ns, fmt.Sprintf("podvet-%d", i), "False")
		}
		found := awaitFinding(t, "service", "warning", "pod podvet-0 is not ready: the serving certificate expired at ")
		if !found.has("expiry", "problem", "the certificate of pod podvet-0 has expired at ") || !found.has("service", "problem", "no ready endpoint") {
			t.Errorf("%s", found)
		}
		good.write(t, dir)
		for i, r := range replicas {
			await(t, "podvet to be ready", func() bool { return r.ready(t) })
			setReady(t, ns, fmt.Sprintf("podvet-%d", i), "True")
			log, err := os.ReadFile(r.log)
			if err != nil || !strings.Contains(string(log), `"msg":"not ready","reason":"the serving certificate expired at `) {
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
		if !found.has("service", "warning", "pod podvet-0 is not ready: containers with unready status: [podvet]") || !found.has("replicas", "ok", "") || !found.has("ca-bundle", "ok", "") {
			t.Errorf("%s", found)
		}
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Fail")
		awaitFinding(t, "reached", "problem", "no endpoints available")
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
		if !found.has("replicas", "unknown", "the metrics of pod podvet-1 cannot be read") || !found.has("names", "unknown", "pod podvet-1") ||
			!found.has("ca-bundle", "ok", "") || !found.has("expiry", "ok", "") || !found.has("failure-policy", "ok", "") {
			t.Errorf("%s", found)
		}
		awaitFinding(t, "replicas", "ok", "")
	})

	t.Run("failure policy", func(t *testing.T) {
		selector := json.RawMessage(mustKubectl(t, "", "get", validatingConfiguration, "podvet", "-o", "jsonpath={.webhooks[0].namespaceSelector}"))
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Fail")
		awaitFinding(t, "failure-policy", "ok", "the webhooks on Fail (validate.podvet.dev) refuse, but not in kube-system and "+ns)
		setReady(t, ns, "podvet-1", "False")
		awaitFinding(t, "failure-policy", "warning", "1 replicas are ready")
		setReady(t, ns, "podvet-1", "True")
		patchWebhook(t, validatingConfiguration, 0, "namespaceSelector", map[string]any{})
		found := awaitFinding(t, "failure-policy", "problem", "asks about the namespace kube-system")
		if !found.has("failure-policy", "problem", "asks about the namespace "+ns) {
			t.Errorf("%s", found)
		}
		patchWebhook(t, validatingConfiguration, 0, "namespaceSelector", selector)
		patchWebhook(t, validatingConfiguration, 0, "failurePolicy", "Ignore")
		patchWebhook(t, validatingConfiguration, 1, "failurePolicy", "Fail")
		awaitFinding(t, "failure-policy", "warning", "webhook validate-workloads.podvet.dev is on Fail and not about pods")
		patchWebhook(t, validatingConfiguration, 1, "failurePolicy", "Ignore")
	})

	t.Run("last-good policy", func(t *testing.T) {
		text := mustKubectl(t, "", "get", "configmap", "podvet-policy", "-n", ns, "-o", `jsonpath={.data.policy\.yaml}`)
		rules := json.RawMessage(mustKubectl(t, "", "get", validatingConfiguration, "podvet", "-o", "jsonpath={.webhooks[2].rules}"))
		patchWebhook(t, validatingConfiguration, 2, "rules", []any{}) // else it is refused
		await(t, "a bad policy to arrive", func() bool {
			_, err := kubectl(t, "", "patch", "configmap", "podvet-policy", "-n", ns, "--type=merge", "-p", policyPatch(strings.Replace(text, "profile: recommended", "profile: nope", 1)))
			return err == nil
		})
		found := awaitFinding(t, "policy", "problem", "pod podvet-1 judges by the last good policy, for the policy in "+ns+"/podvet-policy cannot be used: policy.yaml:")
		if !found.has("policy", "problem", "profile") || !found.has("configuration", "warning", "a bad policy is not refused when it is applied") {
			t.Errorf("%s", found)
		}
		mustKubectl(t, "", "delete", "configmap", "podvet-policy", "-n", ns)
		awaitFinding(t, "policy", "problem", "it does not exist")
		mustKubectl(t, fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: podvet-policy, namespace: %s}, data: {policy.yaml: %q}}", ns, text), "create", "-f", "-")
		patchWebhook(t, validatingConfiguration, 2, "rules", rules)
		awaitFinding(t, "policy", "ok", "")
	})

	t.Run("different replicas", func(t *testing.T) {
		mustKubectl(t, "", "create", "configmap", "other", "-n", ns, "--from-literal=policy.yaml=apiVersion: podvet.dev/v1alpha1\nkind: Policy\n")
		mustKubectl(t, "", "create", "configmap", "other-last-good", "-n", ns)
		mustKubectl(t, "", "create", "role", "other", "-n", ns, "--verb=list,watch,update", "--resource=configmaps")
		mustKubectl(t, "", "create", "rolebinding", "other", "-n", ns, "--role=other", "--serviceaccount="+ns+":podvet")
		third := serve(t, ns, "--cert-dir="+dir, "--policy-configmap="+ns+"/other")
		await(t, "podvet to be ready; its log is "+third.log, func() bool { return third.ready(t) })
		addPod(t, ns, "podvet-2", third)
		found := awaitFinding(t, "replicas", "problem", "the replicas judge by different policies: ")
		if !found.has("replicas", "problem", " in podvet-2") || !found.has("policy", "problem", "pod podvet-2 judges by another policy") {
			t.Errorf("%s", found)
		}
		mustKubectl(t, "", "patch", "pod", "podvet-2", "-n", ns, "--type=json", "-p", `[{"op":"replace","path":"/spec/containers/0/image","value":"podvet:another"}]`)
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
		if !found.has("configuration", "unknown", "you may not get mutatingwebhookconfigurations.admissionregistration.k8s.io at the cluster scope") ||
			!found.has("service", "unknown", "you may not get services in the namespace "+ns) || !found.has("reached", "unknown", "you may not create pods in the namespace default") {
			t.Errorf("%s", found)
		}
		mustKubectl(t, "", "create", "clusterrole", "doctor", "--verb=get,list",
			"--resource=mutatingwebhookconfigurations,validatingwebhookconfigurations,services,pods,namespaces")
		mustKubectl(t, "", "create", "clusterrolebinding", "doctor", "--clusterrole=doctor", "--serviceaccount="+ns+":nobody")
		t.Cleanup(func() {
			_ = api.KubectlCommand(t.Context(), "delete", "clusterrole,clusterrolebinding", "doctor").Run()
		})
		// Rights are in force after a moment. Without --direct, too: no port-forward.
		if !e2e.Await(t.Context(), 10*time.Second, func() bool {
			found, status = doctor(t, config)
			return found.has("configuration", "ok", "")
		}) || status != 0 {
			t.Errorf("exit status %d with some rights:\n%s", status, found)
		}
		for check, right := range map[string]string{
			"service": "list endpointslices.discovery.k8s.io in the namespace " + ns, "reached": "create pods in the namespace default",
			"names": "pods/portforward in the namespace " + ns, "ca-bundle": "no replica's certificate was seen", "expiry": "no replica's certificate was seen",
			"policy": "get configmaps in the namespace " + ns, "replicas": "get pods/proxy in the namespace " + ns,
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
		if !found.has("configuration", "problem", "pods are not vetted") || !found.has("configuration", "warning", "waits 20 seconds") ||
			!found.has("service", "problem", "webhook validate-policy.podvet.dev calls port 444") {
			t.Errorf("%s", found)
		}
	})

	t.Run("another namespace", func(t *testing.T) {
		if found, _ := doctor(t, api.Kubeconfig, "--direct", "-n", "default"); !found.has("configuration", "warning", "you wrote --namespace default, and the webhooks call the Service "+ns+"/podvet") {
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
		if found, _ := doctor(t, api.Kubeconfig, "--direct", "-n", ns); !found.has("service", "ok", "") || !found.has("names", "ok", "") {
			t.Errorf("%s", found)
		}
	})
}

func policyPatch(text string) string {
	patch, _ := json.Marshal(map[string]any{"data": map[string]string{"policy.yaml": text}})
	return string(patch)
}
