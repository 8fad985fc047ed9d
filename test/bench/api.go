package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/podvet"
)

// A way is what the API server asks about the pods of one namespace.
type way struct {
	name    string
	process int  // that it asks; 0 for none
	fixes   bool // a pod without a startupProbe gets one
	warns   bool // of a container without a readinessProbe
}

// apiBench is a cluster with all ways side by side, each in a namespace of its own.
type apiBench struct {
	cluster *cluster.Cluster
	client  kubernetes.Interface
	ways    map[string]way
	rounds  int
	turn    time.Duration
	sizes   []int            // of podvet's policies and of the bindings; a podvet for each
	served  []*podvet.Server // in the order of the sizes
	warned  atomic.Bool      // an answer had a warning
	usual   *corev1.Pod      // podvet fixes it, and warns
	inOrder *corev1.Pod      // podvet has nothing to say of it
}

// benchAPI says what each way adds to the creation of a pod, and how that grows with policies.
func benchAPI(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench api", flag.ExitOnError)
	binary := flags.String("podvet", "bin/podvet", "`FILE` of the podvet to measure")
	rounds := flags.Int("rounds", 5, "`N` rounds; in each, every way has its turn")
	turn := flags.Duration("turn", 4*time.Second, "`TIME` of a turn")
	most := flags.Int("scopes", 1024, "the most scopes, exemptions and bindings")
	_ = flags.Parse(args)
	if *rounds < 1 || *turn < 100*time.Millisecond {
		return errors.New("-rounds is at least 1, -turn at least 100ms")
	}

	folder, err := os.MkdirTemp("", "podvet-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	b := apiBench{rounds: *rounds, turn: *turn, sizes: slices.DeleteFunc([]int{1, 64, 1024}, func(n int) bool {
		return n > max(1, *most)
	})}
	if err := b.start(ctx, *binary, folder); err != nil {
		return err
	}
	defer b.stop()
	fmt.Println("creation of a pod of two containers and a sidecar, dry run")
	loops := []loop{{clients: 1}, {clients: 8}, {perSecond: 50}}
	for _, l := range loops {
		if err := b.compare(ctx, b.usual, l, "none", "policies", "nothing", "patch", "podvet"); err != nil {
			return err
		}
	}
	fmt.Println("\nthe same pod with all its probes")
	for _, l := range loops {
		if err := b.compare(ctx, b.inOrder, l, "none", "policies", "nothing", "podvet"); err != nil {
			return err
		}
	}
	if len(b.sizes) == 1 {
		return nil
	}
	fmt.Println("\nby the number of scopes and exemptions")
	grown := []string{"none"}
	for _, n := range b.sizes {
		grown = append(grown, ofSize(n))
	}
	if err := b.compare(ctx, b.usual, loop{clients: 1}, grown...); err != nil {
		return err
	}
	for _, n := range b.sizes {
		if err := b.bind(ctx, n); err != nil {
			return err
		}
		fmt.Printf("\n%d bindings\n", n)
		if err := b.compare(ctx, b.usual, loop{clients: 1}, "none", "policies"); err != nil {
			return err
		}
	}
	return nil
}

// start brings up the control plane, podvet and the webhooks that do nothing.
func (b *apiBench) start(ctx context.Context, binary, folder string) (err error) {
	if b.cluster, err = cluster.Start(ctx, cluster.Options{}); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	config := rest.CopyConfig(b.cluster.Config)
	config.WarningHandler = b
	if b.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if b.usual, err = recordedPod(); err != nil {
		return err
	}
	b.inOrder = withProbes(b.usual)
	b.ways = map[string]way{"none": {name: "no webhook"},
		"policies": {name: "admission policies", fixes: true, warns: true}}
	if err := b.serve(ctx, binary, folder); err != nil {
		return err
	}
	for namespace := range b.ways {
		labels := map[string]string{"podvet-test": namespace, "team": "0"}
		_, err := b.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
	}
	for i, n := range b.sizes {
		if err := b.served[i].AwaitAsked(ctx, b.cluster, ofSize(n)); err != nil {
			return err
		}
	}
	if err := podvet.Apply(ctx, b.cluster, strings.NewReader(policies)); err != nil {
		return err
	}
	if err := b.samePatch(ctx); err != nil {
		return err
	}
	return b.bind(ctx, 1)
}

// samePatch is an error where podvet no longer makes the patch that it is compared with.
func (b *apiBench) samePatch(ctx context.Context) error {
	vetted, err := b.create(ctx, b.usual, "podvet")
	if err != nil {
		return err
	}
	patched, err := b.create(ctx, b.usual, "patch")
	if err != nil {
		return err
	}
	difference := cmp.Diff(patched.Annotations, vetted.Annotations) +
		cmp.Diff(patched.Spec.Containers[0].StartupProbe, vetted.Spec.Containers[0].StartupProbe)
	if difference != "" {
		return errors.New("usualPatch is not what podvet makes: " + difference)
	}
	return nil
}

// serve starts podvet and two that do nothing.
func (b *apiBench) serve(ctx context.Context, binary, folder string) (err error) {
	for _, n := range b.sizes {
		dir := filepath.Join(folder, ofSize(n))
		if _, err := certify(dir, ofSize(n)); err != nil {
			return err
		}
		policy := filepath.Join(dir, "policy.yaml")
		if err := os.WriteFile(policy, scopes(n, ofSize(n)), 0o600); err != nil {
			return err
		}
		served, err := podvet.Serve(ctx, binary, dir, policy)
		if err != nil {
			return err
		}
		b.served = append(b.served, served)
		name := "podvet's two"
		if n > 1 {
			name += fmt.Sprintf(", %d scopes and exemptions", n)
		}
		b.ways[ofSize(n)] = way{name: name, process: served.Process.Pid, fixes: true, warns: true}
		if err := b.register(ctx, ofSize(n), served.URL, served.CA); err != nil {
			return err
		}
	}
	ca, err := certify(folder, "nothing", "patch")
	if err != nil {
		return err
	}
	idle := func(namespace, anchor, name string, fixes bool) error {
		started, err := startAnchor(ctx, anchor, filepath.Join(folder, "certs"))
		if err != nil {
			return err
		}
		b.ways[namespace] = way{name: name, process: started.process.Pid, fixes: fixes}
		return b.register(ctx, namespace, strings.TrimSuffix(started.url, "/"), ca)
	}
	return errors.Join(idle("nothing", "controller-runtime", "two that do nothing", false),
		idle("patch", "patch", "two that do nothing, with podvet's patch", true))
}

// ofSize is the namespace in which podvet is asked that has so many scopes and exemptions.
func ofSize(n int) string {
	if n == 1 {
		return "podvet"
	}
	return fmt.Sprintf("podvet-%d", n)
}

// register has the API server ask about a namespace by a Service, as in a cluster: what is asked by a URL on this
// machine is asked over HTTP/2, which no Service is (kubernetes#75791).
func (b *apiBench) register(ctx context.Context, namespace, url string, ca []byte) error {
	return podvet.Register(ctx, b.cluster, podvet.Registration{Name: namespace, Service: namespace, Selector: namespace,
		URL: url, CA: ca, FailurePolicy: "Fail", Timeout: 10})
}

// HandleWarningHeader takes a warning of the API server.
func (b *apiBench) HandleWarningHeader(int, string, string) { b.warned.Store(true) }

func (b *apiBench) stop() {
	for _, served := range b.served {
		_ = served.Stop()
	}
	_ = b.cluster.Stop()
}

// The nearest that admission policies have: one check of a probe, which warns, and one added startupProbe.
const policies = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: bench}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]}
  validations:
  - {expression: "object.spec.containers.all(c, has(c.readinessProbe))", message: a container has no readinessProbe}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: bench}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]}
  reinvocationPolicy: IfNeeded
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >
        Object{spec: Object.spec{containers:
          object.spec.containers.filter(c, has(c.livenessProbe) && has(c.livenessProbe.httpGet) && !has(c.startupProbe))
          .map(c, Object.spec.containers{name: c.name, startupProbe: Object.spec.containers.startupProbe{
            httpGet: Object.spec.containers.startupProbe.httpGet{path: "/", port: 8080},
            periodSeconds: 3, failureThreshold: 101}})}}
`

// bind has n bindings of each policy, of which one is about the namespace, and waits until that is in force.
func (b *apiBench) bind(ctx context.Context, n int) error {
	var manifests strings.Builder
	for i := range n {
		for _, kind := range []string{"Validating", "Mutating"} {
			_, _ = fmt.Fprintf(&manifests, `---
apiVersion: admissionregistration.k8s.io/v1
kind: %sAdmissionPolicyBinding
metadata: {name: bench-%d}
spec:
  policyName: bench
  matchResources: {namespaceSelector: {matchLabels: {podvet-test: policies, team: "%d"}}}
`, kind, i, i)
			if kind == "Validating" {
				manifests.WriteString("  validationActions: [Warn]\n")
			}
		}
	}
	if err := podvet.Apply(ctx, b.cluster, strings.NewReader(manifests.String())); err != nil {
		return err
	}
	mutates := func() bool {
		pod, err := b.create(ctx, b.usual, "policies")
		return err == nil && hasStartupProbe(pod)
	}
	if !podvet.Await(ctx, time.Minute, mutates) {
		return fmt.Errorf("the policies do nothing: the API server's log is in %s", b.cluster.Logs)
	}
	time.Sleep(2 * time.Second) // the others have no sign of being in force
	return nil
}

func hasStartupProbe(pod *corev1.Pod) bool {
	for _, c := range pod.Spec.Containers {
		if c.StartupProbe != nil {
			return true
		}
	}
	return false
}

// scopes is a policy of so many scopes and exemptions, the last of which are about the namespace.
func scopes(n int, namespace string) []byte {
	var text strings.Builder
	text.WriteString("apiVersion: podvet.dev/v1alpha1\nkind: Policy\nscopes:\n")
	for i := range n - 1 {
		_, _ = fmt.Fprintf(&text, "- {name: team-%d, match: {namespaces: [team-%d-*]}, profile: strict}\n", i, i)
	}
	_, _ = fmt.Fprintf(&text, "- {name: own, match: {namespaces: [%s]}, profile: recommended}\n", namespace)
	text.WriteString("exemptions:\n")
	for i := range n - 1 {
		_, _ = fmt.Fprintf(&text, "- {rules: [bare-pod], match: {namespaces: [team-%d-*]}, reason: bench}\n", i)
	}
	_, _ = fmt.Fprintf(&text, "- {rules: [bare-pod], match: {namespaces: [%s]}, reason: bench}\n", namespace)
	return []byte(text.String())
}

// create creates a pod in a namespace, as a dry run.
func (b *apiBench) create(ctx context.Context, pod *corev1.Pod, namespace string) (*corev1.Pod, error) {
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	return b.client.CoreV1().Pods(namespace).Create(ctx, pod, dry)
}

// check creates a pod and says what is wrong with what the way makes of it.
func (b *apiBench) check(ctx context.Context, pod *corev1.Pod, namespace string) error {
	created, err := b.create(ctx, pod, namespace)
	switch {
	case err != nil:
		return err
	case hasStartupProbe(created) != (b.ways[namespace].fixes || pod == b.inOrder):
		return fmt.Errorf("%s: the pod has a startupProbe: %t", b.ways[namespace].name, hasStartupProbe(created))
	case pod == b.inOrder && (b.warned.Load() || created.Annotations != nil):
		return fmt.Errorf("%s has something to say of a pod with all its probes", b.ways[namespace].name)
	}
	return nil
}

// compare lets the ways have their turns, and prints a table of them.
func (b *apiBench) compare(ctx context.Context, pod *corev1.Pod, l loop, namespaces ...string) error {
	taken := map[string]*creations{}
	for _, namespace := range namespaces {
		taken[namespace] = &creations{}
	}
	for range b.rounds {
		for _, namespace := range namespaces {
			server, err := processorTime(apiServer())
			if err != nil {
				return err
			}
			webhook, err := processorTime(b.ways[namespace].process)
			if err != nil {
				return err
			}
			b.warned.Store(false)
			took, err := l.run(ctx, b.turn, func(ctx context.Context) error { return b.check(ctx, pod, namespace) })
			if err == nil && b.warned.Load() != (b.ways[namespace].warns && pod == b.usual) {
				err = fmt.Errorf("%s: there is a warning: %t", b.ways[namespace].name, b.warned.Load())
			}
			if err != nil {
				return err
			}
			c := taken[namespace]
			c.took = append(c.took, took...)
			serverNow, _ := processorTime(apiServer())
			webhookNow, _ := processorTime(b.ways[namespace].process)
			c.server, c.webhook = c.server+serverNow-server, c.webhook+webhookNow-webhook
		}
	}
	fmt.Printf("\n| %s | p50 | p99 | p99.9 | added p50 | API server, CPU s per 10,000 | webhook |\n"+
		"|---|---:|---:|---:|---:|---:|---:|\n", l.name())
	for _, namespace := range namespaces {
		taken[namespace].print(b.ways[namespace].name, taken["none"])
	}
	return nil
}
