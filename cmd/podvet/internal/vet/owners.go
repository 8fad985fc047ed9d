package vet

import (
	"hash/maphash"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// ref names an object within the input.
type ref struct{ group, kind, namespace, name string }

func refOf(doc *manifest.Document) ref {
	return ref{groupOf(doc.APIVersion), doc.Kind, doc.Namespace(), doc.Name()}
}

// groupOf is the group of an apiVersion, "" for the core's.
func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}

// controllerOf is the controller of an object of any kind, nil for none.
func controllerOf(doc *manifest.Document) *metav1.OwnerReference {
	if doc.Object != nil {
		return metav1.GetControllerOfNoCopy(doc.Object)
	}
	const path = "metadata.ownerReferences"
	var owners []metav1.OwnerReference
	if list, written := doc.At(path); !written || len(doc.Decode(path, list, &owners)) > 0 {
		return nil
	}
	return metav1.GetControllerOfNoCopy(&metav1.ObjectMeta{OwnerReferences: owners})
}

// ownersOf are the controller of an object, by the name of the reference and, of a pod, as a person names it: the
// Deployment, not its ReplicaSet, and the CronJob, not its Job.
func ownersOf(doc *manifest.Document, subject *pod.Subject) []ref {
	owner := controllerOf(doc)
	if owner == nil {
		return nil
	}
	named := ref{groupOf(owner.APIVersion), owner.Kind, doc.Namespace(), owner.Name}
	if subject == nil || subject.Template {
		return []ref{named}
	}
	cut := strings.LastIndexByte(owner.Name, '-')
	if subject.OwnerKind == owner.Kind || cut <= 0 {
		return []ref{named}
	}
	person := named
	person.kind, person.name = subject.OwnerKind, owner.Name[:cut]
	if person.kind == pod.Rollout {
		person.group = pod.RolloutGroup
	}
	return []ref{named, person}
}

// apiVersionOf is that of the last of an object's owners.
func apiVersionOf(doc *manifest.Document, owners []ref) string {
	last := owners[len(owners)-1]
	switch {
	case len(owners) == 1:
		return controllerOf(doc).APIVersion
	case last.kind == pod.Rollout:
		return pod.RolloutGroup + "/v1alpha1"
	}
	return pod.APIVersion(last.kind)
}

// adds tells whether an object may have findings of its own beside its owner's: not one that its owner makes from its
// template as it is, nor one that is kept for a rollback.
func adds(doc *manifest.Document, subject *pod.Subject) bool {
	var replicas *int32
	switch o := doc.Object.(type) {
	case *appsv1.ReplicaSet:
		replicas = o.Spec.Replicas
	case *corev1.ReplicationController:
		replicas = o.Spec.Replicas
	}
	return !subject.JudgedAtOwner && (replicas == nil || *replicas > 0)
}

// mark is a finding as far as it is compared with those of an owner.
type mark struct {
	about     uint64 // its rule and container
	level     rules.Level
	fixed     bool // it is repaired
	inEnforce bool // only the mode keeps it from being a denial
	refuses   bool // pods, at admission
	raised    bool // from a warning, because a pod of the object is refused for it
}

// of tells whether it is the mark of a finding, as it was before it was raised.
func (m mark) of(finding mark) bool {
	return m == finding || m.raised && m.about == finding.about && !finding.fixed
}

func (m mark) denied() bool { return m.level == rules.Deny || m.inEnforce }

// marksOf are those of a subject: of its findings, then of what is repaired.
func marksOf(seed maphash.Seed, s *report.Subject) []mark {
	about := func(rule, container string) uint64 { return maphash.Comparable(seed, [2]string{rule, container}) }
	marks := make([]mark, 0, len(s.Findings)+len(s.Fixed))
	for _, f := range s.Findings {
		marks = append(marks, mark{about(f.Rule, f.Container), f.Level, false, f.DeniedInEnforce,
			f.RefusesPods, false})
	}
	for _, f := range s.Fixed {
		marks = append(marks, mark{about(f.Rule, f.Container), rules.Audit, true, false, false, false})
	}
	return marks
}

// counted is the summary of a subject of which these marks are reported.
func counted(marks []mark, capped bool) (sum report.Summary) {
	s := report.Subject{Capped: capped}
	for _, m := range marks {
		if m.inEnforce {
			s.DeniedInEnforce++
		}
		if m.fixed {
			s.Fixed = append(s.Fixed, report.Fixed{})
		} else {
			s.Findings = append(s.Findings, report.Finding{Level: m.level})
		}
	}
	sum.Count(&s)
	return sum
}
