package node

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/authority"
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

// The machine is shared out to tests: on a crowded one kubelets are late with everything, and probes time out.
var (
	shares = make(chan struct{}, 8)
	turn   sync.Mutex // one test at a time takes its shares, so that no two wait for each other's
)

const (
	ownNode  = 4
	manyPods = 4
	fewPods  = 1
)

// share waits for a part of the machine. It is kept until the test ends.
func share(t *testing.T, parts int) {
	t.Helper()
	turn.Lock()
	defer turn.Unlock()
	for range parts {
		shares <- struct{}{}
	}
	t.Cleanup(func() {
		for range parts {
			<-shares
		}
	})
}

func start(t *testing.T) *Node {
	t.Helper()
	share(t, ownNode)
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

// namespace makes a namespace and waits for the ServiceAccount that pods need. On the shared node it is deleted with
// the test, so that its pods do not run beside those of the tests that follow.
func namespace(t *testing.T, n *Node) string {
	t.Helper()
	name := fmt.Sprintf("test-%d", namespaces.Add(1))
	kubectl(t, n, "", "create", "namespace", name)
	if n == shared {
		t.Cleanup(func() {
			err := n.Client.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
			if err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, func() error {
		_, err := n.Client.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
	return name
}

// patience is how long a test waits for what has to come, which is long: a crowded machine is slow.
const (
	patience = 3 * time.Minute
	inTime   = "--timeout=3m"
)

func eventually(t *testing.T, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		begin := time.Now()
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", patience, err)
		}
		time.Sleep(max(100*time.Millisecond, 2*time.Since(begin))) // a try may be a whole kubectl
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
	share(t, fewPods)
	ns := namespace(t, shared)
	kubectl(t, shared, probedPod, "apply", "-n", ns, "-f", "-")
	kubectl(t, shared, "", "wait", "-n", ns, "pod/probed", "--for=condition=Ready", inTime)
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
	share(t, fewPods)
	ns := namespace(t, shared)
	serving := authority.Issue(t, nil, "hook."+ns+".svc", -time.Hour, time.Hour)
	var manifests bytes.Buffer
	encode := base64.StdEncoding.EncodeToString
	err := webhook.Execute(&manifests, map[string]string{"Namespace": ns,
		"Cert": encode(serving.PEM()), "Key": encode(serving.KeyPEM())})
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, shared, manifests.String(), "apply", "-n", ns, "-f", "-")
	t.Cleanup(func() {
		shared.Kubectl(context.Background(), "", "delete", "validatingwebhookconfiguration", "hook-"+ns)
	})
	kubectl(t, shared, "", "rollout", "status", "-n", ns, "deployment/hook", inTime)
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
	eventually(t, refused) // kube-proxy and the API server follow after a moment
	for range 10 {
		if err := refused(); err != nil {
			t.Error(err)
		}
	}
}

// What pods know of the API server is the Service kubernetes; the certificate is good for its address.
func TestServiceOfAPIServer(t *testing.T) {
	t.Parallel()
	out, err := shared.Command(t.Context(), "kubectl", "--server=https://10.96.0.1", "get",
		"--raw", "/readyz").CombinedOutput()
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
	kubectl(t, n, "", "wait", "-n", ns, "pod/probed", "--for=condition=Ready", inTime)
	before := pod(t, n, ns, "probed")
	begin := time.Now()
	if err := n.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("Ready again in %v", time.Since(begin).Round(100*time.Millisecond))
	eventually(t, func() error {
		after := pod(t, n, ns, "probed")
		status := after.Status.ContainerStatuses[0]
		if after.UID != before.UID || status.RestartCount != 1 || !status.Ready {
			return fmt.Errorf("the pod %s of before is %s with %d restarts, ready: %v", before.UID, after.UID,
				status.RestartCount, status.Ready)
		}
		return nil
	})
	events := kubectl(t, n, "", "get", "events", "-o", "custom-columns=R:.reason")
	if !strings.Contains(events, "Rebooted") {
		t.Errorf("the kubelet did not notice: %s", events)
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
	share(t, fewPods)
	if err := shared.ImportPodvet(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	ns := namespace(t, shared)
	kubectl(t, shared, "", "label", "namespace", ns, "pod-security.kubernetes.io/enforce=restricted")
	kubectl(t, shared, podvetPod, "apply", "-n", ns, "-f", "-")
	kubectl(t, shared, "", "wait", "-n", ns, "pod/podvet", "--for=condition=Ready", inTime)
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
