package why

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
)

// Report is what podvet why says of pods and workloads.
type Report struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Time       time.Time `json:"time"`     // as of which
	Subjects   []Subject `json:"subjects"` // the worst first
}

// Subject is a pod or a workload with what podvet says of it.
type Subject struct {
	Kind      string      `json:"kind"`
	Namespace string      `json:"namespace"`
	Name      string      `json:"name"`
	Owner     string      `json:"owner,omitempty"` // as a person names it: Deployment/web
	State     string      `json:"state"`           // as a person says it: running, not ready, 4 restarts
	Diagnoses []Diagnosis `json:"diagnoses"`
}

// Of looks at pods and workloads. owner names the owner of a pod.
func Of(workloads []pod.Object, pods []*corev1.Pod, events []*corev1.Event, owner func(*corev1.Pod) string,
	now time.Time,
) *Report {
	r := &Report{APIVersion: "podvet.dev/v1alpha1", Kind: "Diagnoses", Time: now, Subjects: []Subject{}}
	byName := map[string][]*corev1.Event{} // a workload may have thousands of pods
	for _, e := range events {
		byName[e.InvolvedObject.Name] = append(byName[e.InvolvedObject.Name], e)
	}
	about := func(o metav1.Object) []*corev1.Event {
		// A static pod's events name its configuration, not its mirror (K pkg/kubelet/config/common.go).
		uid := cmp.Or(types.UID(o.GetAnnotations()[corev1.MirrorPodAnnotationKey]), o.GetUID())
		return slices.DeleteFunc(slices.Clone(byName[o.GetName()]), func(e *corev1.Event) bool {
			of := e.InvolvedObject
			return of.UID != "" && of.UID != uid && of.UID != o.GetUID() || of.Namespace != "" &&
				of.Namespace != o.GetNamespace()
		})
	}
	complete := map[string]bool{} // Jobs: what failed before is over
	for _, w := range workloads {
		if job, is := w.(*batchv1.Job); is {
			complete[w.GetNamespace()+"/Job/"+w.GetName()] = slices.ContainsFunc(job.Status.Conditions, isComplete)
		}
		if rs, is := w.(*appsv1.ReplicaSet); is && rs.Spec.Replicas != nil && *rs.Spec.Replicas == 0 {
			continue // kept for a rollback
		}
		r.Subjects = append(r.Subjects, Subject{Kind: kindOf(w), Namespace: w.GetNamespace(), Name: w.GetName(),
			State: counts(w), Diagnoses: Workload(w, about(w), now)})
	}
	for _, p := range pods {
		s := Subject{Kind: "Pod", Namespace: p.Namespace, Name: p.Name, Owner: owner(p), State: stateOf(p),
			Diagnoses: Pod(Seen{Pod: p, Events: about(p), Now: now})}
		if of := metav1.GetControllerOfNoCopy(p); of != nil && complete[p.Namespace+"/"+of.Kind+"/"+of.Name] {
			for i := range s.Diagnoses {
				s.Diagnoses[i].Wrong = false
			}
		}
		r.Subjects = append(r.Subjects, s)
	}
	slices.SortStableFunc(r.Subjects, func(a, b Subject) int { return cmp.Compare(a.gravity(), b.gravity()) })
	return r
}

func isComplete(c batchv1.JobCondition) bool {
	return c.Type == batchv1.JobComplete && c.Status == corev1.ConditionTrue
}

// gravity is lower for what is graver.
func (s Subject) gravity() int {
	switch {
	case len(s.Diagnoses) == 0:
		return 2 * len(IDs)
	case Wrong(s.Diagnoses) == 0:
		return len(IDs) + slices.Index(IDs, s.Diagnoses[0].ID)
	}
	return slices.Index(IDs, s.Diagnoses[0].ID)
}

// Wrong tells whether anything is wrong.
func (r *Report) Wrong() bool {
	return slices.ContainsFunc(r.Subjects, func(s Subject) bool { return Wrong(s.Diagnoses) > 0 })
}

// stateOf is what kubectl get pods says of a pod, in words.
func stateOf(p *corev1.Pod) string {
	restarts := int32(0)
	for _, status := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		restarts += status.RestartCount
	}
	state := []string{strings.ToLower(cmp.Or(string(p.Status.Phase), "unknown"))}
	if p.DeletionTimestamp != nil {
		state = append(state, "being deleted")
	}
	if p.Status.Phase == corev1.PodRunning {
		if condition(p, corev1.PodReady).Status == corev1.ConditionTrue {
			state = append(state, "ready")
		} else {
			state = append(state, "not ready")
		}
	}
	switch restarts {
	case 0:
	case 1:
		state = append(state, "1 restart")
	default:
		state = append(state, fmt.Sprintf("%d restarts", restarts))
	}
	return strings.Join(state, ", ")
}

// counts is how many of a workload's pods are well.
func counts(o pod.Object) string {
	switch w := o.(type) {
	case *batchv1.Job:
		return fmt.Sprintf("%d active, %d succeeded, %d failed", w.Status.Active, w.Status.Succeeded, w.Status.Failed)
	case *appsv1.Deployment, *appsv1.ReplicaSet, *appsv1.StatefulSet, *appsv1.DaemonSet:
		want, _, ready := pods(o)
		return fmt.Sprintf("%d of %d pods ready", ready, want)
	}
	return ""
}

// JSON writes the report as one object.
func (r *Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// shown is how many pods are told of in full: those of one workload are mostly sick of the same.
const shown = 3

// Text writes the report for a person. A width of 0 wraps nothing.
func (r *Report) Text(width int) string {
	var out strings.Builder
	var told []string
	left := 0
	for i, s := range r.Subjects {
		switch signature := s.signature(); {
		case slices.Contains(told, signature):
		case len(told) == shown && s.Kind == "Pod":
			left++
		default:
			if s.Kind == "Pod" {
				told = append(told, signature)
			}
			var same []string
			for _, other := range r.Subjects[i+1:] {
				if other.signature() == signature && s.Kind == "Pod" {
					same = append(same, other.Name)
				}
			}
			s.write(&out, width, same)
		}
	}
	if left > 0 {
		fmt.Fprintf(&out, "%d more pods have something else: -o json lists them.\n", left)
	}
	if !r.Wrong() {
		out.WriteString("Nothing is wrong that podvet can see.\n")
	} else {
		out.WriteString("Times are in UTC. docs/why.md explains what is in brackets.\n")
	}
	return console.PrintableLines(out.String())
}

// signature is the same for pods that are sick of the same.
func (s Subject) signature() string {
	var signature strings.Builder
	signature.WriteString(s.Kind + " " + s.Owner)
	if s.Owner == "" && Wrong(s.Diagnoses) > 0 {
		signature.WriteString(s.Name)
	}
	for _, d := range s.Diagnoses {
		signature.WriteString(" " + d.ID + "/" + d.Container)
	}
	return signature.String()
}

// write writes the subject with its diagnoses, numbered; same are other pods of its owner that are sick of the same.
func (s Subject) write(out *strings.Builder, width int, same []string) {
	head := s.Kind + " " + s.Namespace + "/" + s.Name
	if s.Owner != "" {
		head += " of " + s.Owner
	}
	if s.State != "" {
		head += ": " + s.State
	}
	switch n := len(same); {
	case n == 1:
		head += " (likewise " + same[0] + ")"
	case n > 1:
		head += fmt.Sprintf(" (likewise %d other pods: %s", n, strings.Join(same[:min(n, shown)], ", "))
		if n > shown {
			head += ", …"
		}
		head += ")"
	}
	out.WriteString(head + "\n")
	const indent = "   "
	for i, d := range s.Diagnoses {
		number := fmt.Sprintf("%d. ", i+1)
		text := d.Message + " [" + d.ID + "]"
		out.WriteString(number + console.Wrap(text, len(number), width, indent))
		if d.Advice != "" {
			out.WriteString(indent + console.Wrap(d.Advice, len(indent), width, indent))
		}
		for _, e := range d.Evidence {
			out.WriteString(indent + "- " + console.Wrap(e, len(indent)+2, width, indent+"  "))
		}
	}
	out.WriteString("\n")
}
