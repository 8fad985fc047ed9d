package chart

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/test/authority"
	"github.com/podvet/podvet/test/podvet"
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

// doctor runs podvet doctor, and returns its exit status too. Everything that is not ok has to say what to do, in a
// line.
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
	if found.APIVersion != "podvet.dev/v1alpha1" || found.Kind != "Diagnosis" || len(found.Summary) != 4 ||
		sum != len(found.Checks) {
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
	if !podvet.Await(t.Context(), 20*time.Second, func() bool {
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
	stored := mustKubectl(t, "", "get", "deployment", "podvet", "-n", ns, "-o", "json")
	if err := json.Unmarshal([]byte(stored), &deployment); err != nil {
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
	mustKubectl(t, fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s, namespace: %[2]s, labels: {kubernetes.io/service-name: podvet}}
addressType: IPv4
ports: [{name: webhook, port: %[3]d, protocol: TCP}]
endpoints:
- addresses: [%[4]s]
  conditions: {ready: true}
  targetRef: {kind: Pod, name: %[1]s, namespace: %[2]s}
`, name, ns, s.port, hostIP(t)), "create", "-f", "-")
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
		fmt.Sprintf(`{"status": {"phase": "Running", "podIP": %[1]q, "podIPs": [{"ip": %[1]q}], "conditions": [
			{"type": "Ready", "status": %[2]q, "message": "containers with unready status: [podvet]"}]}}`, ip, ready))
}

// write puts a certificate where podvet reads it.
func write(t *testing.T, c *authority.Certificate, dir string) {
	t.Helper()
	for name, text := range map[string][]byte{"tls.key": c.KeyPEM(), "tls.crt": c.PEM()} {
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
	path := fmt.Sprintf("/webhooks/%d/%s", index, field)
	patch, err := json.Marshal([]map[string]any{{"op": "add", "path": path, "value": value}})
	if err != nil {
		t.Fatal(err)
	}
	mustKubectl(t, "", "patch", kind, "podvet", "--type=json", "-p", string(patch))
}

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
	want := []string{"configuration", "service", "reached", "names", "ca-bundle", "expiry", "failure-policy", "policy",
		"replicas"}
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

func policyPatch(text string) string {
	patch, _ := json.Marshal(map[string]any{"data": map[string]string{"policy.yaml": text}})
	return string(patch)
}
