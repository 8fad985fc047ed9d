package recommend

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestManyAreCounted: of many containers only those with advice are shown.
func TestManyAreCounted(t *testing.T) {
	c := booted(t, "livenessProbe: {tcpSocket: {port: 80}}, readinessProbe: {tcpSocket: {port: 80}}", 12)
	for i := range many {
		c.Pod(podOf(t, "containers: [{name: app, image: x}]"), Owner{"shop", "Deployment", fmt.Sprintf("o%d", i)}, noon)
		c.owners[Owner{"shop", "Deployment", fmt.Sprintf("o%d", i)}].of("app")
	}
	text := c.Report(Options{Margin: DefaultMargin}).Text(0)
	want := fmt.Sprintf("%d containers more: %s.\n%d containers, 1 with something to change.\n", many, noteBlind,
		many+1)
	if strings.Count(text, "container app: ") != 1 || !strings.HasSuffix(text, want) {
		t.Error(text)
	}
}

// TestCommands: what kubectl patch cannot do is said.
func TestCommands(t *testing.T) {
	c := NewCollector()
	const probes = "livenessProbe: {exec: {command: [sh, -c, \"it's\"]}}, readinessProbe: {tcpSocket: {port: 80}}"
	for _, kind := range []string{"Pod", "Rollout", "DaemonSet", "CronJob", "ReplicationController"} {
		owner := Owner{"shop", kind, "web"}
		c.Pod(podOf(t, "containers: [{name: app, image: x, "+probes+"}]"), owner, noon)
		c.boot(owner, Enough)
	}
	var out strings.Builder
	if err := c.Report(Options{Margin: DefaultMargin}).Commands(&out); err != nil {
		t.Fatal(err)
	}
	container := `{"containers":[{"livenessProbe":{"initialDelaySeconds":50},"name":"app"}]}`
	want := `kubectl patch -n shop cronjob web --type strategic -p ` +
		`'{"spec":{"jobTemplate":{"spec":{"template":{"spec":` + container + `}}}}}'
kubectl patch -n shop daemonset web --type strategic -p '{"spec":{"template":{"spec":` + container + `}}}'
# Pod/web: write podvet recommend -o patch FILE for its manifest.
kubectl patch -n shop replicationcontroller web --type strategic -p '{"spec":{"template":{"spec":` + container + `}}}'
# Rollout/web: write podvet recommend -o patch FILE for its manifest.
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// TestNothing: that nothing was seen is said, of workloads that were named by their names.
func TestNothing(t *testing.T) {
	c := NewCollector()
	if text := c.Report(Options{}).Text(0); text != "" {
		t.Error(text)
	}
	c.Pod(podOf(t, "restartPolicy: Never\ncontainers: [{name: app, image: x}]"), Owner{"shop", "Job", "load"}, noon)
	mirror := podOf(t, "containers: [{name: app, image: x}]")
	mirror.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	c.Pod(mirror, Owner{"shop", "Pod", "etcd"}, noon)
	const named = "No starts of Job/load were seen. Jobs and mirror Pods are left out.\n" +
		"No starts of Pod/etcd were seen. Jobs and mirror Pods are left out.\n"
	for isNamed, want := range map[bool]string{
		false: "No long-running container was found. Jobs and mirror Pods are left out.\n", true: named} {
		if text := c.Report(Options{Named: isNamed}).Text(0); text != want {
			t.Errorf("%q, want %q", text, want)
		}
	}
}
