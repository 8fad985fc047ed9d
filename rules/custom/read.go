package custom

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// Object is the custom resource that a template stands in.
type Object struct{ Name, Namespace string }

// Read reads the pod templates that a row is about, fills in, in place, what their controller adds and the API
// defaults, and works out what rules ask about the pods. decode reads a place into one of Kubernetes' types, and says
// of one that it cannot read false: it is left out.
func Read[N Tree[N]](t *Template, in Object, root N, decode func(at Place[N], into any) bool) (list []*pod.Subject) {
	for _, at := range Places(root, t.Path) {
		found := pod.Found{Name: in.Name, Namespace: in.Namespace, Path: at.Path, Template: &corev1.PodTemplateSpec{}}
		restart := corev1.RestartPolicy(at.Above.Text("restartPolicy"))
		into := any(found.Template)
		if t.InJob {
			found.Job = &batchv1.JobSpec{}
			found.Template, into = &found.Job.Template, found.Job
			at = Place[N]{Path: strings.TrimSuffix(at.Path, ".template"), Node: at.Above}
		}
		if t.Progress {
			spec := progressing{pod.DefaultProgressDeadline}
			decode(Place[N]{Path: strings.TrimSuffix(at.Path, ".template"), Node: at.Above}, &spec)
			found.ProgressDeadline = spec.ProgressDeadlineSeconds
		}
		if decode(at, into) {
			t.complete(&found.Template.Spec, restart)
			list = append(list, pod.ReadTemplate(&t.Custom, found))
		}
	}
	return list
}

// progressing is a spec with a deadline for the progress of its rollout.
type progressing struct {
	ProgressDeadlineSeconds int32 `json:"progressDeadlineSeconds"`
}
