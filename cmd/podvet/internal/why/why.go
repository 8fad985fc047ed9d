package why

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
)

// Pod says what is wrong with a pod, gravest first.
func Pod(s Seen) []Diagnosis {
	all := patients(s)
	if s.Pod.DeletionTimestamp != nil {
		found := []Diagnosis{stops(s, all)}
		for i := range all {
			found = append(found, all[i].hooks()...)
			found = append(found, all[i].afterGrace()...)
		}
		byGravity(found)
		return found
	}
	if whole := failedAsWhole(s); whole != nil {
		return whole
	}
	if s.Pod.Status.Phase == corev1.PodSucceeded {
		return nil
	}
	found := append(notPlaced(s), gates(s)...)
	for i := range all {
		p := &all[i]
		for _, look := range []func() []Diagnosis{p.notMade, p.hooks, p.killed, p.ends, p.notServing, p.afterGrace} {
			found = append(found, look()...)
		}
	}
	found = append(found, jobWaits(s, all)...)
	well := func(p patient) bool { return p.ok() || p.Class == pod.Init }
	if len(found) == 0 && (len(all) == 0 || slices.ContainsFunc(all, func(p patient) bool { return !well(p) })) {
		found = append(found, unclear(s)...)
	}
	byGravity(found)
	return found
}

// unclear is about a pod that should be ready, and podvet does not know why it is not.
func unclear(s Seen) []Diagnosis {
	if s.Pod.Status.Phase == corev1.PodFailed {
		return []Diagnosis{{ID: Unclear, Wrong: true, Message: "The pod failed, and podvet does not see why.",
			Advice: "See what kubectl describe pod " + s.Pod.Name + " says."}}
	}
	ready := condition(s.Pod, corev1.PodReady)
	since := s.Now.Sub(cmp.Or(ready.LastTransitionTime, s.Pod.CreationTimestamp).Time)
	if ready.Status == corev1.ConditionTrue || since < notYet {
		return nil
	}
	d := Diagnosis{ID: Unclear, Wrong: true,
		Message: "The pod has not been ready for " + length(since) + ", and podvet does not see why.",
		Advice:  "See whether its node answers, and what kubectl describe pod " + s.Pod.Name + " says."}
	if said := statusText(ready); said != "" {
		d.Evidence = append(d.Evidence, "condition Ready: "+console.OneLine(said))
	}
	return []Diagnosis{d}
}

// Workload says what is wrong with a workload itself, from its conditions and the events about it.
func Workload(o pod.Object, events []*corev1.Event, now time.Time) []Diagnosis {
	var found []Diagnosis
	cannotMake := func(evidence string) {
		found = append(found, Diagnosis{ID: NoPods, Wrong: true,
			Message:  kindOf(o) + "/" + o.GetName() + " cannot make its pods.",
			Advice:   "Create what is missing, or change the pod template to what is allowed.",
			Evidence: []string{evidence}})
	}
	switch w := o.(type) {
	case *appsv1.Deployment:
		for _, c := range w.Status.Conditions {
			switch {
			case c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue:
				cannotMake("condition ReplicaFailure: " + console.OneLine(c.Message))
			case c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && w.Status.Replicas > 0:
				found = append(found, noProgress(w, c))
			}
		}
	case *appsv1.ReplicaSet:
		for _, c := range w.Status.Conditions {
			if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
				cannotMake("condition ReplicaFailure: " + console.OneLine(c.Message))
			}
		}
	case *batchv1.Job:
		for _, c := range w.Status.Conditions {
			if c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue {
				found = append(found, jobFailed(w, c))
			}
		}
	}
	// StatefulSets, DaemonSets and Jobs have no condition for it.
	if failed := tell(events, "FailedCreate"); failed.count > 0 && len(found) == 0 &&
		failed.last.After(tell(events, "SuccessfulCreate").last) {
		cannotMake(failed.String())
	}
	made := o.GetCreationTimestamp()
	want, has, _ := pods(o)
	if len(found) == 0 && want > 0 && has == 0 && !made.IsZero() && now.Sub(made.Time) > notYet {
		found = append(found, Diagnosis{ID: NoPods, Wrong: true,
			Message: fmt.Sprintf("%s/%s has no pods, and should have %d.", kindOf(o), o.GetName(), want),
			Advice:  "See whether kube-controller-manager runs, and the events of the workload."})
	}
	byGravity(found)
	return found
}

// pods are how many pods a workload is to have, has, and has ready.
func pods(o pod.Object) (want, has, ready int32) {
	replicas := func(n *int32) int32 {
		if n == nil {
			return 1 // K pkg/apis/apps/v1/defaults.go
		}
		return *n
	}
	switch w := o.(type) {
	case *appsv1.Deployment:
		return replicas(w.Spec.Replicas), w.Status.Replicas, w.Status.ReadyReplicas
	case *appsv1.ReplicaSet:
		return replicas(w.Spec.Replicas), w.Status.Replicas, w.Status.ReadyReplicas
	case *appsv1.StatefulSet:
		return replicas(w.Spec.Replicas), w.Status.Replicas, w.Status.ReadyReplicas
	case *appsv1.DaemonSet:
		return w.Status.DesiredNumberScheduled, w.Status.CurrentNumberScheduled, w.Status.NumberReady
	}
	return 0, 0, 0
}

// kindOf is the kind of a workload, which objects of a cluster do not say.
func kindOf(o pod.Object) string {
	s, ok := pod.SubjectOf(o)
	if !ok {
		return "Workload"
	}
	return s.Kind
}

func noProgress(w *appsv1.Deployment, c appsv1.DeploymentCondition) Diagnosis {
	limit := int32(pod.DefaultProgressDeadline)
	if w.Spec.ProgressDeadlineSeconds != nil {
		limit = *w.Spec.ProgressDeadlineSeconds
	}
	return Diagnosis{ID: NoProgress, Wrong: true,
		Message: fmt.Sprintf("The rollout of Deployment/%s made no progress for %s: %d of %d pods are available.",
			w.Name, seconds(int64(limit)), w.Status.AvailableReplicas, w.Status.Replicas),
		Advice:   "Repair its pods. If they only boot slowly, raise progressDeadlineSeconds: image pulls count, too.",
		Evidence: []string{"condition Progressing: " + console.OneLine(c.Message)}}
}

func jobFailed(w *batchv1.Job, c batchv1.JobCondition) Diagnosis {
	d := Diagnosis{ID: JobFailed, Wrong: true,
		Message:  fmt.Sprintf("Job/%s failed after %d of its pods failed: %s.", w.Name, w.Status.Failed, c.Reason),
		Advice:   "Repair what its pods say, and create the Job again: it does not go on.",
		Evidence: []string{"condition Failed: " + console.OneLine(c.Message)}}
	if c.Reason == batchv1.JobReasonDeadlineExceeded && w.Spec.ActiveDeadlineSeconds != nil {
		d.Message = fmt.Sprintf("Job/%s failed, because it ran longer than activeDeadlineSeconds, %s.", w.Name,
			seconds(*w.Spec.ActiveDeadlineSeconds))
		d.Advice = "Raise activeDeadlineSeconds, and create the Job again: it does not go on."
	}
	return d
}
