package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// builtIn is a podvet with the built-in policy and failurePolicy Fail that serves all tests: each has a namespace of
// its own.
var builtIn *podvet.Server

func TestMain(m *testing.M) {
	os.Exit(env.Main(m, func(ctx context.Context, dir string) (func(), error) {
		var err error
		if builtIn, err = podvet.Serve(ctx, env.Binary, dir, ""); err != nil {
			return nil, err
		}
		if err := register(ctx, "main", builtIn, "Fail"); err != nil {
			_ = builtIn.Stop()
			return nil, err
		}
		return func() { _ = builtIn.Stop() }, nil
	}))
}

// register makes the API server ask a podvet about the namespaces with its label, and waits until it does.
func register(ctx context.Context, name string, p *podvet.Server, failurePolicy string) error {
	r := podvet.Registration{Name: "podvet-" + name, URL: p.URL, CA: p.CA, FailurePolicy: failurePolicy, Timeout: 10,
		Selector: name}
	if err := podvet.Register(ctx, env.API, r); err != nil {
		return err
	}
	namespace := "await-" + name
	if err := podvet.Apply(ctx, env.API, strings.NewReader(env.NamespaceManifest(namespace, name))); err != nil {
		return err
	}
	return p.AwaitAsked(ctx, env.API, namespace)
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

func getPod(t *testing.T, ns, name string) *corev1.Pod {
	t.Helper()
	return env.Get[corev1.Pod](t, ns, "pod", name)
}

// controllersPod waits for a pod that a controller makes for the label app=name.
func controllersPod(t *testing.T, ns, name string, limit time.Duration) *corev1.Pod {
	t.Helper()
	var found *corev1.Pod
	if !podvet.Await(t.Context(), limit, func() bool {
		if list := env.List[corev1.PodList](t, ns, "pods", env.OfApp(name)); len(list.Items) > 0 {
			found = &list.Items[0]
		}
		return found != nil
	}) {
		t.Fatalf("no pod of %s within %v", name, limit)
	}
	return found
}
