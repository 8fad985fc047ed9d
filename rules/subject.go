package rules

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Class is the part a container plays in its pod. Plain init containers and ephemeral containers have
// none: they can carry neither probes nor hooks, so no rule asks anything of them.
type Class uint8

// The classes that rules look at.
const (
	App     Class = 1 << iota // an entry of spec.containers
	Sidecar                   // an init container with restartPolicy Always
)

// Owners are the kinds of controllers that treat their pods differently.
type Owners uint8

// Whose pods: each subject has exactly one of these.
const (
	Nobody       Owners = 1 << iota // no ownerReference with controller: true
	Controllers                     // ReplicaSet, StatefulSet, DaemonSet or ReplicationController: they expect their pods to run for ever
	Jobs                            // Job of group batch: it waits for its pods to complete
	CustomOwners                    // any other controller
)

// Subject is a pod, or the pods that a template will make, with what the rules ask about worked out once.
type Subject struct {
	Kind      string             // of the object: Pod, Deployment, ...
	Name      string             // its name, or its generateName
	Namespace string             //
	Meta      *metav1.ObjectMeta // of the pod or the template
	Spec      *corev1.PodSpec

	Owner     Owners
	OwnerKind string // as a person names it: Deployment for the pods of its ReplicaSets, Pod when there is no controller
	Template  bool   // judged as the pods it will make
	Owned     bool   // the object itself has a controller

	// ActiveDeadlineSeconds is the lowest one that applies to the pod, its own or in a template its Job's; 0 for none.
	ActiveDeadlineSeconds int64

	FailurePolicy bool // a Job's template with a podFailurePolicy

	// Containers are the sidecars, then the app containers, each as listed in the spec.
	Containers []Container

	path string // of the pod spec in the object
}

// SubjectOf takes a pod or one of the seven workload kinds whose API defaults are filled in (see Default).
// It returns false for any other object. The subject shares the object's memory and never changes it.
func SubjectOf(obj runtime.Object) (*Subject, bool) {
	switch o := obj.(type) {
	case *corev1.Pod:
		return podSubject(o), true
	case *appsv1.Deployment:
		return templateSubject("Deployment", Controllers, &o.ObjectMeta, &o.Spec.Template, nil), true
	case *appsv1.ReplicaSet:
		return templateSubject("ReplicaSet", Controllers, &o.ObjectMeta, &o.Spec.Template, nil), true
	case *appsv1.StatefulSet:
		return templateSubject("StatefulSet", Controllers, &o.ObjectMeta, &o.Spec.Template, nil), true
	case *appsv1.DaemonSet:
		return templateSubject("DaemonSet", Controllers, &o.ObjectMeta, &o.Spec.Template, nil), true
	case *corev1.ReplicationController:
		if o.Spec.Template == nil {
			return nil, false
		}
		return templateSubject("ReplicationController", Controllers, &o.ObjectMeta, o.Spec.Template, nil), true
	case *batchv1.Job:
		s := templateSubject("Job", Jobs, &o.ObjectMeta, &o.Spec.Template, o.Spec.ActiveDeadlineSeconds)
		s.FailurePolicy = o.Spec.PodFailurePolicy != nil
		return s, true
	case *batchv1.CronJob:
		job := &o.Spec.JobTemplate.Spec
		s := templateSubject("CronJob", Jobs, &o.ObjectMeta, &job.Template, job.ActiveDeadlineSeconds)
		s.path, s.FailurePolicy = "spec.jobTemplate.spec.template.spec", job.PodFailurePolicy != nil
		return s, true
	}
	return nil, false
}

// Object is a pod or a workload.
type Object interface {
	metav1.Object
	runtime.Object
}

// NewObject returns an empty object of a kind that SubjectOf knows, nil for any other.
func NewObject(apiVersion, kind string) Object {
	switch apiVersion + " " + kind {
	case "v1 Pod":
		return &corev1.Pod{}
	case "apps/v1 Deployment":
		return &appsv1.Deployment{}
	case "apps/v1 ReplicaSet":
		return &appsv1.ReplicaSet{}
	case "apps/v1 StatefulSet":
		return &appsv1.StatefulSet{}
	case "apps/v1 DaemonSet":
		return &appsv1.DaemonSet{}
	case "v1 ReplicationController":
		return &corev1.ReplicationController{}
	case "batch/v1 Job":
		return &batchv1.Job{}
	case "batch/v1 CronJob":
		return &batchv1.CronJob{}
	}
	return nil
}

func podSubject(pod *corev1.Pod) *Subject {
	s := &Subject{Kind: "Pod", Meta: &pod.ObjectMeta, Spec: &pod.Spec, path: "spec"}
	s.name(&pod.ObjectMeta)
	s.Owner, s.OwnerKind = ownerOf(&pod.ObjectMeta)
	s.Owned = s.Owner != Nobody
	s.ActiveDeadlineSeconds = lowest(pod.Spec.ActiveDeadlineSeconds, nil)
	s.Containers = containers(s)
	return s
}

func templateSubject(kind string, owner Owners, meta *metav1.ObjectMeta, template *corev1.PodTemplateSpec, deadline *int64) *Subject {
	s := &Subject{Kind: kind, OwnerKind: kind, Owner: owner, Template: true, path: "spec.template.spec",
		Meta: &template.ObjectMeta, Spec: &template.Spec}
	s.name(meta)
	s.Owned = metav1.GetControllerOfNoCopy(meta) != nil
	s.ActiveDeadlineSeconds = lowest(template.Spec.ActiveDeadlineSeconds, deadline)
	s.Containers = containers(s)
	return s
}

// Path is the pod spec's place in the object, such as spec.template.spec.
func (s *Subject) Path() string { return s.path }

func (s *Subject) name(meta *metav1.ObjectMeta) {
	s.Name, s.Namespace = meta.Name, meta.Namespace
	if s.Name == "" {
		s.Name = meta.GenerateName
	}
}

func lowest(a, b *int64) int64 {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return *b
	case b == nil:
		return *a
	}
	return min(*a, *b)
}

// ownerOf reads the ownerReference with controller: true; others do not count.
func ownerOf(meta *metav1.ObjectMeta) (Owners, string) {
	ref := metav1.GetControllerOfNoCopy(meta)
	if ref == nil {
		return Nobody, "Pod"
	}
	group, _, found := strings.Cut(ref.APIVersion, "/")
	if !found {
		group = "" // v1 is the core group's version
	}
	switch group + "/" + ref.Kind {
	case "apps/ReplicaSet":
		// A Deployment names its ReplicaSets after the hash that it also puts on their pods as a label.
		if hash := meta.Labels[appsv1.DefaultDeploymentUniqueLabelKey]; hash != "" && strings.HasSuffix(ref.Name, "-"+hash) {
			return Controllers, "Deployment"
		}
		return Controllers, ref.Kind
	case "apps/StatefulSet", "apps/DaemonSet", "/ReplicationController":
		return Controllers, ref.Kind
	case "batch/Job":
		if endsWithScheduledMinute(ref.Name) {
			return Jobs, "CronJob"
		}
		return Jobs, ref.Kind
	}
	return CustomOwners, ref.Kind
}

// endsWithScheduledMinute recognises a CronJob's Job: its name ends with "-" and the scheduled time in
// minutes since 1970 (K pkg/controller/cronjob/utils.go getJobName). Eight digits from 24000000, the year 2015,
// on: smaller ones are dates, such as 20240131.
func endsWithScheduledMinute(name string) bool {
	minute := name[strings.LastIndexByte(name, '-')+1:]
	return len(minute) == 8 && len(minute) < len(name) && strings.Trim(minute, "0123456789") == "" && minute >= "24000000"
}

// Mirror tells whether this is a static pod's mirror: the kubelet runs its own copy whatever is stored or
// refused. Only the annotation counts, for anyone can write an owner reference to a Node.
func (s *Subject) Mirror() bool {
	_, mirror := s.Meta.Annotations[corev1.MirrorPodAnnotationKey]
	return mirror && !s.Template
}

// Grace is how long the pod has between SIGTERM and SIGKILL, in seconds. Below 0 counts as 1, as the API
// server makes it for pods (K pkg/apis/core/v1/defaults.go).
func (s *Subject) Grace() int64 {
	grace := s.Spec.TerminationGracePeriodSeconds
	switch {
	case grace == nil:
		return corev1.DefaultTerminationGracePeriodSeconds
	case *grace < 0:
		return 1
	}
	return *grace
}

// Container is an app container or a sidecar.
type Container struct {
	*corev1.Container
	Class Class
	// LongRunning: a sidecar, or an app container that is restarted whenever it ends and whose pod is no Job's.
	LongRunning bool

	index int
}

func containers(s *Subject) []Container {
	list := make([]Container, 0, len(s.Spec.Containers)+len(s.Spec.InitContainers))
	for i := range s.Spec.InitContainers {
		c := &s.Spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			list = append(list, newContainer(c, Sidecar, i, true))
		}
	}
	for i := range s.Spec.Containers {
		c := &s.Spec.Containers[i]
		long := s.Owner != Jobs && effectiveRestartPolicy(s.Spec, c) == corev1.RestartPolicyAlways
		list = append(list, newContainer(c, App, i, long))
	}
	return list
}

func newContainer(c *corev1.Container, class Class, index int, long bool) Container {
	return Container{Container: c, Class: class, LongRunning: long, index: index}
}

// effectiveRestartPolicy is the container's own, else the pod's (K pkg/api/v1/pod/util.go).
func effectiveRestartPolicy(spec *corev1.PodSpec, c *corev1.Container) corev1.RestartPolicy {
	if c.RestartPolicy != nil {
		return corev1.RestartPolicy(*c.RestartPolicy)
	}
	return spec.RestartPolicy
}

// list is the field that holds the container.
func (c *Container) list() string {
	if c.Class == Sidecar {
		return "initContainers"
	}
	return "containers"
}

// Probe returns the container's probe of a kind, and false when there is none or none that could be judged.
func (c *Container) Probe(kind ProbeKind) (Probe, bool) {
	p := *probeField(c.Container, kind)
	if p == nil || malformed(p) {
		return Probe{}, false
	}
	return Probe{Probe: p, Kind: kind, Container: c}, true
}

// Serves tells whether a declared TCP port takes traffic: any but those named for watching only.
func (c *Container) Serves(ignorePortNames []string) bool {
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
		return isTCP(p) && !slices.Contains(ignorePortNames, p.Name)
	})
}

// isTCP counts an empty protocol as TCP, its default.
func isTCP(p corev1.ContainerPort) bool { return p.Protocol == corev1.ProtocolTCP || p.Protocol == "" }
