package recommend

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const (
	app = `{name: app, image: x, livenessProbe: {tcpSocket: {port: 1}},
		readinessProbe: {tcpSocket: {port: 1}, periodSeconds: 5}}`
	slow = `{name: app, image: x, livenessProbe: {tcpSocket: {port: 1}},
		readinessProbe: {tcpSocket: {port: 1}, initialDelaySeconds: 90}}`
	alone = `{name: app, image: x, readinessProbe: {tcpSocket: {port: 1}}}`
	blind = `{name: app, image: x, livenessProbe: {tcpSocket: {port: 1}}}`
	other = `{name: other, image: y}`
)

// statusOfPod is a pod that was bound at second 0, with times as seconds after noon.
func seenPod(t *testing.T, containers, ready, statuses string) *corev1.Pod {
	t.Helper()
	p := podOf(t, "containers: ["+containers+"]")
	p.Name, p.Namespace = "web-1", "shop"
	text := "conditions: [{type: PodScheduled, status: 'True', lastTransitionTime: @0}, " +
		"{type: PodReadyToStartContainers, status: 'True', lastTransitionTime: @2}, " +
		"{type: ContainersReady, " + ready + "}]\n" +
		"containerStatuses: [" + statuses + "]"
	var out strings.Builder
	for i, part := range strings.Split(text, "@") {
		if i > 0 {
			end := strings.IndexAny(part, "}, ]")
			seconds, err := time.ParseDuration(part[:end] + "s")
			if err != nil {
				t.Fatal(err)
			}
			part = `"` + noon.Add(seconds).Format(time.RFC3339) + `"` + part[end:]
		}
		out.WriteString(part)
	}
	if err := yaml.UnmarshalStrict([]byte(out.String()), &p.Status); err != nil {
		t.Fatalf("%s: %v", out.String(), err)
	}
	return p
}

// TestStarts: what becomes of the starts that a pod's status and events tell of.
func TestStarts(t *testing.T) {
	const (
		isReady = "status: 'True', lastTransitionTime: @"
		unready = "status: 'False', lastTransitionTime: @"
		running = "{name: app, ready: true, started: true, state: {running: {startedAt: @5}}}"
		waiting = "{name: app, ready: false, state: {running: {startedAt: @5}}}"
	)
	event := func(reason, message string, count int32, seconds int) *corev1.Event {
		at := metav1.NewTime(noon.Add(time.Duration(seconds) * time.Second))
		return &corev1.Event{Reason: reason, Message: message, Count: count, FirstTimestamp: at, LastTimestamp: at,
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web-1",
				FieldPath: "spec.containers{app}"}}
	}
	for name, c := range map[string]struct {
		containers, ready, statuses string
		events                      []*corev1.Event
		want                        []Span
		again, together             int
	}{
		"Ready": {containers: app, ready: isReady + "25", statuses: running, want: []Span{{14, 21}}},
		"not Ready yet": {containers: app, ready: unready + "0", statuses: waiting,
			want: []Span{{25, unseen}}},
		"no longer Ready":      {containers: app, ready: unready + "28", statuses: waiting, again: 1},
		"Ready again":          {containers: app, ready: isReady + "9000", statuses: running, again: 1},
		"a delay of readiness": {containers: slow, ready: isReady + "100", statuses: running, want: []Span{{84, 96}}},
		"nothing can kill": {containers: alone, ready: isReady + "600", statuses: running,
			want: []Span{{584, 596}}},
		"nobody waits that long": {containers: alone, ready: isReady + "9000", statuses: running, again: 1},
		"nothing tells":          {containers: blind, ready: isReady + "6", statuses: running},
		"its readinessProbe failed later": {containers: app, ready: isReady + "25", statuses: running,
			events: []*corev1.Event{event("Unhealthy", "Readiness probe failed: no", 3, 27)}, want: []Span{{14, 21}}},
		"its readinessProbe failed for the first time after a while": {containers: app, ready: isReady + "25", again: 1,
			statuses: running, events: []*corev1.Event{event("Unhealthy", "Readiness probe failed: no", 3, 20)}},
		"its readinessProbe failed while it booted": {containers: app, ready: isReady + "25", statuses: running,
			events: []*corev1.Event{event("Unhealthy", "Readiness probe failed: no", 3, 10)}, want: []Span{{14, 21}}},
		"beside a container without probes": {containers: app + "," + other, ready: isReady + "25",
			statuses: running + ", {name: other, ready: true, state: {running: {startedAt: @6}}}",
			want:     []Span{{14, 21}}},
		"Ready with a container that started late": {containers: app + "," + other, ready: isReady + "25", together: 1,
			statuses: running + ", {name: other, ready: true, state: {running: {startedAt: @24}}}"},
		"Ready with a container that was restarted": {containers: app + "," + other, ready: isReady + "25", together: 1,
			statuses: running + ", {name: other, ready: true, restartCount: 1, state: {running: {startedAt: @15}}}"},
		"killed while it booted": {containers: app, ready: isReady + "25", want: []Span{{25, unseen}, {14, 21}},
			statuses: `{name: app, ready: true, restartCount: 1, state: {running: {startedAt: @5}}, lastState:
				{terminated: {exitCode: 143, startedAt: @-22, finishedAt: @3}}}`},
		"killed after its grace period": {containers: app, ready: isReady + "25", want: []Span{{22, unseen}, {14, 21}},
			statuses: `{name: app, ready: true, restartCount: 1, state: {running: {startedAt: @5}}, lastState:
				{terminated: {exitCode: 137, startedAt: @-48, finishedAt: @4}}}`},
		"killed by the startupProbe, three times": {containers: app, ready: isReady + "25",
			want:   []Span{{25, unseen}, {25, unseen}, {25, unseen}, {14, 21}},
			events: []*corev1.Event{event("Killing", "Container app failed startup probe, will be restarted", 3, 3)},
			statuses: `{name: app, ready: true, restartCount: 3, state: {running: {startedAt: @5}}, lastState:
				{terminated: {exitCode: 1, startedAt: @-22, finishedAt: @3}}}`},
		"ended by itself": {containers: app, ready: isReady + "25", want: []Span{{14, 21}},
			statuses: `{name: app, ready: true, restartCount: 1, state: {running: {startedAt: @5}}, lastState:
				{terminated: {exitCode: 1, startedAt: @-22, finishedAt: @3}}}`},
		"killed after days": {containers: app, ready: isReady + "25", want: []Span{{14, 21}},
			statuses: `{name: app, ready: true, restartCount: 1, state: {running: {startedAt: @5}}, lastState:
				{terminated: {exitCode: 143, startedAt: @-99999, finishedAt: @3}}}`},
		"out of memory": {containers: app, ready: isReady + "25", want: []Span{{14, 21}},
			statuses: `{name: app, ready: true, restartCount: 1, state: {running: {startedAt: @5}}, lastState:
				{terminated: {exitCode: 137, reason: OOMKilled, startedAt: @-52, finishedAt: @3}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			collected := NewCollector()
			for _, e := range c.events {
				collected.Event(e)
			}
			owner := Owner{"shop", "Deployment", "web"}
			collected.Pod(seenPod(t, c.containers, c.ready, c.statuses), owner, noon.Add(30*time.Second))
			got := collected.owners[owner].of("app")
			if len(got.spans) != len(c.want) || got.again != c.again || got.together != c.together {
				t.Fatalf("%+v, want %v", got, c.want)
			}
			for i, want := range c.want {
				if got.spans[i] != want {
					t.Errorf("%v, want %v", got.spans, c.want)
				}
			}
		})
	}
}

// TestBeforeAndAfter: sandbox and image are told apart from the start, and a stop is told by its event.
func TestBeforeAndAfter(t *testing.T) {
	c, owner := NewCollector(), Owner{"shop", "Deployment", "web"}
	c.Event(&corev1.Event{Reason: "Killing", Message: "Stopping container app",
		LastTimestamp: metav1.NewTime(noon.Add(60 * time.Second)), InvolvedObject: corev1.ObjectReference{
			Namespace: "shop", Name: "web-1", FieldPath: "spec.containers{app}"}})
	c.Pod(seenPod(t, app, "status: 'True', lastTransitionTime: @25",
		"{name: app, ready: true, state: {running: {startedAt: @12}}}"), owner, noon)
	c.Pod(seenPod(t, app, "status: 'False', lastTransitionTime: @61",
		"{name: app, state: {terminated: {exitCode: 137, startedAt: @5, finishedAt: @90}}}"), owner, noon)
	r := c.Report(Options{Margin: 1, Few: true}).Containers[0]
	if *r.Sandbox != (Spread{2, 2}) || *r.Image != (Spread{10, 10}) {
		t.Errorf("sandbox %v, image %v", r.Sandbox, r.Image)
	}
	if *r.Stops != (Stops{1, 1, Spread{30, 30}}) {
		t.Errorf("stops %v", *r.Stops)
	}
	last := r.Advice[len(r.Advice)-1]
	if last.Field != "terminationGracePeriodSeconds" || last.Value != int64(60) {
		t.Errorf("advice %+v", last)
	}
}
