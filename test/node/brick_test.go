package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestCannotBrick takes podvet away in every way that it can be, with each of its webhooks at Fail but where it says
// Ignore: the cluster comes back by itself.
func TestCannotBrick(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	r, app := newRelease(t, n), namespace(t, n)
	before := clusterWide(t, n)

	t.Run("webhooks before their server", func(t *testing.T) { webhooksFirst(t, r, app) })
	r.install(t, "webhooks: {timeoutSeconds: 2}")
	t.Run("down with Ignore", func(t *testing.T) { downWithIgnore(t, r, app) })
	t.Run("hung with Ignore", func(t *testing.T) { hungWithIgnore(t, r, app) })
	r.helm(t, version, failClosed, "upgrade", "podvet", "CHART")
	r.awaitVetted(t, app)
	t.Run("all pods deleted at once with Fail", func(t *testing.T) { ownPodsWithFail(t, r, app) })
	t.Run("down with Fail", func(t *testing.T) { downWithFail(t, r, app) })
	t.Run("reboot with Fail", func(t *testing.T) { rebootWithFail(t, r, app) })
	t.Run("uninstalled while down with Fail", func(t *testing.T) {
		r.scale(t, 0)
		r.awaitRefused(t, app)
		r.helm(t, "", "", "uninstall", "podvet")
		r.wantNothingLeft(t, before)
		r.awaitCreated(t, app)
	})
}

// webhooksFirst applies what the chart renders in the worst order, as a tool might that knows nothing of Helm's: the
// webhooks refuse pods before there is anything to ask.
func webhooksFirst(t *testing.T, r *release, app string) {
	rendered, err := r.n.Helm(t.Context(), version, failClosed, "template", "podvet", "CHART",
		"--namespace="+r.namespace, "--kube-version=v1.37.2")
	if err != nil {
		t.Fatal(err)
	}
	var webhooks, others []string
	for document := range strings.SplitSeq(rendered, "\n---\n") {
		if strings.Contains(document, "WebhookConfiguration\n") {
			webhooks = append(webhooks, document)
		} else {
			others = append(others, document)
		}
	}
	if len(webhooks) != 2 {
		t.Fatalf("there are %d webhook configurations in\n%s", len(webhooks), rendered)
	}
	slices.Reverse(others) // the Deployment before its roles
	kubectl(t, r.n, strings.Join(webhooks, "\n---\n"), "apply", "--server-side", "-f", "-")
	r.awaitRefused(t, app)
	begin := time.Now()
	kubectl(t, r.n, strings.Join(others, "\n---\n"), "apply", "--server-side", "-n", r.namespace, "-f", "-")
	r.awaitPods(t)
	r.awaitVetted(t, app)
	t.Logf("%v after the rest was applied pods are vetted", time.Since(begin).Round(100*time.Millisecond))
	kubectl(t, r.n, rendered, "delete", "-n", r.namespace, "-f", "-")
	r.awaitCreated(t, app)
}

func downWithIgnore(t *testing.T, r *release, app string) {
	r.awaitVetted(t, app)
	r.scale(t, 0)
	var slowest time.Duration
	for range 20 {
		begin := time.Now()
		if vetted, err := r.create(t.Context(), app); err != nil || vetted {
			t.Errorf("a pod was created: %v, vetted: %v", err, vetted)
		}
		slowest = max(slowest, time.Since(begin))
	}
	t.Logf("without podvet a pod is created in %v at most", slowest.Round(time.Millisecond))
	if slowest > 3*time.Second {
		t.Errorf("without podvet a pod took %v", slowest)
	}
	r.scale(t, 2)
	r.awaitVetted(t, app)
}

// hungWithIgnore stops podvet's processes where they are: the Service leads to them until the kubelet gives up.
func hungWithIgnore(t *testing.T, r *release, app string) {
	r.signal(t, "STOP")
	begin := time.Now()
	if vetted, err := r.create(t.Context(), app); err != nil || vetted {
		t.Errorf("a pod was created: %v, vetted: %v", err, vetted)
	}
	// Both webhooks are waited for.
	took := time.Since(begin)
	t.Logf("while podvet hangs a pod is created in %v", took.Round(time.Millisecond))
	if took > 15*time.Second {
		t.Errorf("a pod took %v, with two webhooks that may take 2 s each", took)
	}
	r.awaitVetted(t, app) // the kubelet has killed and started them
	for _, pod := range r.awaitPods(t) {
		if restarts := pod.Status.ContainerStatuses[0].RestartCount; restarts != 1 {
			t.Errorf("%s was restarted %d times, want once, by its livenessProbe", pod.Name, restarts)
		}
	}
}

func ownPodsWithFail(t *testing.T, r *release, app string) {
	before := r.pods(t)
	begin := time.Now()
	r.killPods(t)
	r.awaitRefused(t, app)
	r.awaitCreated(t, app)
	t.Logf("%v after podvet's pods were deleted a pod is created", time.Since(begin).Round(100*time.Millisecond))
	r.awaitPods(t, before...)
	r.awaitVetted(t, app)
}

// downWithFail: what keeps the cluster alive does not need podvet.
func downWithFail(t *testing.T, r *release, app string) {
	kubectl(t, r.n, "", "create", "deployment", "web", "-n", app, "--image="+AppImage, "--replicas=2")
	r.scale(t, 0)
	r.awaitRefused(t, app)
	if vetted, err := r.create(t.Context(), "kube-system"); err != nil || vetted {
		t.Errorf("a pod in kube-system: %v, vetted: %v", err, vetted)
	}
	kubectl(t, r.n, "", "create", "deployment", "dns", "-n", "kube-system", "--image="+AppImage)
	awaitMirror(t, r.n, app, "static-while-down")
	// What scales or changes a status updates no pod template.
	kubectl(t, r.n, "", "scale", "-n", app, "deployment/web", "--replicas=1")
	r.scale(t, 2)
	r.awaitVetted(t, app)
	kubectl(t, r.n, "", "delete", "deployment", "dns", "-n", "kube-system")
}

// awaitMirror gives the kubelet the manifest of a static pod that could never be ready, which podvet would refuse, and
// waits for the mirror pod, by which a cluster sees it.
func awaitMirror(t *testing.T, n *Node, namespace, name string) {
	t.Helper()
	manifest := fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, image: %s, imagePullPolicy: Never, readinessProbe: {tcpSocket: {port: nowhere}}}
`, name, namespace, AppImage)
	file := n.home.path(filepath.Join("static-pods", name+".yaml"))
	if err := os.WriteFile(file, []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(file) })
	eventually(t, func() error {
		pod, err := n.Client.CoreV1().Pods(namespace).Get(t.Context(), name+"-"+Name, metav1.GetOptions{})
		if err == nil && pod.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("the mirror pod is %s", pod.Status.Phase)
		}
		return err
	})
}

// rebootWithFail: everything is killed and started, and nothing but the node's own programs brings it up.
func rebootWithFail(t *testing.T, r *release, app string) {
	pods := r.pods(t)
	begin := time.Now()
	if err := r.n.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("the node is Ready after %v", time.Since(begin).Round(100*time.Millisecond))
	r.awaitVetted(t, app)
	t.Logf("%v after the reboot began pods are vetted", time.Since(begin).Round(100*time.Millisecond))
	for _, pod := range r.awaitPods(t) {
		if !slices.ContainsFunc(pods, func(old corev1.Pod) bool { return old.UID == pod.UID }) {
			t.Errorf("%s is new: the kubelet should have started those that were there", pod.Name)
		}
	}
	kubectl(t, r.n, "", "rollout", "status", "-n", app, "deployment/web", inTime)
}

// awaitRefused waits until the API server refuses pods because it cannot ask podvet.
func (r *release) awaitRefused(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, func() error {
		_, err := r.create(t.Context(), namespace)
		switch {
		case err == nil:
			return errors.New("a pod was created")
		case !apierrors.IsInternalError(err) || !strings.Contains(err.Error(),
			`failed calling webhook "mutate.podvet.dev"`):
			return err
		}
		return nil
	})
}

// awaitCreated waits until pods are created, vetted or not.
func (r *release) awaitCreated(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, func() error {
		_, err := r.create(context.WithoutCancel(t.Context()), namespace)
		return err
	})
}
