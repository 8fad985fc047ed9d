package vet

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules/pod"
)

// aside is what becomes of a document of Kubernetes' own kinds, or of one that podvet does not know, see Judge.Aside.
func aside(doc *manifest.Document) (reason string, invalid *manifest.Problem) {
	switch {
	case doc.Broken: // its problems are known
		return "", nil
	case doc.HelmValues():
		return report.HelmValues, nil
	case doc.Other && doc.Has("op") && doc.Has("path"):
		return report.JSONPatch, nil
	case doc.Other:
		return report.NoObjectDocument, &manifest.Problem{File: doc.File, Line: doc.Line,
			Text: "is not a Kubernetes object. Write apiVersion, kind and metadata."}
	case doc.Object == nil && slices.Contains(pod.OwnerKinds(), doc.Kind):
		return doc.APIVersion + " is not judged", nil
	case doc.Object == nil && manifest.OfKubernetes(doc.APIVersion):
		return report.NotAWorkload, nil
	case doc.Object == nil:
		return report.UnknownKind, nil
	}
	s, ok := pod.Read(doc.Object)
	if ok && incomplete(doc, s.Spec) {
		return report.LooksLikeAPatch, nil
	}
	return "", empty(doc, s)
}

// ifPatch ends what is said of an object that lacks what only a patch can do without.
const ifPatch = " If it is a patch, run " + report.Builds + "."

// mayBePatch tells whether nothing says that an object is whole: a selector does.
func mayBePatch(doc *manifest.Document) bool {
	selector, _ := selectorOf(doc.Object)
	return selector == nil && doc.Object != nil && doc.Kind != "Pod"
}

// empty says that a workload makes no pods, or a pod runs nothing.
func empty(doc *manifest.Document, s *pod.Subject) *manifest.Problem {
	at, text := "spec", "has no spec. Write one with containers."
	if doc.Has("spec") {
		text = "has no containers. Write at least one in spec.template.spec.containers."
	}
	if s != nil && doc.Has("spec") {
		at = s.Path()
		text = "has no containers. Write at least one in " + at + ".containers."
	}
	if mayBePatch(doc) && doc.Has("spec") {
		text += ifPatch
	}
	return &manifest.Problem{File: doc.File, Line: doc.LineOf(at), Text: doc.Title() + " " + text}
}

// incomplete tells whether an object is a part of one, such as a patch: a workload without selector in which a
// container has no image or a probe no handler, or one that says of itself that it is a patch.
func incomplete(doc *manifest.Document, spec *corev1.PodSpec) bool {
	if doc.Has("$patch") { // for kustomize: replace, merge or delete
		return true
	}
	selector, hasOne := selectorOf(doc.Object)
	if !hasOne || selector != nil {
		return false
	}
	return lacking(spec)
}

// lacking tells whether a container has no image, or a probe no handler.
func lacking(spec *corev1.PodSpec) bool {
	return slices.ContainsFunc(spec.Containers, lacksSomething) ||
		slices.ContainsFunc(spec.InitContainers, lacksSomething)
}

// selectorOf is spec.selector, and false for a kind that has none or can do without.
func selectorOf(object pod.Object) (*metav1.LabelSelector, bool) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return o.Spec.Selector, true
	case *appsv1.ReplicaSet:
		return o.Spec.Selector, true
	case *appsv1.StatefulSet:
		return o.Spec.Selector, true
	case *appsv1.DaemonSet:
		return o.Spec.Selector, true
	}
	return nil, false
}

func lacksSomething(c corev1.Container) bool {
	return c.Image == "" || slices.ContainsFunc([]*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe},
		func(p *corev1.Probe) bool { return p != nil && p.ProbeHandler == corev1.ProbeHandler{} })
}
