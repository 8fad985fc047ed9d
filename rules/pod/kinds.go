package pod

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is a pod or a workload.
type Object interface {
	metav1.Object
	runtime.Object
}

// Owners are the kinds of controllers that treat their pods differently.
type Owners uint8

// Whose pods: each subject has exactly one of these.
const (
	// Nobody: no ownerReference with controller: true.
	Nobody Owners = 1 << iota
	// Controllers are ReplicaSet, StatefulSet, DaemonSet and ReplicationController: they expect their pods to run
	// without end.
	Controllers
	// Jobs: a Job of group batch waits for its pods to complete.
	Jobs
	// CustomOwners are all other controllers.
	CustomOwners
)

// kind is a kind of object whose pods can be judged.
type kind struct {
	apiVersion, name string
	path             string                 // of the pod spec in the object
	owner            Owners                 // of the pods that it makes
	policies         []corev1.RestartPolicy // that the API server takes in its pods
	empty            func() Object
	read             func(Object) (workload, bool) // false for an object of another kind
}

// workload is where an object says what rules ask about.
type workload struct {
	pod        *corev1.Pod             // the object itself, or
	template   *corev1.PodTemplateSpec // what its pods are made from; nil where the object has none
	job        *batchv1.JobSpec        // of a Job or a CronJob
	deployment *appsv1.DeploymentSpec
}

const templatePath = "spec.template.spec"

var (
	anyPolicy = []corev1.RestartPolicy{
		corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever,
	}
	onlyAlways = anyPolicy[:1] // K pkg/apis/apps/validation
	notAlways  = anyPolicy[1:] // K pkg/apis/batch/validation
)

// kinds is the one place that lists Kubernetes' own. Pod templates in custom resources are in rules/custom.
var kinds = []kind{
	row("v1", "Pod", "spec", Nobody, anyPolicy, func(o *corev1.Pod) workload { return workload{pod: o} }),
	row("apps/v1", "Deployment", templatePath, Controllers, onlyAlways, func(o *appsv1.Deployment) workload {
		return workload{template: &o.Spec.Template, deployment: &o.Spec}
	}),
	row("apps/v1", "ReplicaSet", templatePath, Controllers, onlyAlways, func(o *appsv1.ReplicaSet) workload {
		return workload{template: &o.Spec.Template}
	}),
	row("apps/v1", "StatefulSet", templatePath, Controllers, onlyAlways, func(o *appsv1.StatefulSet) workload {
		return workload{template: &o.Spec.Template}
	}),
	row("apps/v1", "DaemonSet", templatePath, Controllers, onlyAlways, func(o *appsv1.DaemonSet) workload {
		return workload{template: &o.Spec.Template}
	}),
	row("v1", "ReplicationController", templatePath, Controllers, onlyAlways,
		func(o *corev1.ReplicationController) workload { return workload{template: o.Spec.Template} }),
	row("batch/v1", "Job", templatePath, Jobs, notAlways, func(o *batchv1.Job) workload {
		return workload{template: &o.Spec.Template, job: &o.Spec}
	}),
	row("batch/v1", "CronJob", "spec.jobTemplate."+templatePath, Jobs, notAlways, func(o *batchv1.CronJob) workload {
		job := &o.Spec.JobTemplate.Spec
		return workload{template: &job.Template, job: job}
	}),
}

// row makes the row of a Go type.
func row[T any, P interface {
	*T
	Object
}](apiVersion, name, path string, owner Owners, policies []corev1.RestartPolicy, read func(P) workload) kind {
	return kind{
		apiVersion: apiVersion, name: name, path: path, owner: owner, policies: policies,
		empty: func() Object { return P(new(T)) },
		read: func(o Object) (workload, bool) {
			typed, is := o.(P)
			if !is {
				return workload{}, false
			}
			return read(typed), true
		},
	}
}

// find returns the row of an object and what it says, nil for an object of no kind in the table and for one without a
// template.
func find(o Object) (*kind, workload) {
	for i := range kinds {
		if w, is := kinds[i].read(o); is {
			if w.pod == nil && w.template == nil {
				return nil, workload{}
			}
			return &kinds[i], w
		}
	}
	return nil, workload{}
}

// spec is the pod's own or the template's.
func (w workload) spec() *corev1.PodSpec {
	if w.pod != nil {
		return &w.pod.Spec
	}
	return &w.template.Spec
}

// kindNamed is the row of a kind, nil for one that has none.
func kindNamed(name string) *kind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

// NewObject returns an empty object of a kind in the table, nil for any other.
func NewObject(apiVersion, kind string) Object {
	for i := range kinds {
		if kinds[i].name == kind && kinds[i].apiVersion == apiVersion {
			return kinds[i].empty()
		}
	}
	return nil
}

// TemplatePath is where objects of a kind in the table hold their pod template.
func TemplatePath(kind string) string { return strings.TrimSuffix(kindNamed(kind).path, ".spec") }

// APIVersion is that of a kind in the table, "" for any other.
func APIVersion(kind string) string {
	if k := kindNamed(kind); k != nil {
		return k.apiVersion
	}
	return ""
}

// OwnerKinds are what a person calls the owner of a pod: a workload's kind, or Pod where it has no controller.
func OwnerKinds() []string {
	names := make([]string, len(kinds))
	for i := range kinds {
		names[i] = kinds[i].name
	}
	return names
}

// OwnerKindLike finds the kind that a name means, which may differ in case or be a plural. It returns the name itself
// where there is none: operators have kinds of their own.
func OwnerKindLike(name string) string {
	for i := range kinds {
		if known := kinds[i].name; strings.EqualFold(name, known) || strings.EqualFold(name, known+"s") {
			return known
		}
	}
	return name
}

// RestartPolicies are those that the API server takes in the pods of an owner's kind.
func RestartPolicies(ownerKind string) []corev1.RestartPolicy {
	if k := kindNamed(ownerKind); k != nil {
		return k.policies
	}
	return anyPolicy
}

// DefaultProgressDeadline is a Deployment's in seconds (K pkg/apis/apps/v1/defaults.go), and a Rollout's
// (argoproj/argo-rollouts utils/defaults/defaults.go).
const DefaultProgressDeadline = 600

func progressDeadline(d *appsv1.DeploymentSpec) int32 {
	if d.ProgressDeadlineSeconds == nil {
		return DefaultProgressDeadline
	}
	return *d.ProgressDeadlineSeconds
}
