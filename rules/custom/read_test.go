package custom_test

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
)

// read are the pods of all templates of an object.
func read(t *testing.T, text string) (list []*pod.Subject) {
	t.Helper()
	root := parse(t, text)
	for _, row := range custom.TemplatesOf(root.Text("apiVersion"), root.Text("kind")) {
		list = append(list, custom.Read(row, custom.Object{Name: "n"}, root,
			func(at custom.Place[node], into any) bool {
				raw, err := json.Marshal(at.Node.value)
				return err == nil && json.Unmarshal(raw, into) == nil
			})...)
	}
	return list
}

const container = "{containers: [{name: c, image: i}]}"

// TestRead: each template is found where it is, as the pods of the kind that they are like.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, text string
		paths      string
		owner      pod.Owners
		restart    corev1.RestartPolicy
	}{
		{"Rollout", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {template: {spec: " + container + "}}",
			"spec.template.spec", pod.Controllers, "Always"},
		{"any version of the group", "apiVersion: apps.kruise.io/v1beta1\nkind: CloneSet\nspec: {template: {spec: " +
			container + "}}", "spec.template.spec", pod.Controllers, "Always"},
		{"LeaderWorkerSet", "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\n" +
			"spec: {leaderWorkerTemplate: {leaderTemplate: {spec: " + container +
			"}, workerTemplate: {spec: " + container + "}}}",
			"spec.leaderWorkerTemplate.leaderTemplate.spec spec.leaderWorkerTemplate.workerTemplate.spec",
			pod.Controllers, "Always"},
		{"JobSet", "apiVersion: jobset.x-k8s.io/v1alpha2\nkind: JobSet\n" +
			"spec: {replicatedJobs: [{template: {spec: {activeDeadlineSeconds: 60, " +
			"template: {spec: " + container + "}}}}]}",
			"spec.replicatedJobs[0].template.spec.template.spec", pod.Jobs, "OnFailure"},
		{"TFJob", "apiVersion: kubeflow.org/v1\nkind: TFJob\n" +
			"spec: {tfReplicaSpecs: {PS: {template: {spec: {restartPolicy: Always, " + container[1:] + "}}}}",
			"spec.tfReplicaSpecs.PS.template.spec", pod.Jobs, "Never"},
		{"ExitCode", "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\n" +
			"spec: {pytorchReplicaSpecs: {Worker: {restartPolicy: ExitCode, template: {spec: " + container + "}}}}",
			"spec.pytorchReplicaSpecs.Worker.template.spec", pod.Jobs, "Never"},
		{"beside", "apiVersion: kubeflow.org/v2beta1\nkind: MPIJob\n" +
			"spec: {mpiReplicaSpecs: {Worker: {restartPolicy: OnFailure, template: {spec: " + container + "}}}}",
			"spec.mpiReplicaSpecs.Worker.template.spec", pod.Jobs, "OnFailure"},
		{"ClusterTrainingRuntime", "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: ClusterTrainingRuntime\n" +
			"spec: {template: {spec: {replicatedJobs: [{template: {spec: {template: {spec: " + container + "}}}}]}}}",
			"spec.template.spec.replicatedJobs[0].template.spec.template.spec", pod.Jobs, "OnFailure"},
		{"RayJob", "apiVersion: ray.io/v1\nkind: RayJob\nspec: {rayClusterSpec: {headGroupSpec: {template: {spec: " +
			container + "}}, workerGroupSpecs: [{}, {template: {spec: " + container + "}}]}}",
			"spec.rayClusterSpec.headGroupSpec.template.spec spec.rayClusterSpec.workerGroupSpecs[1].template.spec",
			pod.Controllers, "Always"},
		{"submitter", "apiVersion: ray.io/v1\nkind: RayJob\nspec: {submitterPodTemplate: {spec: " + container + "}}",
			"spec.submitterPodTemplate.spec", pod.Jobs, "Always"},
		{"an old CronJob", "apiVersion: batch/v1beta1\nkind: CronJob\n" +
			"spec: {jobTemplate: {spec: {template: {spec: " + container + "}}}}",
			"spec.jobTemplate.spec.template.spec", pod.Jobs, "Always"},
		{"today's CronJob is in the other table", "apiVersion: batch/v1\nkind: CronJob\n" +
			"spec: {jobTemplate: {spec: {template: {spec: " + container + "}}}}", "", 0, ""},
		{"another group", "apiVersion: example.com/v1\nkind: Rollout\nspec: {template: {spec: " + container + "}}",
			"", 0, ""},
		{"no template at all", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {template: x}", "", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var paths []string
			for _, s := range read(t, c.text) {
				paths = append(paths, s.Path())
				if s.Owner != c.owner || s.Spec.RestartPolicy != c.restart || !s.Template || s.Custom == nil ||
					s.OwnerKind != s.Kind || len(s.Containers) != 1 {
					t.Errorf("%+v, restartPolicy %s", s, s.Spec.RestartPolicy)
				}
				if inJob := s.Job != nil; c.name == "JobSet" && (!inJob || s.ActiveDeadlineSeconds != 60) {
					t.Error("the Job is not read")
				}
			}
			if got := strings.Join(paths, " "); got != c.paths {
				t.Errorf("%q, want %q", got, c.paths)
			}
		})
	}
}

// TestProgressDeadline: a Rollout has one as a Deployment does, and no other kind of the table.
func TestProgressDeadline(t *testing.T) {
	for text, want := range map[string]int32{
		"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {template: {spec: " + container + "}}": 600,
		"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {progressDeadlineSeconds: 90, template: {spec: " +
			container + "}}": 90,
		"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {progressDeadlineSeconds: x, template: {spec: " +
			container + "}}": 600,
		"apiVersion: apps.kruise.io/v1alpha1\nkind: CloneSet\nspec: {progressDeadlineSeconds: 90, template: {spec: " +
			container + "}}": 0,
	} {
		if list := read(t, text); len(list) != 1 || list[0].ProgressDeadline != want {
			t.Errorf("%s: %+v", text, list)
		}
	}
}

// TestKnative: a probe without a port, or with a name that Knative does not read, gets the container's.
func TestKnative(t *testing.T) {
	const service = `
apiVersion: serving.knative.dev/v1
kind: Service
spec:
  template:
    spec:
      containerConcurrency: 1
      containers:
      - image: i
        ports: [PORT]
        livenessProbe: {httpGet: {path: /live, port: web}}
        readinessProbe: {httpGet: {path: /}}
        startupProbe: {tcpSocket: {}}
      - {name: other, image: i, readinessProbe: {periodSeconds: 3}, livenessProbe: {grpc: {}}}
`
	for declared, want := range map[string]int32{"{containerPort: 9000}": 9000, "": 8080} {
		subjects := read(t, strings.Replace(service, "PORT", declared, 1))
		if len(subjects) != 1 || len(subjects[0].Invalid()) > 0 {
			t.Fatalf("%v", subjects)
		}
		first, other := subjects[0].Spec.Containers[0], subjects[0].Spec.Containers[1]
		for kind, port := range map[string]int32{
			"liveness": first.LivenessProbe.HTTPGet.Port.IntVal, "readiness": first.ReadinessProbe.HTTPGet.Port.IntVal,
			"startup": first.StartupProbe.TCPSocket.Port.IntVal,
		} {
			if port != want {
				t.Errorf("%q: the %s probe connects to %d", declared, kind, port)
			}
		}
		if first.Name != "user-container" || other.ReadinessProbe.TCPSocket == nil ||
			other.LivenessProbe.GRPC.Port != 8080 {
			t.Errorf("%+v %+v", first, other)
		}
		for i := range subjects[0].Containers {
			if !subjects[0].GetsProbe(pod.Readiness, &subjects[0].Containers[i]) {
				t.Error("the queue-proxy asks for the readiness")
			}
		}
	}
}

// TestWhoGetsProbes: KubeRay adds probes to the first container alone.
func TestWhoGetsProbes(t *testing.T) {
	for _, s := range read(t, `
apiVersion: ray.io/v1
kind: RayCluster
spec:
  headGroupSpec:
    template:
      spec:
        initContainers: [{name: a, image: i, restartPolicy: Always}]
        containers: [{name: ray, image: i}, {name: b, image: i}]
`) {
		for i := range s.Containers {
			c := &s.Containers[i]
			for _, kind := range pod.ProbeKinds {
				if want := c.Name == "ray" && kind != pod.Startup; s.GetsProbe(kind, c) != want {
					t.Errorf("%s gets a %s: %t", c.Name, kind, !want)
				}
			}
		}
	}
}

// TestDefaultFixes: only the pods of a ReplicaSet have them, of which nobody compares the pods.
func TestDefaultFixes(t *testing.T) {
	for _, row := range custom.Table() {
		want := row.Kind == "Rollout" || (row.Kind == "Deployment" || row.Kind == "ReplicaSet") && row.Group != ""
		if row.DefaultFixes() != want {
			t.Errorf("%s %s: %t", row.Group, row.Kind, !want)
		}
	}
}
