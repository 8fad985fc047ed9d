package custom

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// Template says where objects of a kind hold a pod template that is none of Kubernetes' own, or no longer.
type Template struct {
	pod.Custom
	Group    string   // of the kind
	Versions []string // of the group; none for any
	Path     string   // of the pod template in an object, see Places

	// InJob: the template stands in the spec of a Job.
	InJob bool
	// Progress: the template stands in a spec that has a progressDeadlineSeconds, as a Deployment's.
	Progress bool
	// Elsewhere is a field that names whose template it is instead, "" for none.
	Elsewhere string

	// What the controller makes of the template, beside the probes that it adds:
	knative       bool                 // see completeKnative
	restart       corev1.RestartPolicy // where none is written
	restartBeside bool                 // that in the template does not count, but one that is written beside it
	fields        []string             // of the template's spec that Kubernetes does not know
}

// APIVersions are those of the kind, GROUP/* for any version.
func (t *Template) APIVersions() []string {
	if len(t.Versions) == 0 {
		return []string{t.Group + "/*"}
	}
	list := make([]string, len(t.Versions))
	for i, version := range t.Versions {
		list[i] = t.Group + "/" + version
	}
	return list
}

// Of tells whether the row is about objects of an apiVersion and a kind.
func (t *Template) Of(apiVersion, kind string) bool {
	group, version, _ := strings.Cut(apiVersion, "/")
	return t.Kind == kind && t.Group == group && (len(t.Versions) == 0 || slices.Contains(t.Versions, version))
}

// OwnField tells whether a field of the template's spec is one that its controller knows and Kubernetes does not.
func (t *Template) OwnField(name string) bool { return slices.Contains(t.fields, name) }

// Table are the rows of kinds in no policy.
func Table() []Template { return slices.Clone(table) }

// TemplatesOf are the table's rows about objects of an apiVersion and a kind.
func TemplatesOf(apiVersion, kind string) (list []*Template) {
	for i := range table {
		if table[i].Of(apiVersion, kind) {
			list = append(list, &table[i])
		}
	}
	return list
}

// The controllers' code was read in argo-rollouts v1.10.2, kuberay v1.5.0 (ray-operator/controllers/ray/common/pod.go),
// knative serving v0.51.0, training-operator v1.8.1 (pkg/apis/kubeflow.org/v1), trainer v2.0.0, jobset
// (pkg/webhooks/jobset_webhook.go), kruise (apis/apps) and lws (api/leaderworkerset/v1).
var table = slices.Concat(
	one("argoproj.io", "Rollout", "Deployment", func(t *Template) {
		t.Pods, t.Elsewhere, t.Progress = "ReplicaSet", "spec.workloadRef", true
	}),
	one("apps.kruise.io", "CloneSet", "Deployment", nil),
	one("apps.kruise.io", "StatefulSet", "StatefulSet", nil),
	one("apps.kruise.io", "DaemonSet", "DaemonSet", nil),
	one("apps.kruise.io", "BroadcastJob", "Job", nil),
	one("leaderworkerset.x-k8s.io", "LeaderWorkerSet", "StatefulSet", func(t *Template) {
		t.Pods, t.Path = "StatefulSet", "spec.leaderWorkerTemplate.leaderTemplate"
	}),
	one("leaderworkerset.x-k8s.io", "LeaderWorkerSet", "StatefulSet", func(t *Template) {
		t.Pods, t.Path = "StatefulSet", "spec.leaderWorkerTemplate.workerTemplate"
	}),
	one("jobset.x-k8s.io", "JobSet", "Job", jobSet("spec")),
	ray("RayCluster", "spec"), ray("RayJob", "spec.rayClusterSpec"), ray("RayService", "spec.rayClusterConfig"),
	one("ray.io", "RayJob", "Job", func(t *Template) { t.Pods, t.Path = "Job", "spec.submitterPodTemplate" }),
	one("kubeflow.org", "PyTorchJob", "Job", roles("spec.pytorchReplicaSpecs", corev1.RestartPolicyOnFailure)),
	one("kubeflow.org", "TFJob", "Job", roles("spec.tfReplicaSpecs", corev1.RestartPolicyNever)),
	one("kubeflow.org", "MPIJob", "Job", roles("spec.mpiReplicaSpecs", corev1.RestartPolicyNever)),
	one("trainer.kubeflow.org", "TrainingRuntime", "Job", jobSet("spec.template.spec")),
	one("trainer.kubeflow.org", "ClusterTrainingRuntime", "Job", jobSet("spec.template.spec")),
	one("serving.knative.dev", "Service", "Deployment", knative),
	one("serving.knative.dev", "Configuration", "Deployment", knative),
	one("apps.openshift.io", "DeploymentConfig", "Deployment", func(t *Template) { t.Pods = "ReplicationController" }),
	retired("Deployment", "ReplicaSet", "apps/v1beta1", "apps/v1beta2", "extensions/v1beta1"),
	retired("ReplicaSet", "ReplicaSet", "apps/v1beta2", "extensions/v1beta1"),
	retired("StatefulSet", "StatefulSet", "apps/v1beta1", "apps/v1beta2"),
	retired("DaemonSet", "DaemonSet", "apps/v1beta2", "extensions/v1beta1"),
	retired("Job", "Job", "batch/v2alpha1", "extensions/v1beta1"),
	retired("CronJob", "Job", "batch/v1beta1", "batch/v2alpha1"),
)

// one is the row of a kind with its template at spec.template whose controller makes the pods, unless more is said.
func one(group, kind, like string, more func(*Template)) []Template {
	t := Template{Group: group, Path: "spec.template", Custom: pod.Custom{Kind: kind, Like: like}}
	if more != nil {
		more(&t)
	}
	return []Template{t}
}

// jobSet are the Jobs of a JobSet. Its webhook has their pods restart on failure where nothing is written.
func jobSet(spec string) func(*Template) {
	return func(t *Template) {
		t.Path = spec + ".replicatedJobs[].template.spec.template"
		t.Pods, t.InJob, t.restart = "Job", true, corev1.RestartPolicyOnFailure
	}
}

// ray are the templates of a Ray cluster. KubeRay adds both probes, unless its ENABLE_PROBES_INJECTION is false
// (initLivenessAndReadinessProbe).
func ray(kind, cluster string) (list []Template) {
	for _, path := range []string{".headGroupSpec.template", ".workerGroupSpecs[].template"} {
		list = append(list, one("ray.io", kind, "Deployment", func(t *Template) {
			t.Path, t.Adds, t.FirstOnly = cluster+path, []pod.ProbeKind{pod.Liveness, pod.Readiness}, true
		})...)
	}
	return list
}

// roles are those of a training job, keys of a map. The restartPolicy of a role is that of its pods, whatever their
// template says (ReplicaSpec in common_types.go).
func roles(path string, restart corev1.RestartPolicy) func(*Template) {
	return func(t *Template) { t.Path, t.restart, t.restartBeside = path+".*.template", restart, true }
}

// knative is a revision, whose readiness the queue-proxy asks for. Some of its fields stand among those of the pod.
func knative(t *Template) {
	t.Pods, t.Adds, t.knative = "ReplicaSet", []pod.ProbeKind{pod.Readiness}, true
	t.fields = []string{"containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds"}
}

// retired are the versions in which Kubernetes once served a kind that it serves in another one now.
func retired(kind, pods string, apiVersions ...string) (list []Template) {
	for _, apiVersion := range apiVersions {
		group, version, _ := strings.Cut(apiVersion, "/")
		list = append(list, one(group, kind, kind, func(t *Template) {
			t.Versions, t.Pods, t.InJob = []string{version}, pods, pods == "Job"
			t.Path = pod.TemplatePath(kind)
		})...)
	}
	return list
}
