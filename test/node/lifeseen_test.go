package node

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/timeline"
)

// A moment is an event that has its like in each life: the first, second and so on of its kind.
type moment struct {
	kind            timeline.Kind
	container, text string
	number          int
}

// A happening is a moment with its time since the first container started.
type happening struct {
	moment
	at time.Duration
}

// counted numbers happenings, which are in the order of time.
type counted struct {
	all    []happening
	before map[moment]int
}

func (c *counted) add(kind timeline.Kind, container, text string, at time.Duration) {
	if c.before == nil {
		c.before = map[moment]int{}
	}
	m := moment{kind: kind, container: container, text: text}
	c.before[m]++
	m.number = c.before[m]
	c.all = append(c.all, happening{m, at})
}

// An instance is one container of the runtime, as statuses show it.
type instance struct {
	container, id  string
	started, ended time.Time // ended is zero while it runs
	code           int32
}

func statusesOf(p *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
}

func runsOf(p *corev1.Pod) (runs []instance) {
	for _, s := range statusesOf(p) {
		for _, end := range []*corev1.ContainerStateTerminated{s.LastTerminationState.Terminated, s.State.Terminated} {
			if end != nil && !end.StartedAt.IsZero() {
				runs = append(runs, instance{s.Name, end.ContainerID, end.StartedAt.Time, end.FinishedAt.Time,
					end.ExitCode})
			}
		}
		if s.State.Running != nil {
			runs = append(runs, instance{container: s.Name, id: s.ContainerID, started: s.State.Running.StartedAt.Time})
		}
	}
	return runs
}

// began is when the first container of the pod started, zero before.
func (w *watched) began() (first time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.seen {
		for _, run := range runsOf(p) {
			if first.IsZero() || run.started.Before(first) {
				first = run.started
			}
		}
	}
	return first
}

// happenings are what was seen of a pod, and when it is killed, in the order of time. Starts and ends have the times in
// the status, all others that at which they were seen.
func happenings(w *watched, kills []kill) []happening {
	type seen struct {
		happening
		at time.Time
	}
	var all []seen
	note := func(at time.Time, kind timeline.Kind, container, text string) {
		all = append(all, seen{happening{moment: moment{kind: kind, container: container, text: text}}, at})
	}
	runs := map[string]instance{}
	started, ready := map[string]string{}, map[string]bool{}
	phase := corev1.PodPending
	for i, p := range w.seen {
		at := w.seenAt[i]
		for _, r := range runsOf(p) {
			if known, ok := runs[r.id]; !ok || known.ended.IsZero() {
				runs[r.id] = r
			}
		}
		for _, s := range statusesOf(p) {
			if isPlainInit(p, s.Name) {
				continue
			}
			if s.State.Running != nil && s.Started != nil && *s.Started && started[s.Name] != s.ContainerID {
				started[s.Name] = s.ContainerID
				note(at, timeline.Started, s.Name, "")
			}
			if s.Ready != ready[s.Name] {
				ready[s.Name] = s.Ready
				note(at, map[bool]timeline.Kind{true: timeline.Ready, false: timeline.NotReady}[s.Ready], s.Name, "")
			}
		}
		if p.Status.Phase != phase {
			phase = p.Status.Phase
			note(at, timeline.Phase, "", string(phase))
		}
	}
	began := time.Now()
	for r := range maps.Values(runs) {
		note(r.started, timeline.Created, r.container, "")
		if !r.ended.IsZero() {
			note(r.ended, timeline.Exited, r.container, strconv.Itoa(int(r.code)))
		}
		if r.started.Before(began) {
			began = r.started
		}
	}
	for _, k := range kills {
		note(k.at, timeline.Killing, k.container, k.probe)
	}
	slices.SortStableFunc(all, func(a, b seen) int { return a.at.Compare(b.at) })
	var c counted
	for _, s := range all {
		c.add(s.kind, s.container, s.text, s.at.Sub(began))
	}
	return c.all
}

func isPlainInit(p *corev1.Pod, name string) bool {
	return slices.ContainsFunc(p.Spec.InitContainers, func(c corev1.Container) bool {
		return c.Name == name && c.RestartPolicy == nil
	})
}

// A kill is an event of the kubelet's that it stops a container, for a probe or not.
type kill struct {
	at               time.Time
	container, probe string
}

// killed are the kills of a namespace, by pod.
type killed struct {
	mu   sync.Mutex
	pods map[string][]kill
}

func (k *killed) of(pod string) []kill {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.pods[pod])
}

// followKills notes the kills of a namespace until the test ends. An event that comes again is the same one, with a
// higher count.
func followKills(t *testing.T, namespace string) *killed {
	t.Helper()
	changes, err := shared.Client.CoreV1().Events(namespace).Watch(t.Context(),
		metav1.ListOptions{FieldSelector: "reason=Killing"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(changes.Stop)
	k := &killed{pods: map[string][]kill{}}
	go func() {
		counts := map[string]int32{}
		for change := range changes.ResultChan() {
			event, ok := change.Object.(*corev1.Event)
			if !ok || cmp.Or(event.Count, 1) <= counts[event.Name] {
				continue
			}
			counts[event.Name] = cmp.Or(event.Count, 1)
			k.note(event)
		}
	}()
	return k
}

func (k *killed) note(event *corev1.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	about := event.InvolvedObject
	_, container, _ := strings.Cut(strings.TrimSuffix(about.FieldPath, "}"), "{")
	one := kill{at: event.LastTimestamp.Time, container: container}
	for _, probe := range []string{"liveness", "startup"} {
		if strings.Contains(event.Message, "failed "+probe+" probe") {
			one.probe = probe + "Probe"
		}
	}
	k.pods[about.Name] = append(k.pods[about.Name], one)
}
