package randpod

import (
	"math"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podvet/podvet/rules/pod"
)

// Object makes a pod or, as often, a workload of any kind.
func (g *Generator) Object() pod.Object {
	if g.oneIn(2) {
		return g.Pod()
	}
	return g.workload()
}

// Pod makes a pod with one to three containers, sidecars and init containers, with or without an owner.
func (g *Generator) Pod() *corev1.Pod {
	p := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "random", Namespace: "default"},
		Spec:       g.PodSpec(),
	}
	if g.oneIn(4) {
		p.Name, p.GenerateName = "", "random-"
	}
	if g.oneIn(4) {
		p.Annotations = map[string]string{"a": "b", "podvet.dev/fixed": "old-rule/app"}
	}
	if !g.Valid && g.oneIn(20) {
		p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	}
	p.Labels = g.labels()
	g.own(p)
	return p
}

func (g *Generator) labels() map[string]string {
	switch g.r.IntN(6) {
	case 0:
		return map[string]string{"serving.knative.dev/revision": "shop-00001"}
	case 1:
		return map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: "5d4f8c7b9"}
	case 2:
		return map[string]string{"rollouts-pod-template-hash": "5d4f8c7b9"}
	}
	return nil
}

// own gives an object an owner, which may be no controller of it.
func (g *Generator) own(o metav1.Object) {
	owners := []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d4f8c7b9"},
		{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db"},
		{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "agent"},
		{APIVersion: "v1", Kind: "ReplicationController", Name: "old"},
		{APIVersion: "batch/v1", Kind: "Job", Name: "backup"},
		{APIVersion: "batch/v1", Kind: "Job", Name: "backup-29384950"}, // a CronJob's
		{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		{APIVersion: "example.com/v1", Kind: "Thing", Name: "thing"},
		{APIVersion: "example.com/v1", Kind: "ReplicaSet", Name: "thing"},
	}
	if g.oneIn(4) {
		return
	}
	ref := pick(g, owners...)
	ref.UID = "46f0ac04-5a6e-4b3e-9c0e-000000000001"
	ref.Controller = pick(g, nil, new(true), new(true), new(true), new(true), new(false))
	o.SetOwnerReferences([]metav1.OwnerReference{ref})
}

// workloadKinds are all that make pods.
var workloadKinds = [][2]string{{"apps/v1", "Deployment"}, {"apps/v1", "ReplicaSet"}, {"apps/v1", "StatefulSet"},
	{"apps/v1", "DaemonSet"}, {"v1", "ReplicationController"}, {"batch/v1", "Job"}, {"batch/v1", "CronJob"}}

// workload makes one of any kind.
func (g *Generator) workload() pod.Object {
	kind := pick(g, workloadKinds...)
	o := pod.NewObject(kind[0], kind[1])
	o.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(kind[0], kind[1]))
	o.SetName("random")
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: g.labels()}, Spec: g.PodSpec()}
	if g.Valid {
		template.Spec.RestartPolicy = pick(g, pod.RestartPolicies(kind[1])...)
		if kind[0] != "batch/v1" {
			template.Spec.ActiveDeadlineSeconds = nil
		}
	}
	switch w := o.(type) {
	case *appsv1.Deployment:
		w.Spec.Template = template
		w.Spec.ProgressDeadlineSeconds = maybe[int32](g, 1, 60, 600, math.MaxInt32)
		if !g.Valid {
			w.Spec.ProgressDeadlineSeconds = maybe[int32](g, 0, -1, 600)
		}
	case *appsv1.ReplicaSet:
		w.Spec.Template = template
	case *appsv1.StatefulSet:
		w.Spec.Template = template
	case *appsv1.DaemonSet:
		w.Spec.Template = template
	case *corev1.ReplicationController:
		if w.Spec.Template = &template; !g.Valid && g.oneIn(20) {
			w.Spec.Template = nil
		}
	case *batchv1.Job:
		w.Spec = g.job(template)
	case *batchv1.CronJob:
		w.Spec.JobTemplate.Spec = g.job(template)
	}
	g.own(o)
	return o
}

func (g *Generator) job(template corev1.PodTemplateSpec) batchv1.JobSpec {
	job := batchv1.JobSpec{Template: template, BackoffLimitPerIndex: maybe[int32](g, 0, 1, math.MaxInt32)}
	if g.oneIn(2) { // most run without
		job.ActiveDeadlineSeconds = maybe[int64](g, 1, 120, math.MaxInt64)
	}
	if !g.Valid && g.oneIn(4) {
		job.ActiveDeadlineSeconds = new(pick[int64](g, 0, -1, math.MinInt64))
	}
	if g.oneIn(6) && (!g.Valid || template.Spec.RestartPolicy == corev1.RestartPolicyNever) {
		job.PodFailurePolicy = &batchv1.PodFailurePolicy{}
	}
	return job
}
