// Package e2e runs podvet beside a real control plane, for the tests in this folder and for the demonstration.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/cluster"
)

// Build builds podvet with build tags. It must be called from within the repository.
func Build(ctx context.Context, binary string, tags ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", binary, "github.com/podvet/podvet/cmd/podvet")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cluster.StartChild(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("building podvet: %w: %s", err, said.Bytes())
	}
	return nil
}

// Podvet is a running `podvet serve`.
type Podvet struct {
	URL     string
	CA      []byte // PEM; nil where it makes none
	Metrics string // URL of its metrics
	Ready   string // URL of its readiness
	Log     string // file of its standard error
	Process *os.Process

	cmd *exec.Cmd
}

// Serve starts podvet without a cluster, with its files in dir, and returns once it serves. policyFile may be empty.
func Serve(ctx context.Context, binary, dir, policyFile string) (*Podvet, error) {
	args := []string{"--local", "--cert-dir", filepath.Join(dir, "certs")}
	if policyFile != "" {
		args = append(args, "--policy", policyFile)
	}
	return serve(ctx, binary, dir, nil, args...)
}

// ServeInCluster starts podvet as in a pod of the cluster that a kubeconfig names, with a certificate for localhost.
// It returns once podvet serves, which may be before it is ready.
func ServeInCluster(ctx context.Context, binary, dir, kubeconfig, policyConfigMap string) (*Podvet, error) {
	if err := certs.Local(filepath.Join(dir, "certs"), time.Now()); err != nil {
		return nil, err
	}
	return serve(ctx, binary, dir, []string{"KUBECONFIG=" + kubeconfig}, "--policy-configmap", policyConfigMap, "--tls", "files",
		"--cert-dir", filepath.Join(dir, "certs"), "--address", "127.0.0.1", "--shutdown-delay", "0s")
}

// startLimit is how long podvet may take until it serves.
const startLimit = 2 * time.Minute

func serve(ctx context.Context, binary, dir string, env []string, args ...string) (*Podvet, error) {
	var ports [3]string // of reviews, metrics, health
	for i := range ports {
		port, err := FreePort(ctx)
		if err != nil {
			return nil, err
		}
		ports[i] = strconv.Itoa(port)
	}
	args = append([]string{"serve", "--port", ports[0], "--metrics-address", net.JoinHostPort("127.0.0.1", ports[1]),
		"--health-address", net.JoinHostPort("127.0.0.1", ports[2])}, args...)
	log, err := os.OpenFile(filepath.Join(dir, "podvet.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // podvet has its own
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stderr, cmd.Env = log, append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cluster.StartChild(cmd); err != nil {
		return nil, err
	}
	limit := time.AfterFunc(startLimit, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		_ = cmd.Wait()
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("podvet did not start: %s", bytes.TrimSpace(said))
	}
	ca, err := os.ReadFile(filepath.Join(dir, "certs", certs.CAFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it makes one with --local only
		return nil, err
	}
	return &Podvet{URL: "https://127.0.0.1:" + ports[0], CA: ca, Metrics: "http://127.0.0.1:" + ports[1] + "/metrics",
		Ready: "http://127.0.0.1:" + ports[2] + "/readyz", Log: log.Name(), Process: cmd.Process, cmd: cmd}, nil
}

// Stop ends podvet as the kubelet would and waits for it.
func (p *Podvet) Stop() error {
	if err := p.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return p.cmd.Wait()
}

var takenPorts sync.Map

// FreePort is a port that nobody listens on. Those that the system gives it also gives to outgoing connections, before
// whoever asked for one comes to listen on it: so it is below these (Linux: 32768), and given once.
func FreePort(ctx context.Context) (int, error) {
	var err error
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		if _, taken := takenPorts.LoadOrStore(port, true); taken {
			continue
		}
		var listener net.Listener
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no free port: %w", err)
}

// Registration is a pair of webhook configurations.
type Registration struct {
	Name          string // of both configurations
	URL           string
	CA            []byte
	FailurePolicy string // Ignore or Fail
	Timeout       int    // seconds
	Selector      string // namespaces with the label podvet-test of this value; "" for all namespaces but kube-system
	Versions      string // admissionReviewVersions; "" for v1
}

var configurations = template.Must(template.New("").Parse(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: {{.Name}}
webhooks:
- name: mutate.podvet.dev
  rules:
  - {apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}
  reinvocationPolicy: IfNeeded
  {{- template "common" .With "/mutate"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: {{.Name}}
webhooks:
- name: validate.podvet.dev
  rules:
  - {apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}
  - {apiGroups: [""], apiVersions: [v1], resources: [replicationcontrollers], operations: [CREATE, UPDATE]}
  - {apiGroups: [apps], apiVersions: [v1], resources: [deployments, replicasets, statefulsets, daemonsets], operations: [CREATE, UPDATE]}
  - {apiGroups: [batch], apiVersions: [v1], resources: [jobs, cronjobs], operations: [CREATE, UPDATE]}
  {{- template "common" .With "/validate"}}
{{define "common"}}
  admissionReviewVersions: [{{or .Versions "v1"}}]
  sideEffects: None
  failurePolicy: {{.FailurePolicy}}
  timeoutSeconds: {{.Timeout}}
  clientConfig: {url: "{{.URL}}", caBundle: {{.Bundle}}}
  {{- if .Selector}}
  namespaceSelector: {matchLabels: {podvet-test: "{{.Selector}}"}}
  {{- else}}
  namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}]}
  {{- end}}
{{- end}}`))

// With is the registration as one of the two webhooks has it.
func (r Registration) With(path string) any {
	r.URL += path
	return struct {
		Registration
		Bundle string
	}{r, base64.StdEncoding.EncodeToString(r.CA)}
}

// Register writes the pair of webhook configurations.
func Register(ctx context.Context, c *cluster.Cluster, r Registration) error {
	var manifests bytes.Buffer
	if err := configurations.Execute(&manifests, r); err != nil {
		return err
	}
	return Apply(ctx, c, &manifests)
}

// AwaitAsked returns once the API server asks podvet about the pods of a namespace: it follows a changed
// configuration after a moment.
func (p *Podvet) AwaitAsked(ctx context.Context, c *cluster.Cluster, namespace string) error {
	asked := func() bool {
		before := p.Reviews()
		_, _, _ = c.Kubectl(ctx, "run", "probe", "--image=i", "-n", namespace, "--dry-run=server")
		return p.Reviews() == before+2 // /mutate and /validate
	}
	if !Await(ctx, 30*time.Second, asked) {
		return fmt.Errorf("the API server does not ask podvet about the namespace %s: podvet's log is %s", namespace, p.Log)
	}
	return nil
}

var reviewCount = regexp.MustCompile(`(?m)^podvet_reviews_total\{[^}]*\} (\d+)$`)

// Reviews is how many reviews podvet has answered, -1 when it does not say.
func (p *Podvet) Reviews() int {
	text, err := fetch(p.Metrics)
	if err != nil {
		return -1
	}
	sum := 0
	for _, match := range reviewCount.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(match[1])
		sum += n
	}
	return sum
}

// fetch gets a page of podvet's side servers; an error for any status but 200 holds the text.
func fetch(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return string(text), err
}

// Apply is kubectl apply of what it reads.
func Apply(ctx context.Context, c *cluster.Cluster, manifests io.Reader) error {
	cmd := c.KubectlCommand(ctx, "apply", "-f", "-")
	cmd.Stdin = manifests
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, out)
	}
	return nil
}

// Await calls condition until it is true.
func Await(ctx context.Context, limit time.Duration, condition func() bool) bool {
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if condition() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}
