package pod

import (
	"iter"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Subject is a pod, or the pods that a template will make, with what the rules ask about worked out once.
type Subject struct {
	Kind      string             // of the object: Pod, Deployment, ...
	Name      string             // its name, or its generateName
	Namespace string             //
	Meta      *metav1.ObjectMeta // of the pod or the template
	Spec      *corev1.PodSpec

	Owner Owners
	// OwnerKind is as a person names it: Deployment for the pods of its ReplicaSets, Pod when there is no controller.
	OwnerKind string
	Template  bool // judged as the pods it will make
	// JudgedAtOwner: a template that a Deployment or a CronJob owns: its owner is judged instead.
	JudgedAtOwner bool

	// ActiveDeadlineSeconds is the lowest one that applies to the pod, its own or in a template its Job's; 0 for none.
	ActiveDeadlineSeconds int64
	// ProgressDeadline is how many seconds the rollout of a template may go on without progress; 0 for no rollout, and
	// math.MaxInt32 for no end.
	ProgressDeadline int32

	Job        *batchv1.JobSpec       // that holds the template, nil for none
	Deployment *appsv1.DeploymentSpec // of a Deployment's template, nil for others
	Custom     *Custom                // of a custom resource's template, nil for others

	// Containers are the sidecars, then the app containers, each as listed in the spec. Plain init containers are in
	// Spec alone: no rule may ask for a probe or a hook there.
	Containers []Container

	facts  facts
	object Object
	path   string // of the pod spec in the object
}

// Read fills in the API defaults of a pod or a workload, in place, and works out what rules ask about it. It returns
// false for an object of a kind that is not judged. The subject shares the object's memory and never changes it.
func Read(object Object) (*Subject, bool) {
	Default(object)
	return SubjectOf(object)
}

// SubjectOf is Read for an object that has its defaults.
func SubjectOf(object Object) (*Subject, bool) {
	k, w := find(object)
	if k == nil {
		return nil, false
	}
	s := &Subject{Kind: k.name, Job: w.job, Deployment: w.deployment, Spec: w.spec(), object: object, path: k.path}
	s.Name, s.Namespace = object.GetName(), object.GetNamespace()
	if s.Name == "" {
		s.Name = object.GetGenerateName()
	}
	if w.pod != nil {
		s.Meta = &w.pod.ObjectMeta
		s.Owner, s.OwnerKind = ownerOf(s.Meta)
	} else {
		s.Meta, s.Template = &w.template.ObjectMeta, true
		s.Owner, s.OwnerKind = k.owner, k.name
		s.JudgedAtOwner = ownedByWorkload(object)
		if ownedByRollout(object) { // whose pods a person calls its own
			s.OwnerKind = Rollout
		}
	}
	if s.Deployment != nil {
		s.ProgressDeadline = progressDeadline(s.Deployment)
	}
	s.ActiveDeadlineSeconds = deadline(s.Spec, s.Job)
	s.Containers = containers(s.Spec, s.Owner)
	s.facts = factsOf(s.Containers)
	return s, true
}

// ownedByWorkload tells whether the controller of a ReplicaSet or a Job is Kubernetes' own.
func ownedByWorkload(object Object) bool {
	ref := metav1.GetControllerOfNoCopy(object)
	return ref != nil && (strings.HasPrefix(ref.APIVersion, "apps/") && ref.Kind == "Deployment" ||
		strings.HasPrefix(ref.APIVersion, "batch/") && ref.Kind == "CronJob")
}

// ownedByRollout tells whether the controller of a ReplicaSet is an Argo Rollout.
func ownedByRollout(object Object) bool {
	ref := metav1.GetControllerOfNoCopy(object)
	return ref != nil && strings.HasPrefix(ref.APIVersion, RolloutGroup+"/") && ref.Kind == Rollout
}

// InitContainers are the plain ones, as listed in the spec.
func (s *Subject) InitContainers() iter.Seq[*Container] {
	return func(yield func(*Container) bool) {
		for i := range s.Spec.InitContainers {
			c := &s.Spec.InitContainers[i]
			if !HasRestartPolicy(c, corev1.ContainerRestartPolicyAlways) &&
				!yield(&Container{Container: c, Class: Init, Index: i}) {
				return
			}
		}
	}
}

// WithSpec is the subject with another spec, such as a repaired copy of its own.
func (s *Subject) WithSpec(spec *corev1.PodSpec) *Subject {
	other := *s
	other.Spec = spec
	other.Containers = containers(spec, s.Owner)
	other.facts = factsOf(other.Containers)
	return &other
}

// Path is the pod spec's place in the object, such as spec.template.spec.
func (s *Subject) Path() string { return s.path }

// deadline is the lower one of the pod's and its Job's, 0 for none.
func deadline(spec *corev1.PodSpec, job *batchv1.JobSpec) int64 {
	lowest := spec.ActiveDeadlineSeconds
	if job != nil && job.ActiveDeadlineSeconds != nil && (lowest == nil || *job.ActiveDeadlineSeconds < *lowest) {
		lowest = job.ActiveDeadlineSeconds
	}
	if lowest == nil {
		return 0
	}
	return *lowest
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
		// Both name their ReplicaSets after the hash that they also put on the pods as a label.
		named := func(label string) bool {
			hash := meta.Labels[label]
			return hash != "" && strings.HasSuffix(ref.Name, "-"+hash)
		}
		switch {
		case named(appsv1.DefaultDeploymentUniqueLabelKey):
			return Controllers, "Deployment"
		case named(rolloutHash):
			return Controllers, Rollout
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

// endsWithScheduledMinute recognises a CronJob's Job: its name ends with "-" and the scheduled time in minutes since
// 1970 (K pkg/controller/cronjob/utils.go getJobName). Eight digits from 24000000, the year 2015, on: smaller ones are
// dates, such as 20240131.
func endsWithScheduledMinute(name string) bool {
	minute := name[strings.LastIndexByte(name, '-')+1:]
	return len(minute) == 8 && len(minute) < len(name) && strings.Trim(minute, "0123456789") == "" &&
		minute >= "24000000"
}

// Mirror tells whether this is a static pod's mirror: the kubelet runs its own copy whatever is stored or refused.
// Only the annotation counts, because anyone can write an owner reference to a Node.
func (s *Subject) Mirror() bool {
	_, mirror := s.Meta.Annotations[corev1.MirrorPodAnnotationKey]
	return mirror && !s.Template
}

// Grace is how long the pod has between SIGTERM and SIGKILL, in seconds. Below 0 counts as 1, as the API server makes
// it for pods (K pkg/apis/core/v1/defaults.go).
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

// Windows tells whether the pod runs on a Windows node.
func (s *Subject) Windows() bool {
	return s.Spec.OS != nil && s.Spec.OS.Name == corev1.Windows ||
		s.Spec.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows)
}

// Knative tells whether Knative probes the pod's containers through its own: queue-proxy.
func (s *Subject) Knative() bool {
	return s.Meta.Labels["serving.knative.dev/revision"] != "" &&
		s.facts.queueProxy != nil && s.facts.queueProxy.ReadinessProbe != nil
}

// NothingRestarts tells whether a pod ends when its containers do: then it is terminal, and its controller makes
// another at once (K pkg/controller/controller_utils.go IsPodActive).
func (s *Subject) NothingRestarts() bool { return s.facts.nothingRestarts }

// NamedPort is a TCP port that a container declares by name.
type NamedPort struct {
	Container string
	Number    int32
}

// NamedPorts are those of the pod by name: of several containers with one name the first one's.
func (s *Subject) NamedPorts() map[string]NamedPort {
	named := map[string]NamedPort{}
	for i := range s.Containers {
		for _, port := range s.Containers[i].Ports {
			if _, taken := named[port.Name]; port.Name != "" && !taken && IsTCP(port) {
				named[port.Name] = NamedPort{s.Containers[i].Name, port.ContainerPort}
			}
		}
	}
	return named
}
