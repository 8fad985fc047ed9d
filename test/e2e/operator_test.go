package e2e

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

const databases = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: databases.db.example.com}
spec:
  group: db.example.com
  scope: Namespaced
  names: {kind: Database, singular: database, plural: databases}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {image: {type: string}}}}}}
`

// TestOperator: an operator that replaces a pod that is not as it wants it comes to rest beside podvet with its default
// settings. Where a policy turns the fixes on for its pods it does not, nor where podvet cannot tell that they are an
// operator's, until the fixes are turned off. The policies are those of docs/operations.md.
func TestOperator(t *testing.T) {
	t.Parallel()
	env.Must(t, "default", databases, "apply", "-f", "-")
	env.Must(t, "default", "", "wait", "--for=condition=Established", "crd/databases.db.example.com", "--timeout=30s")
	off, on := documentedPolicies(t)
	for name, c := range map[string]struct {
		policy     string // "" for the built-in one
		controller bool   // whether the pod names its controller
		loops      bool
	}{
		"default":              {"", true, false},
		"turned-on":            {on, true, true},
		"no-controller":        {"", false, true},
		"no-controller-no-fix": {off, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			label := "main" // of the built-in policy
			if c.policy != "" {
				label = "operator-" + name
				servePolicy(t, label, c.policy)
			}
			ns := env.Namespace(t, label)
			o := startOperator(t, ns, c.controller)
			if !podvet.Await(t.Context(), 30*time.Second, func() bool { return o.compared.Load() >= 10 }) {
				t.Fatalf("the operator compared %d pods, %s", o.compared.Load(), o.trouble())
			}
			// What is not fixed is told. So podvet was asked, and had something to fix.
			if told := o.warnings(); strings.Contains(told, "[prestop-exceeds-grace]") == c.loops {
				t.Errorf("the operator was told %s", told)
			}
			if c.loops {
				if !podvet.Await(t.Context(), 30*time.Second, func() bool { return o.replaced.Load() >= 5 }) {
					t.Errorf("the operator came to rest after %d pods: this test would see no loop", o.replaced.Load())
				}
				return
			}
			list := env.List[corev1.PodList](t, ns, "pods", metav1.ListOptions{})
			if n := o.replaced.Load(); n > 0 || len(list.Items) != 1 || fixed(&list.Items[0]) != "" {
				t.Errorf("%d pods were replaced, the last is %s", n, env.JSON(list.Items))
			}
		})
	}
}

// documentedPolicies are those that docs/operations.md shows for operators: without fixes, for the tests' namespaces,
// and with fixes.
func documentedPolicies(t *testing.T) (off, on string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Operators\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, block := range strings.Split(section, "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		blocks = append(blocks, block)
	}
	if len(blocks) != 2 || !strings.Contains(blocks[0], "[kafka]") {
		t.Fatalf("policies for operators: %q", blocks)
	}
	return strings.Replace(blocks[0], "kafka", "test-*", 1), blocks[1]
}

// wantedPod is what the operator wants, with all that it compares written out.
func wantedPod(owner metav1.OwnerReference) *corev1.Pod {
	var p corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(`
apiVersion: v1
kind: Pod
metadata: {name: db-0, labels: {app: db}}
spec:
  terminationGracePeriodSeconds: 30
  containers:
  - name: db
    image: example/db:1
    ports: [{name: db, containerPort: 5432, protocol: TCP}]
    livenessProbe:
      {tcpSocket: {port: db}, timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3}
    readinessProbe:
      {exec: {command: [/ready]}, timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3}
    lifecycle: {preStop: {exec: {command: [sleep, "25"]}}}
`), &p); err != nil {
		panic(err)
	}
	p.OwnerReferences = []metav1.OwnerReference{owner}
	return &p
}

// operator keeps one pod for a Database: the pod that it wants, to the letter.
type operator struct {
	client             kubernetes.Interface
	ns                 string
	owner              metav1.OwnerReference
	compared, replaced atomic.Int32
	failed             atomic.Pointer[error]

	mu   sync.Mutex
	told []string
}

// HandleWarningHeader keeps what the API server warns of.
func (o *operator) HandleWarningHeader(_ int, _, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, text)
}

func (o *operator) warnings() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.told, "\n")
}

// startOperator makes a Database and runs an operator for it until the test ends. controller: its pods name it as such.
func startOperator(t *testing.T, ns string, controller bool) *operator {
	t.Helper()
	o := &operator{ns: ns}
	config := rest.CopyConfig(env.API.Config)
	config.WarningHandler = o
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	custom, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	env.Must(t, ns, "{apiVersion: db.example.com/v1, kind: Database, metadata: {name: db}}", "create", "-f", "-")
	resource := schema.GroupVersionResource{Group: "db.example.com", Version: "v1", Resource: "databases"}
	database, err := custom.Resource(resource).Namespace(ns).Get(t.Context(), "db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o.client, o.owner = client, metav1.OwnerReference{APIVersion: database.GetAPIVersion(), Kind: database.GetKind(),
		Name: database.GetName(), UID: database.GetUID(), Controller: &controller}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := o.reconcile(ctx); err != nil && ctx.Err() == nil {
				o.failed.Store(&err)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return o
}

// reconcile creates the pod where there is none, and replaces it where it differs.
func (o *operator) reconcile(ctx context.Context) error {
	want := wantedPod(o.owner)
	pods := o.client.CoreV1().Pods(o.ns)
	is, err := pods.Get(ctx, want.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = pods.Create(ctx, want, metav1.CreateOptions{})
		return err
	case err != nil:
		return err
	}
	o.compared.Add(1)
	if same(want, is) {
		return nil
	}
	o.replaced.Add(1)
	now := int64(0)
	return pods.Delete(ctx, want.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
}

// same compares as operators do: what they wrote, and what they wrote nothing about.
func same(want, is *corev1.Pod) bool {
	a, b := want.Spec.Containers[0], is.Spec.Containers[0]
	return reflect.DeepEqual(a.LivenessProbe, b.LivenessProbe) && reflect.DeepEqual(a.StartupProbe, b.StartupProbe) &&
		reflect.DeepEqual(a.ReadinessProbe, b.ReadinessProbe) && reflect.DeepEqual(a.Lifecycle, b.Lifecycle) &&
		reflect.DeepEqual(want.Spec.TerminationGracePeriodSeconds, is.Spec.TerminationGracePeriodSeconds)
}

func (o *operator) trouble() string {
	if err := o.failed.Load(); err != nil {
		return fmt.Sprint("last error: ", *err)
	}
	return "without an error"
}
