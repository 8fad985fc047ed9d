package node

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	facts "github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// A life is what happens to a pod, on the node and in podvet's simulations.
type life struct {
	name     string
	manifest string
	does     map[string]timeline.Behavior
	deleteAt time.Duration
	length   time.Duration
	shows    moment // what it is about, which has to come
}

// A lived pod is on the node.
type lived struct {
	life
	pod *watched
	err error // of the deletion
}

const (
	lifePod = `---
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: NAME}}
spec:
`
	lifeJob = `---
apiVersion: batch/v1
kind: Job
metadata: {name: NAME}
spec:
  template:
    metadata: {labels: {app: NAME}}
    spec:
      restartPolicy: Never
`
	// The image has no shell; that of the machine is mounted.
	lifeImage = `image: "localhost/app:1", imagePullPolicy: Never, ports: [{name: http, containerPort: 8080}]`
	lifeShell = lifeImage + `, env: [{name: PATH, value: /bin}], volumeMounts: [MOUNTS, {name: runs, mountPath: /runs}]`
	lifeFiles = "  volumes: [VOLUMES, {name: runs, emptyDir: {}}]\n"
)

func app(does timeline.Behavior) map[string]timeline.Behavior {
	return map[string]timeline.Behavior{"app": does}
}

var lives = []life{
	{name: "slow-boot", length: 100 * time.Second, does: app(timeline.Behavior{Boot: 12 * time.Second}),
		shows: moment{timeline.Killing, "app", "livenessProbe", 2}, manifest: lifePod + `
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, IMAGE, args: [-boot=12s], livenessProbe: {httpGet: {port: http}, periodSeconds: 3, failureThreshold: 2}}
`},
	{name: "hang", length: time.Minute, does: app(timeline.Behavior{HangAfter: 15 * time.Second}),
		shows: moment{timeline.NotReady, "app", "", 1}, manifest: lifePod + `
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, IMAGE, args: [-hang=15s], livenessProbe: {httpGet: {port: http}, periodSeconds: 2, failureThreshold: 4},
     readinessProbe: {httpGet: {port: http}, periodSeconds: 2, failureThreshold: 1}}
`},
	{name: "crash-loop", length: 130 * time.Second, does: app(timeline.Behavior{Crash: 3 * time.Second}),
		shows: moment{timeline.Created, "app", "", 4}, manifest: lifePod + `
  containers:
  - {name: app, IMAGE, args: [-exit=3s]}
`},
	{name: "late-gate", length: 150 * time.Second,
		does:  app(timeline.Behavior{Boot: 12 * time.Second, HangAfter: 30 * time.Second}),
		shows: moment{timeline.Killing, "app", "livenessProbe", 1}, manifest: lifePod + `
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, IMAGE, args: [-boot=12s, -hang=30s],
     livenessProbe: {httpGet: {port: http}, periodSeconds: 3, failureThreshold: 3},
     startupProbe: {httpGet: {port: http}, periodSeconds: 10, failureThreshold: 6}}
`},
	{name: "prestop", length: 40 * time.Second, deleteAt: 10 * time.Second,
		does:  app(timeline.Behavior{StopTakes: 30 * time.Second}),
		shows: moment{timeline.Exited, "app", "137", 1}, manifest: lifePod + `
  terminationGracePeriodSeconds: 5
  containers:
  - {name: app, SHELL, args: [-shutdown=30s], lifecycle: {preStop: {exec: {command: [sleep, "10"]}}}}
FILES`},
	{name: "sidecars", length: 45 * time.Second, deleteAt: 10 * time.Second,
		does: map[string]timeline.Behavior{"app": {StopTakes: 3 * time.Second},
			"second": {StopTakes: 2 * time.Second}, "first": {StopTakes: 2 * time.Second}},
		shows: moment{timeline.Exited, "first", "0", 1}, manifest: lifePod + `
  terminationGracePeriodSeconds: 20
  initContainers:
  - {name: first, IMAGE, args: ["-address=:8081", -shutdown=2s], restartPolicy: Always}
  - {name: second, IMAGE, args: ["-address=:8082", -shutdown=2s], restartPolicy: Always}
  containers:
  - {name: app, IMAGE, args: [-shutdown=3s]}
`},
	{name: "job", length: 45 * time.Second,
		does:  map[string]timeline.Behavior{"app": {Crash: 8 * time.Second}, "proxy": {Boot: 3 * time.Second}},
		shows: moment{timeline.Phase, "", string(corev1.PodSucceeded), 1}, manifest: lifeJob + `
      initContainers:
      - {name: proxy, IMAGE, args: ["-address=:8081", -boot=3s], restartPolicy: Always,
         startupProbe: {tcpSocket: {port: 8081}, periodSeconds: 1, failureThreshold: 30}}
      containers:
      - {name: app, IMAGE, args: [-exit=8s]}
`},
	{name: "init-fails-twice", length: time.Minute,
		does: map[string]timeline.Behavior{"init": {Boot: 2 * time.Second, Crash: 2 * time.Second, Crashes: 2,
			ExitCode: 1}},
		shows: moment{timeline.Created, "app", "", 1}, manifest: lifePod + `
  terminationGracePeriodSeconds: 1
  initContainers:
  - {name: init, SHELL, command: [sh, -c, "n=$(cat /runs/n || echo 0); echo $((n+1)) > /runs/n; sleep 2; [ $n -ge 2 ]"]}
  containers:
  - {name: app, IMAGE}
FILES`},
	{name: "exec-error", length: 30 * time.Second, shows: moment{timeline.Started, "app", "", 1},
		manifest: lifePod + `
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, IMAGE, readinessProbe: {exec: {command: ["test -e /app"]}, periodSeconds: 2}}
`},
	{name: "unresolved-port", length: 30 * time.Second, does: app(timeline.Behavior{HangAfter: 10 * time.Second}),
		shows: moment{timeline.Ready, "app", "", 1}, manifest: lifePod + `
  terminationGracePeriodSeconds: 1
  containers:
  - {name: app, IMAGE, args: [-hang=10s], livenessProbe: {httpGet: {port: web}, periodSeconds: 2, failureThreshold: 1}}
`},
}

const (
	draws       = 100
	granularity = time.Second     // of times in the API, from which the start of the first container is known
	delivery    = time.Second     // until a status or an event is here
	making      = 3 * time.Second // a container, which takes no time in the simulation
	// certainEvents are how many events of a kind are sure to come: the kubelet drops those of a pod above 25.
	certainEvents = 3
)

// TestLives: what happens to ten pods on a node comes when podvet timeline says it can, and what is sure to come does.
// All live at the same time, and before the other tests: a crowded node is late with everything.
func TestLives(t *testing.T) {
	ns := namespace(t, shared)
	kills := followKills(t, ns)
	var manifests strings.Builder
	all := make([]*lived, len(lives))
	for i, l := range lives {
		all[i] = &lived{life: l, pod: follow(t, shared, ns, l.name)}
		text := strings.NewReplacer("IMAGE", lifeImage, "SHELL", lifeShell, "FILES", lifeFiles).Replace(l.manifest)
		manifests.WriteString(form{manifest: text}.render(l.name, ""))
	}
	kubectl(t, shared, manifests.String(), "apply", "-n", ns, "-f", "-")
	var living sync.WaitGroup
	for _, l := range all {
		living.Go(func() { l.err = l.live(t.Context()) })
	}
	living.Wait()
	for _, l := range all {
		t.Run(l.name, func(t *testing.T) { l.judge(t, kills) })
	}
}

// live waits until the pod is old enough, and deletes it on the way.
func (l *lived) live(ctx context.Context) error {
	began, err := time.Time{}, error(nil)
	for deadline := time.Now().Add(2 * time.Minute); began.IsZero(); time.Sleep(50 * time.Millisecond) {
		if began = l.pod.began(); began.IsZero() && time.Now().After(deadline) {
			return fmt.Errorf("it does not start: %+v", l.pod.last().Status)
		}
	}
	if l.deleteAt > 0 {
		time.Sleep(time.Until(began.Add(l.deleteAt)))
		err = shared.Client.CoreV1().Pods(l.pod.namespace).Delete(ctx, l.name, metav1.DeleteOptions{})
	}
	time.Sleep(time.Until(began.Add(l.length)))
	return err
}

// possible is when a moment comes in the simulations.
type possible struct {
	earliest, latest time.Duration
	lives, made      int // containers at most until then
}

// possibles are the moments of many simulations.
func (l *lived) possibles(s *facts.Subject) map[moment]possible {
	scenario := timeline.Scenario{Kubelet: facts.Newest, Length: l.length + time.Minute, DeleteAt: l.deleteAt,
		Containers: l.does}
	all := map[moment]possible{}
	for seed := range uint64(draws) {
		made := 0
		for _, h := range momentsOf(timeline.Simulate(s, scenario, timeline.Drawn(s, seed+1))) {
			if h.kind == timeline.Created {
				made++
			}
			p, known := all[h.moment]
			if !known {
				p.earliest = h.at
			}
			p.earliest, p.latest = min(p.earliest, h.at), max(p.latest, h.at)
			p.lives, p.made = p.lives+1, max(p.made, made)
			all[h.moment] = p
		}
	}
	return all
}

// momentsOf are those of a simulation that can be seen on a node.
func momentsOf(life *timeline.Life) []happening {
	var c counted
	for _, e := range life.Events {
		text := ""
		switch e.Kind {
		case timeline.Created, timeline.Started, timeline.Ready, timeline.NotReady:
		case timeline.Killing:
			if e.ByProbe() {
				text = e.Text
			}
		case timeline.Exited:
			text = strconv.Itoa(int(e.ExitCode))
		case timeline.Phase:
			if text = e.Text; text == string(corev1.PodPending) {
				continue // it was before the kubelet saw the pod
			}
		default:
			continue
		}
		c.add(e.Kind, e.Container, text, e.At)
	}
	return c.all
}

func (l *lived) judge(t *testing.T, kills *killed) {
	if l.err != nil {
		t.Fatal(l.err)
	}
	l.pod.mu.Lock()
	defer l.pod.mu.Unlock()
	s, _ := facts.Read(l.pod.seen[0].DeepCopy())
	can, came := l.possibles(s), map[moment]bool{}
	for _, h := range happenings(l.pod, kills.of(l.pod.seen[0].Name)) {
		came[h.moment] = true
		if h.at > l.length {
			continue
		}
		p, known := can[h.moment]
		late := p.latest + granularity + delivery + time.Duration(p.made)*making
		t.Logf("%v at %.1f s, podvet: %.1f to %.1f s", h.moment, h.at.Seconds(), p.earliest.Seconds(),
			p.latest.Seconds())
		if !known || h.at < p.earliest-granularity || h.at > late {
			t.Errorf("%v came at %v: podvet says %v to %v, in %d of %d lives", h.moment, h.at, p.earliest, p.latest,
				p.lives, draws)
		}
	}
	for m, p := range can {
		late := p.latest + granularity + delivery + time.Duration(p.made)*making
		dropped := m.kind == timeline.Killing && m.number > certainEvents
		if p.lives == draws && late < l.length && !dropped && !came[m] {
			t.Errorf("%v did not come: podvet says %v to %v", m, p.earliest, p.latest)
		}
	}
	if !came[l.shows] {
		t.Errorf("%v did not come", l.shows)
	}
}
