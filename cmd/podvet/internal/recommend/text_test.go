package recommend

import (
	"fmt"
	"strings"
	"testing"
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
	for _, kind := range []string{"Pod", "Rollout", "DaemonSet", "CronJob"} {
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
# Pod/web: kubectl cannot change its probes. Write podvet recommend -o patch FILE for its manifest.
# Rollout/web: kubectl cannot change its probes. Write podvet recommend -o patch FILE for its manifest.
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
