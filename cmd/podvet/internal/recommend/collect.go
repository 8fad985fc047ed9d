package recommend

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/pod"
)

// Collector keeps of pods what tells about their starts, by owner and container, and no pod but the newest of each
// owner, without what has no bearing on its probes.
type Collector struct {
	owners  map[Owner]*workload
	mirrors map[Owner]bool
	told    map[inPod]told
}

// NewCollector has seen nothing.
func NewCollector() *Collector {
	return &Collector{owners: map[Owner]*workload{}, mirrors: map[Owner]bool{}, told: map[inPod]told{}}
}

// Owner is whose pods start, as a person names it.
type Owner = struct{ Namespace, Kind, Name string }

// workload is what was seen of an owner's pods.
type workload struct {
	subject *pod.Subject // the newest pod
	created time.Time
	seen    map[string]*seen // by container
}

// seen is what was seen of one container in all pods of an owner.
type seen struct {
	record
	again, together int // starts that are left out
	sandbox, image  []int64
	stops           []stop
}

// Event notes what an event tells of a start or a stop. Events come before the pods that they are about.
func (c *Collector) Event(e *corev1.Event) {
	_, name, found := strings.Cut(e.InvolvedObject.FieldPath, "{")
	if found {
		at := inPod{e.InvolvedObject.Namespace, e.InvolvedObject.Name, strings.TrimSuffix(name, "}")}
		note := c.told[at]
		note.note(e)
		c.told[at] = note
	}
}

// Pod notes the starts of a pod's containers. Those that go on have lasted until now.
func (c *Collector) Pod(p *corev1.Pod, owner Owner, now time.Time) {
	s, ok := pod.Read(p)
	if !ok || s.Mirror() {
		c.mirrors[owner] = true
		return
	}
	w := c.owners[owner]
	if w == nil {
		w = &workload{seen: map[string]*seen{}}
		c.owners[owner] = w
	}
	if w.subject == nil || p.CreationTimestamp.After(w.created) {
		w.subject, w.created = slim(p), p.CreationTimestamp.Time
	}
	for i := range s.Containers {
		container := &s.Containers[i]
		status := statusOf(p, container)
		if status == nil || !container.LongRunning {
			continue
		}
		note := c.told[inPod{p.Namespace, p.Name, container.Name}]
		w.of(container.Name).add(one{s, container, status, p, note, now})
	}
}

func (w *workload) of(container string) *seen {
	if w.seen[container] == nil {
		w.seen[container] = &seen{}
	}
	return w.seen[container]
}

func (s *seen) add(o one) {
	if stop, ok := o.stopped(); ok {
		s.stops = append(s.stops, stop)
	}
	if sandbox, image, ok := o.before(); ok {
		s.sandbox, s.image = append(s.sandbox, sandbox), append(s.image, image)
	}
	k, ok := clockOf(o.subject, o.Container)
	if !ok {
		return
	}
	s.kills = append(s.kills, o.killed(k)...)
	if o.proves(k) {
		s.about(k.asks()).proven = true
	}
	switch span, what := o.present(k); what {
	case measured:
		s.note(k, span, false)
	case again:
		s.again++
	case together:
		s.together++
	}
}

func statusOf(p *corev1.Pod, c *pod.Container) *corev1.ContainerStatus {
	statuses := p.Status.ContainerStatuses
	if c.Class == pod.Sidecar {
		statuses = p.Status.InitContainerStatuses
	}
	at := slices.IndexFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == c.Name })
	if at < 0 {
		return nil
	}
	return &statuses[at]
}

// slim is a pod as far as its probes go: thousands of owners are kept.
func slim(p *corev1.Pod) *pod.Subject {
	kept := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name,
		OwnerReferences: p.OwnerReferences}}
	kept.Spec = corev1.PodSpec{RestartPolicy: p.Spec.RestartPolicy, OS: p.Spec.OS, NodeSelector: p.Spec.NodeSelector,
		TerminationGracePeriodSeconds: p.Spec.TerminationGracePeriodSeconds, HostNetwork: p.Spec.HostNetwork}
	for _, list := range []struct{ from, to *[]corev1.Container }{
		{&p.Spec.InitContainers, &kept.Spec.InitContainers}, {&p.Spec.Containers, &kept.Spec.Containers}} {
		for i := range *list.from {
			c := &(*list.from)[i]
			*list.to = append(*list.to, corev1.Container{Name: c.Name, Image: c.Image, RestartPolicy: c.RestartPolicy,
				Ports: c.Ports, LivenessProbe: c.LivenessProbe, ReadinessProbe: c.ReadinessProbe,
				StartupProbe: c.StartupProbe, Lifecycle: c.Lifecycle, Resources: c.Resources})
		}
	}
	s, _ := pod.SubjectOf(kept)
	return s
}

// sorted are the owners by namespace, kind and name.
func (c *Collector) sorted() []Owner {
	owners := make([]Owner, 0, len(c.owners))
	for o := range c.owners {
		owners = append(owners, o)
	}
	slices.SortFunc(owners, func(a, b Owner) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return owners
}
