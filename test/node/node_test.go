package node

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/cluster"
)

// One node serves the tests that do not stop it: each has a namespace of its own.
var shared *Node

// helperEnv makes the test binary a process that starts a node and waits to be killed.
const helperEnv = "PODVET_NODE_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		helper()
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if shared, err = Start(context.Background(), Options{}); err != nil {
		fmt.Fprintln(os.Stderr, "node: "+err.Error())
		return 1
	}
	code := m.Run()
	if err := shared.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "node: "+err.Error())
		return 1
	}
	return code
}

func start(t *testing.T) *Node {
	t.Helper()
	n, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func kubectl(t *testing.T, n *Node, stdin string, args ...string) string {
	t.Helper()
	out, err := n.Kubectl(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var namespaces atomic.Int32

// namespace makes a namespace and waits for the ServiceAccount that pods need.
func namespace(t *testing.T, n *Node) string {
	t.Helper()
	name := fmt.Sprintf("test-%d", namespaces.Add(1))
	kubectl(t, n, "", "create", "namespace", name)
	eventually(t, 10*time.Second, func() error {
		_, err := n.Client.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
	return name
}

func eventually(t *testing.T, limit time.Duration, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", limit, err)
		}
	}
}

func pod(t *testing.T, n *Node, namespace, name string) *corev1.Pod {
	t.Helper()
	p, err := n.Client.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const probedPod = `
apiVersion: v1
kind: Pod
metadata: {name: probed}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: app
    image: localhost/app:1
    imagePullPolicy: Never
    args: [-boot=2s]
    ports: [{name: http, containerPort: 8080}]
    startupProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
    livenessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
    readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}
`

func TestProbedPodBecomesReady(t *testing.T) {
	t.Parallel()
	ns := namespace(t, shared)
	kubectl(t, shared, probedPod, "apply", "-n", ns, "-f", "-")
	kubectl(t, shared, "", "wait", "-n", ns, "pod/probed", "--for=condition=Ready", "--timeout=30s")
	status := pod(t, shared, ns, "probed").Status.ContainerStatuses[0]
	if status.RestartCount != 0 || status.Started == nil || !*status.Started {
		t.Errorf("the container's status is %+v", status)
	}
	if log := kubectl(t, shared, "", "logs", "-n", ns, "probed"); !strings.Contains(log, "serving") {
		t.Errorf("the pod's log is %q", log)
	}
}

var webhook = template.Must(template.New("").Parse(`
apiVersion: v1
kind: Secret
metadata: {name: tls}
type: kubernetes.io/tls
data: {tls.crt: {{.Cert}}, tls.key: {{.Key}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: hook}
spec:
  replicas: 2
  selector: {matchLabels: {app: hook}}
  template:
    metadata: {labels: {app: hook}}
    spec:
      terminationGracePeriodSeconds: 2
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: localhost/app:1
        imagePullPolicy: Never
        args: [-address=:8443, -cert=/tls/tls.crt, -key=/tls/tls.key]
        ports: [{name: https, containerPort: 8443}]
        readinessProbe: {httpGet: {path: /, port: https, scheme: HTTPS}, periodSeconds: 1}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        resources: {limits: {memory: 64Mi}}
        volumeMounts: [{name: tls, mountPath: /tls, readOnly: true}]
      volumes: [{name: tls, secret: {secretName: tls}}]
---
apiVersion: v1
kind: Service
metadata: {name: hook}
spec: {selector: {app: hook}, ports: [{port: 443, targetPort: https}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: hook-{{.Namespace}}}
webhooks:
- name: hook.test.podvet.dev
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 5
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{.Namespace}}}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  clientConfig: {caBundle: {{.Cert}}, service: {name: hook, namespace: {{.Namespace}}, path: /deny}}
`))

// The API server reaches a webhook's pods, which run as podvet's will, through their Service.
func TestWebhookThroughService(t *testing.T) {
	t.Parallel()
	ns := namespace(t, shared)
	cert, key := selfSigned(t, "hook."+ns+".svc")
	var manifests bytes.Buffer
	err := webhook.Execute(&manifests, map[string]string{"Namespace": ns,
		"Cert": base64.StdEncoding.EncodeToString(cert), "Key": base64.StdEncoding.EncodeToString(key)})
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, shared, manifests.String(), "apply", "-n", ns, "-f", "-")
	t.Cleanup(func() {
		shared.Kubectl(context.Background(), "", "delete", "validatingwebhookconfiguration", "hook-"+ns)
	})
	kubectl(t, shared, "", "rollout", "status", "-n", ns, "deployment/hook", "--timeout=30s")
	refused := func() error {
		_, err := shared.Kubectl(t.Context(), "", "create", "configmap", "any", "-n", ns, "--dry-run=server")
		switch {
		case err == nil:
			return errors.New("the webhook was not asked")
		case !strings.Contains(err.Error(), "refused by a pod on the node"):
			return err
		}
		return nil
	}
	eventually(t, 10*time.Second, refused) // kube-proxy and the API server follow after a moment
	for range 10 {
		if err := refused(); err != nil {
			t.Error(err)
		}
	}
}

func selfSigned(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, of, of, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// What pods know of the API server is the Service kubernetes; the certificate is good for its address.
func TestServiceOfAPIServer(t *testing.T) {
	t.Parallel()
	out, err := shared.Command(t.Context(), "kubectl", "--server=https://10.96.0.1", "get", "--raw", "/readyz").CombinedOutput()
	if err != nil || string(out) != "ok" {
		t.Errorf("through the Service: %v: %s", err, out)
	}
}

func TestReboot(t *testing.T) {
	t.Parallel()
	n := start(t)
	defer n.Stop()
	ns := namespace(t, n)
	kubectl(t, n, probedPod, "apply", "-n", ns, "-f", "-")
	kubectl(t, n, "", "wait", "-n", ns, "pod/probed", "--for=condition=Ready", "--timeout=30s")
	before := pod(t, n, ns, "probed")
	begin := time.Now()
	if err := n.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("Ready again in %v", time.Since(begin).Round(100*time.Millisecond))
	eventually(t, 30*time.Second, func() error {
		after := pod(t, n, ns, "probed")
		status := after.Status.ContainerStatuses[0]
		if after.UID != before.UID || status.RestartCount != 1 || !status.Ready {
			return fmt.Errorf("the pod %s of before is %s with %d restarts, ready: %v", before.UID, after.UID, status.RestartCount, status.Ready)
		}
		return nil
	})
	if events := kubectl(t, n, "", "get", "events", "-o", "custom-columns=R:.reason"); !strings.Contains(events, "Rebooted") {
		t.Errorf("the kubelet did not notice: %s", events)
	}
}

// What a program ended by itself says where to look.
func TestProgramEnds(t *testing.T) {
	t.Parallel()
	n := start(t)
	if out, err := n.Command(t.Context(), "sh", "-c", "kill -9 $(cat /proc/[0-9]*/stat | sed -n 's/^\\([0-9]*\\) (kube-scheduler) .*/\\1/p')").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, 10*time.Second, func() error {
		if n.Err() == nil {
			return errors.New("it runs on")
		}
		return nil
	})
	err := n.Stop()
	t.Cleanup(func() { os.RemoveAll(n.home.dir); os.Remove(n.home.dir + ".lock") })
	if err == nil || !strings.Contains(err.Error(), "kube-scheduler ended (exit status -1, signal 9): its log is logs/kube-scheduler.log: the logs are in "+n.Logs) {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(n.Logs, "kube-scheduler.log")); err != nil {
		t.Error(err)
	}
}

// machine is what a node must not change.
func machine(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/random/boot_id",
		"net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding"} {
		value, err := os.ReadFile("/proc/sys/" + name)
		fmt.Fprintf(&all, "%s: %s, %v\n", name, bytes.TrimSpace(value), err)
	}
	for _, path := range []string{"/etc/cni", "/opt/cni", "/run/containerd", "/run/netns", "/run/node", "/usr/libexec/kubernetes", "/var/lib/cni",
		"/var/lib/containerd", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods"} {
		_, err := os.Stat(path)
		fmt.Fprintf(&all, "%s: %v\n", path, err)
	}
	for _, command := range []string{"ip -oneline link", "ip route", "nft list ruleset", "hostname", "cat /proc/self/mounts"} {
		fields := strings.Fields(command)
		out, err := exec.Command(fields[0], fields[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		fmt.Fprintf(&all, "%s:\n%s\n", command, out)
	}
	return all.String()
}

// left are the processes in the cgroups or with the mounts of a node, its cgroups and its files, all known by its name.
func left(t *testing.T, name string) []string {
	t.Helper()
	var all []string
	cgroups, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, path := range cgroups {
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(name)) {
			all = append(all, path)
		}
	}
	infos, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	for _, path := range infos {
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(name)) {
			all = append(all, path)
		}
	}
	filepath.WalkDir("/sys/fs/cgroup", func(path string, _ os.DirEntry, _ error) error {
		if filepath.Base(path) == name {
			all = append(all, path)
		}
		return nil
	})
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(cache, "podvet", "nodes", name+"*"))
	return append(all, files...)
}

// networks are the network namespaces of all processes.
func networks(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	links, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			all[target] = true
		}
	}
	return all
}

func TestStopLeavesNothing(t *testing.T) {
	before := machine(t)
	n := start(t)
	ns := namespace(t, n)
	kubectl(t, n, probedPod, "apply", "-n", ns, "-f", "-")
	kubectl(t, n, "", "wait", "-n", ns, "pod/probed", "--for=condition=Ready", "--timeout=30s")
	if during := machine(t); during != before {
		t.Errorf("the machine was\n%s\nand with the node it is\n%s", before, during)
	}
	name := filepath.Base(n.home.dir)
	if found := left(t, name); len(found) < 20 {
		t.Fatalf("of a running node only this is found: %v", found)
	}
	own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", n.process.Process.Pid))
	if err != nil || !networks(t)[own] {
		t.Fatalf("the network %q of a running node is not found: %v", own, err)
	}
	begin := time.Now()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped in %v", time.Since(begin).Round(10*time.Millisecond))
	if found := left(t, name); found != nil {
		t.Errorf("left: %v", found)
	}
	if networks(t)[own] {
		t.Error("the network is left")
	}
	if after := machine(t); after != before {
		t.Errorf("the machine was\n%s\nand is\n%s", before, after)
	}
}

func helper() {
	n, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println(n.home.dir)
	time.Sleep(10 * time.Minute)
}

// A process that is killed takes its node along, and the next node clears what was left but the logs.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 1000)
	read, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(strings.TrimSpace(string(line[:read])))
	if !strings.HasPrefix(name, "podvet-node-") {
		t.Fatalf("the helper said %s", line[:read])
	}
	cmd.Process.Kill()
	cmd.Wait()
	eventually(t, 10*time.Second, func() error {
		for _, path := range left(t, name) {
			if strings.HasPrefix(path, "/proc/") {
				return fmt.Errorf("%s is left", path)
			}
		}
		return nil
	})
	h, err := openHome()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.close(false); err != nil {
		t.Error(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "podvet", "nodes", name)
	eventually(t, 10*time.Second, func() error { // the node of another test may be at it
		if found := left(t, name); !slices.Equal(found, []string{dir, dir + ".lock"}) {
			return fmt.Errorf("left: %v", found)
		}
		entries, err := os.ReadDir(dir)
		if err == nil && (len(entries) != 1 || entries[0].Name() != "logs") {
			err = fmt.Errorf("left: %v", entries)
		}
		return err
	})
	if err := errors.Join(os.RemoveAll(dir), os.Remove(dir+".lock")); err != nil {
		t.Error(err)
	}
}

const podvetPod = `
apiVersion: v1
kind: Pod
metadata: {name: podvet}
spec:
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: podvet
    image: ghcr.io/podvet/podvet:v0.0.1-node
    imagePullPolicy: Never
    args: [serve, --local, --address=0.0.0.0, --health-address=:8081, --cert-dir=/certs]
    ports: [{name: health, containerPort: 8081}]
    startupProbe: {httpGet: {path: /healthz, port: health}, periodSeconds: 1}
    livenessProbe: {httpGet: {path: /healthz, port: health}}
    readinessProbe: {httpGet: {path: /readyz, port: health}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: certs, mountPath: /certs}]
  volumes: [{name: certs, emptyDir: {}}]
`

// What make image writes runs as the strictest Pod Security Standard wants it, with nothing but its binary.
func TestImageOfPodvetRuns(t *testing.T) {
	t.Parallel()
	if err := shared.ImportPodvet(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	ns := namespace(t, shared)
	kubectl(t, shared, "", "label", "namespace", ns, "pod-security.kubernetes.io/enforce=restricted")
	kubectl(t, shared, podvetPod, "apply", "-n", ns, "-f", "-")
	kubectl(t, shared, "", "wait", "-n", ns, "pod/podvet", "--for=condition=Ready", "--timeout=30s")
	said := kubectl(t, shared, "", "exec", "-n", ns, "podvet", "--", "/podvet", "version")
	if !strings.HasPrefix(said, "podvet ") {
		t.Errorf("it said %s", said)
	}
	// From this process too: Dial reaches pods.
	address := pod(t, shared, ns, "podvet").Status.PodIP + ":8081"
	client := http.Client{Transport: &http.Transport{DialContext: shared.Dial}, Timeout: 5 * time.Second}
	response, err := client.Get("http://" + address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %s", response.Status)
	}
}
