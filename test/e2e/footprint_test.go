package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// TestAuditLog: what podvet found and did stands in the API server's audit log.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "main")
	env.Must(t, ns, `
apiVersion: v1
kind: Pod
metadata: {name: fixed}
spec:
  containers:
  - name: app
    image: i
    livenessProbe: {exec: {command: [x]}, initialDelaySeconds: 5, periodSeconds: 5}
`, "create", "-f", "-")
	if _, _, ok := env.Kubectl(t, ns, badPod, "create", "-f", "-"); ok {
		t.Fatal("the bad pod is admitted")
	}
	hash := policy.Default(catalogue.All).Hash
	want := map[string]map[string]string{
		"fixed": {
			"mutate.podvet.dev/policy":     hash,
			"mutate.podvet.dev/fixed":      "exec-probe-short-timeout/app",
			"validate.podvet.dev/policy":   hash,
			"validate.podvet.dev/findings": "warn no-readiness-probe/app,warn no-startup-probe/app,audit bare-pod/",
		},
		"bad": {
			"mutate.podvet.dev/policy":     hash,
			"validate.podvet.dev/policy":   hash,
			"validate.podvet.dev/findings": "deny probe-port-unresolved/app,audit bare-pod/",
		},
	}
	var got map[string]map[string]string
	all := func() bool { got = podvetAnnotations(t, ns); return len(got) == len(want) }
	if !podvet.Await(t.Context(), 20*time.Second, all) {
		t.Logf("only %d events", len(got))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// podvetAnnotations reads from the audit log what podvet said of each pod in a namespace.
func podvetAnnotations(t *testing.T, ns string) map[string]map[string]string {
	t.Helper()
	file, err := os.Open(env.API.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	said := map[string]map[string]string{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb        string
			ObjectRef   struct{ Resource, Namespace, Name, Subresource string }
			Annotations map[string]string
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Verb != "create" || event.ObjectRef.Namespace != ns ||
			event.ObjectRef.Resource != "pods" {
			continue
		}
		notes := map[string]string{}
		for key, value := range event.Annotations {
			if strings.Contains(key, "podvet.dev/") && !strings.Contains(key, "webhook.admission.k8s.io") {
				notes[key] = value
			}
		}
		said[event.ObjectRef.Name] = notes
	}
	return said
}

// TestWarningsArriveOnceAndWhole: many findings, with the longest names there can be.
func TestWarningsArriveOnceAndWhole(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "main")
	seen := &env.Warnings{}
	config := rest.CopyConfig(env.API.Config)
	config.WarningHandler = seen
	client := kubernetes.NewForConfigOrDie(config)
	var containers []corev1.Container
	for i := range 10 {
		name := fmt.Sprintf("%s-%d", strings.Repeat("x", 61), i)
		containers = append(containers, corev1.Container{Name: name, Image: "i"})
	}
	create := func(name string) error {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: containers}}
		_, err := client.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{})
		return err
	}
	if err := create("long"); err != nil {
		t.Fatal(err)
	}
	if len(seen.Texts) != 10 {
		t.Fatalf("%d warnings: %q", len(seen.Texts), seen.Texts)
	}
	slices.Sort(seen.Texts)
	whole := regexp.MustCompile(`^podvet: container "x{10,}…?x*-\d": no readinessProbe, .*` +
		` Add one that checks whether it works\. \[no-readiness-probe\]$`)
	for _, text := range seen.Texts {
		if utf8.RuneCountInString(text) > rules.MaxLine || !whole.MatchString(text) {
			t.Errorf("%d characters: %q", utf8.RuneCountInString(text), text)
		}
	}
	// An eleventh and more are counted.
	for i := range 3 {
		containers = append(containers, corev1.Container{Name: fmt.Sprintf("more-%d", i), Image: "i"})
	}
	seen.Texts = nil
	if err := create("longer"); err != nil || len(seen.Texts) != 11 ||
		!slices.Contains(seen.Texts, "podvet: 3 more warnings") {
		t.Errorf("%v: %q", err, seen.Texts)
	}
}
