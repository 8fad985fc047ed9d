// Package chart tests charts/podvet with Helm 3 and Helm 4 as their users run them, and with a real API server.
package chart

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/podvet"
)

// One control plane and one podvet serve all tests: each test has a namespace of its own.
var (
	api    *cluster.Cluster
	helms  []helm
	binary string // podvet
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if flag.Parse(); *update { // needs neither Helm nor a control plane
		return m.Run()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "podvet-chart-*")
	if err == nil {
		defer os.RemoveAll(dir)
		err = setUp(ctx, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chart: "+err.Error())
		return 1
	}
	defer api.Stop()
	code := m.Run()
	if err := api.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "chart: "+err.Error())
		return 1
	}
	return code
}

func setUp(ctx context.Context, dir string) error {
	for _, version := range []string{"v3", "v4"} {
		h, err := buildHelm(ctx, version, filepath.Join(dir, "helm-"+version))
		if err != nil {
			return err
		}
		helms = append(helms, h)
	}
	binary = filepath.Join(dir, "podvet")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/podvet")
	build.Dir = "../.." // with the versions of the product's module, not of this one
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building podvet: %w: %s", err, out)
	}
	var err error
	// Webhooks are called at the endpoints of their Service: there is no kube-proxy that would lead to them.
	api, err = cluster.Start(ctx, cluster.Options{AuditPolicy: auditPolicy,
		APIServerFlags: []string{"--enable-aggregator-routing=true"}})
	return err
}

// A helm is one of the two versions, with a home of its own.
type helm struct {
	version, binary, home string
}

// buildHelm builds Helm from the module that go.mod pins: two minutes the first time. Go's build cache keeps it.
func buildHelm(ctx context.Context, version, home string) (helm, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "-n", "helm.sh/helm/"+version+"/cmd/helm")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return helm{}, fmt.Errorf("building Helm %s: %w: %s", version, err, said.Bytes())
	}
	return helm{version, strings.TrimSpace(string(out)), home}, nil
}

// command is a command line of Helm. Values are YAML, over those of the chart.
func (h helm) command(t *testing.T, values string, args ...string) *exec.Cmd {
	t.Helper()
	if values != "" {
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--values", file)
	}
	cmd := exec.Command(h.binary, args...) // in a cleanup, too, where the test's context has ended
	cmd.Env = []string{"HOME=" + h.home, "KUBECONFIG=" + api.Kubeconfig}
	return cmd
}

// try returns what Helm says on both outputs.
func (h helm) try(t *testing.T, values string, args ...string) (string, error) {
	t.Helper()
	out, err := h.command(t, values, args...).CombinedOutput()
	return string(out), err
}

// must is try that succeeds.
func (h helm) must(t *testing.T, values string, args ...string) string {
	t.Helper()
	out, err := h.try(t, values, args...)
	if err != nil {
		t.Fatalf("helm %s %s with\n%s\n%s", h.version, strings.Join(args, " "), values, out)
	}
	return out
}

// kubernetesVersion is what `helm template` renders for: Helm as built from its module knows none.
const kubernetesVersion = "--kube-version=v1.37.2"

// render is helm template, as text.
func (h helm) render(t *testing.T, namespace, values string) string {
	t.Helper()
	return h.must(t, values, "template", "podvet", chartDir, "--namespace", namespace, kubernetesVersion)
}

// objects are the objects of a rendered chart.
func objects(t *testing.T, manifests string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for document := range strings.SplitSeq(manifests, "\n---") {
		obj := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(document), &obj.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(obj.Object) > 0 {
			all = append(all, obj)
		}
	}
	return all
}

// find is the object of a kind and name.
func find(t *testing.T, all []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, obj := range all {
		if obj.GetKind() == kind && obj.GetName() == name {
			return obj
		}
	}
	t.Fatalf("no %s %s", kind, name)
	return nil
}

// kubectl runs a command line with a manifest as standard input.
func kubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := api.KubectlCommand(context.WithoutCancel(t.Context()), args...) // it also cleans up, when that has ended
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustKubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := kubectl(t, stdin, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %s\n%s", strings.Join(args, " "), out, stdin)
	}
	return out
}

// namespace makes a namespace that enforces the restricted Pod Security Standard unless another is named.
func namespace(t *testing.T, name, level string) {
	t.Helper()
	mustKubectl(t, "", "create", "namespace", name)
	mustKubectl(t, "", "label", "namespace", name, "pod-security.kubernetes.io/enforce="+level)
	await(t, "the default ServiceAccount of "+name, func() bool {
		_, err := kubectl(t, "", "get", "serviceaccount", "default", "-n", name)
		return err == nil
	})
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	if !podvet.Await(t.Context(), 60*time.Second, condition) {
		t.Fatalf("%s: not within a minute", what)
	}
}
