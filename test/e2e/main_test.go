package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/test/cluster"
)

// One control plane and one podvet, with the built-in policy and failurePolicy Fail, serve all tests: each
// test has a namespace of its own.
var (
	api    *cluster.Cluster
	binary string
	podvet *Podvet
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "podvet-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := setUp(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: "+err.Error())
		return 1
	}
	defer api.Stop()
	defer podvet.Stop()
	finished := make(chan struct{})
	go func() { // Ctrl-C: let nothing stay
		select {
		case <-finished:
		case <-api.Ended(): // every test would fail, and say something else
			podvet.Stop()
			fmt.Fprintln(os.Stderr, "e2e: "+api.Err().Error()+": run the tests again")
			os.Exit(1)
		case <-ctx.Done():
			podvet.Stop()
			api.Stop()
			os.RemoveAll(dir)
			os.Exit(130)
		}
	}()
	code := m.Run()
	close(finished)
	if err := api.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: "+err.Error())
		code = 1
	}
	return code
}

func setUp(ctx context.Context, dir string) error {
	var err error
	binary = filepath.Join(dir, "podvet")
	if err = Build(ctx, binary, "panicrule"); err != nil {
		return err
	}
	if api, err = cluster.Start(ctx, cluster.Options{}); err != nil {
		return err
	}
	if podvet, err = Serve(ctx, binary, dir, ""); err != nil {
		api.Stop()
		return err
	}
	if err = register(ctx, "main", podvet, "Fail"); err != nil {
		podvet.Stop()
		api.Stop()
	}
	return err
}

// register makes the API server ask a podvet about the namespaces with its label, and waits until it does.
func register(ctx context.Context, name string, p *Podvet, failurePolicy string) error {
	r := Registration{Name: "podvet-" + name, URL: p.URL, CA: p.CA, FailurePolicy: failurePolicy, Timeout: 10, Selector: name}
	if err := Register(ctx, api, r); err != nil {
		return err
	}
	namespace := "await-" + name
	if err := Apply(ctx, api, strings.NewReader(namespaceManifest(namespace, name))); err != nil {
		return err
	}
	return p.AwaitAsked(ctx, api, namespace)
}

func namespaceManifest(name, label string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {podvet-test: %q}}}", name, label)
}

var namespaces atomic.Int32

// namespace makes a namespace with the label of a registration; "" for one that nobody vets.
func namespace(t *testing.T, label string) string {
	t.Helper()
	name := fmt.Sprintf("test-%d", namespaces.Add(1))
	if err := Apply(t.Context(), api, strings.NewReader(namespaceManifest(name, label))); err != nil {
		t.Fatal(err)
	}
	// Without it no pod can be created; kube-controller-manager makes it.
	if !Await(t.Context(), 30*time.Second, func() bool {
		_, _, err := api.Kubectl(t.Context(), "get", "serviceaccount", "default", "-n", name)
		return err == nil
	}) {
		t.Fatalf("namespace %s has no default ServiceAccount", name)
	}
	return name
}

// kubectl runs a command line in a namespace, with a manifest as standard input, and returns what the user sees.
func kubectl(t *testing.T, ns, stdin string, args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	cmd := api.KubectlCommand(t.Context(), append(args, "-n", ns)...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &said
	err := cmd.Run()
	return out.String(), said.String(), err == nil
}

// must is kubectl that succeeds.
func must(t *testing.T, ns, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, ok := kubectl(t, ns, stdin, args...)
	if !ok {
		t.Fatalf("kubectl %s: %s%s", strings.Join(args, " "), stdout, stderr)
	}
	return stdout, stderr
}

// warnings are the rule ids in brackets of the warnings on standard error.
func warnings(stderr string) []string {
	var ids []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Warning: ") && strings.HasSuffix(line, "]") {
			ids = append(ids, line[strings.LastIndex(line, "[")+1:len(line)-1])
		}
	}
	return ids
}

func get[T any](t *testing.T, ns string, args ...string) *T {
	t.Helper()
	out, _ := must(t, ns, "", append([]string{"get", "-o", "json"}, args...)...)
	obj := new(T)
	if err := json.Unmarshal([]byte(out), obj); err != nil {
		t.Fatal(err)
	}
	return obj
}

func pod(t *testing.T, ns, name string) *corev1.Pod {
	t.Helper()
	return get[corev1.Pod](t, ns, "pod", name)
}

// controllersPod waits for a pod that a controller makes for the label app=name.
func controllersPod(t *testing.T, ns, name string, limit time.Duration) *corev1.Pod {
	t.Helper()
	var found *corev1.Pod
	if !Await(t.Context(), limit, func() bool {
		if list := get[corev1.PodList](t, ns, "pods", "-l", "app="+name); len(list.Items) > 0 {
			found = &list.Items[0]
		}
		return found != nil
	}) {
		t.Fatalf("no pod of %s within %v", name, limit)
	}
	return found
}
