package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/podvet"
)

const (
	home     = "podvet-system" // podvet's namespace
	work     = "soak"          // that of the pods
	bypass   = "soak-bypass"   // the label of a policy that /validate-policy does not see
	policies = "podvet-policy"
	caSecret = "podvet-self-managed-ca"
)

// Leaf certificates of 90 s are renewed with 30 s left, which is longer than any outage here.
var short = []string{"--ca-duration=6m", "--leaf-duration=90s", "--shutdown-delay=4s", "--address=127.0.0.1",
	"--dns-name=localhost"}

var discard = log.New(io.Discard, "", 0)

const values = `
webhooks:
  mutate: {failurePolicy: Fail}
  validate: {failurePolicy: Fail}
  validateWorkloads: {failurePolicy: Fail}
policy: {mode: enforce, kubernetes: "1.35-1.37", help: soak-0}
`

// The API server records who created which pod, and what podvet noted about it.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [admin]
  verbs: [create]
  resources: [{group: "", resources: [pods]}]
- level: None
`

// A site is a control plane with the chart's objects, and two replicas with the chart's arguments and rights.
type site struct {
	api     *cluster.Cluster
	admin   kubernetes.Interface
	binary  string
	logs    string
	args    []string // the chart's
	configs [2]string
	proxies [2]*proxy
	service *service
	doors   map[string]*door

	mu       sync.Mutex
	replicas [2]*replica
	ended    map[*replica]chan struct{}
	all      []*replica
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{binary: filepath.Join(t.TempDir(), "podvet"), service: &service{}, doors: map[string]*door{},
		ended: map[*replica]chan struct{}{}}
	var err error
	// Kept where the test fails, unlike t.TempDir.
	if s.logs, err = os.MkdirTemp("", "podvet-soak-*"); err != nil { //nolint:usetesting // kept where it fails
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(s.logs)
		}
	})
	build := exec.CommandContext(t.Context(), "go", "build", "-o", s.binary, "./cmd/podvet")
	build.Dir = "../.." // with the versions of the product's module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building podvet: %v: %s", err, out)
	}
	if s.api, err = cluster.Start(t.Context(), cluster.Options{AuditPolicy: auditPolicy}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.api.Stop(); err != nil {
			t.Error(err)
		}
	})
	config := rest.CopyConfig(s.api.Config)
	config.WarningHandler = rest.NoWarnings{}
	if s.admin, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mutate", "validate", "others"} {
		s.doors[name] = s.service.open(t, name)
	}
	s.install(t)
	for slot := range s.proxies {
		s.proxies[slot] = newProxy(t, s.api.Config)
		s.configs[slot] = s.kubeconfig(t, s.proxies[slot])
	}
	t.Cleanup(func() { // before the proxies, which wait for their callers
		for _, r := range s.all {
			r.wanted.Store(true)
			_ = r.Process.Kill()
		}
	})
	return s
}

// render is the chart as Helm renders it, by the Helm that test/chart pins.
func render(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	which := exec.CommandContext(t.Context(), "go", "tool", "-n", "helm.sh/helm/v4/cmd/helm")
	which.Dir = "../chart"
	helm, err := which.Output()
	if err != nil {
		t.Fatalf("building Helm: %v", err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := exec.CommandContext(t.Context(), strings.TrimSpace(string(helm)), "template", "podvet",
		"../../charts/podvet", "--namespace", home, "--kube-version=v1.37.2", "--values", file).Output()
	if err != nil {
		t.Fatalf("rendering the chart: %v", err)
	}
	var all []*unstructured.Unstructured
	for document := range strings.SplitSeq(string(text), "\n---") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		if len(object.Object) > 0 && object.GetAnnotations()["helm.sh/hook"] == "" {
			all = append(all, object)
		}
	}
	return all
}

// install applies what the chart has, but for what a cluster without nodes has no use for.
func (s *site) install(t *testing.T) {
	t.Helper()
	for _, ns := range []string{home, work} {
		s.kubectl(t, "", "create", "namespace", ns)
		if !podvet.Await(t.Context(), time.Minute, func() bool {
			_, err := s.admin.CoreV1().ServiceAccounts(ns).Get(t.Context(), "default", metav1.GetOptions{})
			return err == nil
		}) {
			t.Fatalf("no ServiceAccount in %s", ns)
		}
	}
	var manifests []string
	for _, object := range render(t) {
		switch object.GetKind() {
		case "Deployment":
			var deployment appsv1.Deployment
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment); err != nil {
				t.Fatal(err)
			}
			s.args = slices.DeleteFunc(deployment.Spec.Template.Spec.Containers[0].Args, func(arg string) bool {
				flag, _, _ := strings.Cut(arg, "=")
				return slices.Contains([]string{"serve", "--port", "--metrics-address", "--health-address"}, flag)
			})
			continue
		case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
			s.call(object)
		case "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ConfigMap", "Secret":
		default:
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		manifests = append(manifests, string(text))
	}
	s.kubectl(t, strings.Join(manifests, "---\n"), "apply", "-n", home, "--server-side", "--field-manager=helm",
		"-f", "-")
}

// doorOf is the door of a webhook.
func doorOf(webhook string) string {
	switch webhook {
	case "mutate.podvet.dev":
		return "mutate"
	case "validate.podvet.dev":
		return "validate"
	}
	return "others"
}

// call has webhooks called through the doors, where no kube-proxy leads to a Service.
func (s *site) call(configuration *unstructured.Unstructured) {
	webhooks, _, _ := unstructured.NestedSlice(configuration.Object, "webhooks")
	for _, w := range webhooks {
		w := w.(map[string]any)
		path, _, _ := unstructured.NestedString(w, "clientConfig", "service", "path")
		name, _ := w["name"].(string)
		w["clientConfig"] = map[string]any{"url": s.doors[doorOf(name)].url(path)}
		if name == "validate-policy.podvet.dev" {
			w["objectSelector"] = map[string]any{"matchExpressions": []any{
				map[string]any{"key": bypass, "operator": "DoesNotExist"}}}
		}
	}
	_ = unstructured.SetNestedSlice(configuration.Object, webhooks, "webhooks")
}

func (d *door) url(path string) string { return fmt.Sprintf("https://localhost:%d%s", d.port(), path) }

func (s *site) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := s.api.KubectlCommand(t.Context(), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// kubeconfig is podvet's ServiceAccount, by way of a proxy.
func (s *site) kubeconfig(t *testing.T, p *proxy) string {
	t.Helper()
	token := strings.TrimSpace(s.kubectl(t, "", "create", "token", "podvet", "-n", home, "--duration=24h"))
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": []any{map[string]any{"name": "c", "context": map[string]any{"cluster": "c", "user": "u"}}},
		"clusters": []any{map[string]any{"name": "c", "cluster": map[string]any{
			"server": p.server.URL, "certificate-authority-data": p.ca}}},
		"users": []any{map[string]any{"name": "u", "user": map[string]any{"token": token}}},
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// start runs another process in a slot, and has the service follow it.
func (s *site) start(ctx context.Context, t *testing.T, slot int) (*replica, error) {
	dir, err := os.MkdirTemp(s.logs, "podvet-*")
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(s.args), short...)
	server, err := podvet.Start(context.WithoutCancel(ctx), s.binary, dir,
		[]string{"KUBECONFIG=" + s.configs[slot], "GOMEMLIMIT=256MiB"}, args...)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &replica{Server: server, id: len(s.all), slot: slot, used: map[string][]time.Time{}}
	ended := make(chan struct{})
	s.replicas[slot], s.ended[r], s.all = r, ended, append(s.all, r)
	go func() {
		err := server.Wait()
		if !r.wanted.Load() {
			t.Errorf("replica %d ended by itself: %v; its log is %s", r.id, err, r.Log)
		}
		close(ended)
	}()
	go s.service.follow(r, ended)
	return r, nil
}

// awaitEndpoint returns once connections go to a replica.
func (s *site) awaitEndpoint(ctx context.Context, r *replica) error {
	if !podvet.Await(ctx, 2*time.Minute, func() bool { return s.service.has(r) }) {
		_, err := podvet.Fetch(r.Ready)
		return fmt.Errorf("replica %d is not ready: %w; its log is %s", r.id, errors.Join(err, ctx.Err()), r.Log)
	}
	return nil
}

func (s *site) in(slot int) (*replica, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replicas[slot], s.ended[s.replicas[slot]]
}
