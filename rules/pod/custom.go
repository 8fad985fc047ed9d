package pod

import (
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Found is a pod template that was read from a custom resource.
type Found struct {
	Name, Namespace string // of the resource
	Path            string // of the template in it
	Template        *corev1.PodTemplateSpec
	Job             *batchv1.JobSpec // that holds the template, nil for none

	ProgressDeadline int32 // see Subject
}

// ReadTemplate fills in the API defaults of a pod template, in place, and works out what rules ask about its pods.
func ReadTemplate(c *Custom, f Found) *Subject {
	spec := &f.Template.Spec
	defaultSpec(spec)
	s := &Subject{Kind: c.Kind, Name: f.Name, Namespace: f.Namespace, Meta: &f.Template.ObjectMeta, Spec: spec,
		Owner: kindNamed(c.Like).owner, OwnerKind: c.Kind, Template: true, Custom: c, Job: f.Job,
		ProgressDeadline: f.ProgressDeadline}
	s.path = f.Path + ".spec"
	s.ActiveDeadlineSeconds = deadline(spec, f.Job)
	s.Containers = containers(spec, s.Owner)
	s.facts = factsOf(s.Containers)
	return s
}

// Made is what the controller of a custom resource makes of the template: one of Kubernetes' own workloads, or the pods
// themselves.
func (s *Subject) Made() *Subject {
	made := *s
	made.Custom, made.OwnerKind, made.ProgressDeadline = nil, s.Custom.OwnerOfPods(), 0
	if s.Custom.Pods != "" {
		return &made
	}
	made.Owner = CustomOwners
	made.Containers = containers(s.Spec, made.Owner)
	return made.Pods()
}

// Pods are those that the template makes, as they are when they are created: what is written beside the template no
// longer counts.
func (s *Subject) Pods() *Subject {
	pods := *s
	pods.Template, pods.JudgedAtOwner, pods.Job, pods.Deployment, pods.ProgressDeadline = false, false, nil, nil, 0
	pods.ActiveDeadlineSeconds = deadline(s.Spec, nil)
	return &pods
}

// GetsProbe tells whether a container gets a probe of a kind from others than who wrote its pod: from the queue-proxy
// of Knative, or from the controller of a custom resource.
func (s *Subject) GetsProbe(kind ProbeKind, c *Container) bool {
	if s.Custom == nil {
		return kind == Readiness && s.Knative()
	}
	return c.Class == App && slices.Contains(s.Custom.Adds, kind) && (!s.Custom.FirstOnly || c.Index == 0)
}

// Compared tells whether a controller may compare the pods with what it asked for, and replace those that differ
// without end.
func (s *Subject) Compared() bool {
	if s.Custom != nil {
		return !s.Custom.DefaultFixes()
	}
	return s.Owner == CustomOwners
}
