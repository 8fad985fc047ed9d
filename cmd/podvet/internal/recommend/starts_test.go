package recommend

import (
	"fmt"
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

const up = "ready: true, restartCount: 1, state: {running: {startedAt: @5}}, "

// killedBy is the status of a container whose start before the present one ended after some seconds.
func killedBy(exitCode, lived int) string {
	return fmt.Sprintf("{name: app, "+up+"lastState: {terminated: {exitCode: %d, startedAt: @%d, finishedAt: @3}}}",
		exitCode, 3-lived)
}

// TestProven: where one start outlived the probe it can succeed, and what it ended were boots.
func TestProven(t *testing.T) {
	const ready = "status: 'True', lastTransitionTime: @9"
	for name, c := range map[string]struct {
		probe string // of the start that goes on
		want  int
	}{"the same probe": {"{port: 1}", 1}, "the probe of an older revision": {"{port: 2}", 0}} {
		collected, owner := NewCollector(), Owner{"shop", "Deployment", "web"}
		old := strings.Replace(app, "{port: 1}", c.probe, 1)
		collected.Pod(seenPod(t, old, ready, "{name: app, ready: true, state: {running: {startedAt: @5}}}"), owner,
			noon.Add(90*time.Second))
		collected.Pod(seenPod(t, app, ready, killedBy(143, 25)), owner, noon.Add(30*time.Second))
		r := collected.Report(Options{Margin: 1, Few: true}).Containers[0]
		if r.Killed != c.want || r.LeftOut.WrongProbe != 1-c.want {
			t.Errorf("%s: %+v", name, r)
		}
		if wrong := r.Note == noteWrong && len(r.Advice) == 0 && r.Needs == 0; wrong != (c.want == 0) {
			t.Errorf("%s: %+v", name, r)
		}
	}
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
		again, together, wrong      int
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
		"killed after the grace period of the probe": {containers: strings.Replace(app, "{port: 1}}",
			"{port: 1}, terminationGracePeriodSeconds: 3}", 1), ready: isReady + "25",
			want: []Span{{24, unseen}, {14, 21}}, statuses: killedBy(137, 27)},
		"killed by a livenessProbe after a boot of 4 s": {containers: app, ready: isReady + "9", wrong: 1,
			want: []Span{{-1, 5}}, statuses: killedBy(143, 25)},
		"killed by a livenessProbe that got an answer": {containers: app, ready: unready + "0", wrong: 1,
			want: []Span{{25, unseen}}, statuses: strings.ReplaceAll(killedBy(143, 25), "ready: true", "ready: false"),
			events: []*corev1.Event{
				event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 404", 3, 2)}},
		"killed by a livenessProbe that was told to wait": {containers: app, ready: unready + "0",
			want:     []Span{{25, unseen}, {25, unseen}},
			statuses: strings.ReplaceAll(killedBy(143, 25), "ready: true", "ready: false"),
			events: []*corev1.Event{
				event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503", 3, 2)}},
		"killed by a startupProbe that got an answer": {
			containers: strings.Replace(app, "livenessProbe", "startupProbe", 1), ready: unready + "0", wrong: 2,
			statuses: "{name: app, state: {waiting: {}}, " + killedBy(143, 25)[len("{name: app, "+up):],
			events: []*corev1.Event{event("Killing", "Container app failed startup probe, will be restarted", 2, 3),
				event("Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 401", 3, 2)}},
		"killed by a livenessProbe after its startupProbe": {
			containers: strings.Replace(app, "livenessProbe", "startupProbe", 1), ready: isReady + "25",
			want: []Span{{9, 21}}, statuses: killedBy(143, 25),
			events: []*corev1.Event{
				event("Killing", "Container app failed liveness probe, will be restarted", 2, 3)}},
		"ended by itself, without an error": {containers: app, ready: isReady + "25", want: []Span{{14, 21}},
			statuses: killedBy(0, 25), events: []*corev1.Event{event("Started", "Started container app", 5, 5)}},
		"killed, without an error": {containers: app, ready: isReady + "25", want: []Span{{25, unseen}, {14, 21}},
			statuses: killedBy(0, 25), events: []*corev1.Event{event("Started", "Started container app", 5, 5),
				event("Killing", "Container app failed liveness probe, will be restarted", 2, 3)}},
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
			boots, wrong := got.boots()
			leftOut := [3]int{got.again, got.together, len(wrong)}
			if len(boots) != len(c.want) || leftOut != [3]int{c.again, c.together, c.wrong} {
				t.Fatalf("%+v, want %v", got, c.want)
			}
			for i, want := range c.want {
				if boots[i] != want {
					t.Errorf("%v, want %v", boots, c.want)
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
	if strings.Contains(last.Text, "preStop") {
		t.Error(last.Text)
	}
	if last.Field != "terminationGracePeriodSeconds" || last.Value != int64(60) {
		t.Errorf("advice %+v", last)
	}
}

// TestKillsAreNoStops: an app that hangs and is killed by a probe takes its whole grace period, however long that is.
// The time of a preStop hook is part of the grace period.
func TestKillsAreNoStops(t *testing.T) {
	for message, stops := range map[string]bool{
		"Container app failed liveness probe, will be restarted": false,
		"Init container app failed liveness probe":               false,
		"Stopping container app":                                 true,
	} {
		c, owner := NewCollector(), Owner{"shop", "Deployment", "web"}
		c.Event(&corev1.Event{Reason: "Killing", Message: message,
			LastTimestamp: metav1.NewTime(noon.Add(60 * time.Second)), InvolvedObject: corev1.ObjectReference{
				Namespace: "shop", Name: "web-1", FieldPath: "spec.containers{app}"}})
		hook := strings.Replace(app, "image: x", "image: x, lifecycle: {preStop: {sleep: {seconds: 9}}}", 1)
		c.Pod(seenPod(t, hook, "status: 'True', lastTransitionTime: @99",
			"{name: app, ready: true, state: {running: {startedAt: @92}}, "+
				"lastState: {terminated: {exitCode: 137, startedAt: @5, finishedAt: @90}}}"), owner, noon)
		r := c.Report(Options{Margin: 1, Few: true}).Containers[0]
		if (r.Stops != nil) != stops || len(r.Advice) > 0 != stops {
			t.Errorf("%s: %+v, %+v", message, r.Stops, r.Advice)
		}
		const part = "SIGKILL. The time of its preStop hook is part of that. Raise "
		if stops && !strings.Contains(r.Advice[0].Text, part) {
			t.Error(r.Advice[0].Text)
		}
	}
}
