// Package live reads pods as they are, with what tells about them: their events and their owners, from a cluster or
// from files that hold what kubectl get -o json prints. It knows names and owners, and must not know what is wrong with
// a pod. It only reads.
package live

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/pod"
)

// Objects are pods with what tells about them.
type Objects struct {
	Pods      []*corev1.Pod
	Events    []*corev1.Event
	Workloads []pod.Object
}

// The label that a Deployment, or a Rollout of Argo, gives its ReplicaSets and their pods
// (k8s.io/api/apps/v1 types.go; argoproj/argo-rollouts pkg/apis/rollouts/v1alpha1/types.go).
const (
	deploymentHash = "pod-template-hash"
	rolloutHash    = "rollouts-pod-template-hash"
)

// OwnerOf is the controller of a pod as a person names it: Deployment web for the pods of its ReplicaSets, CronJob
// nightly for those of its Jobs, and the Pod itself where it has none.
func OwnerOf(p *corev1.Pod) (kind, name string) {
	owner := metav1.GetControllerOfNoCopy(p)
	if owner == nil {
		return "Pod", p.Name
	}
	cut := strings.LastIndexByte(owner.Name, '-')
	if cut <= 0 {
		return owner.Kind, owner.Name
	}
	switch end := owner.Name[cut+1:]; {
	case owner.Kind == "ReplicaSet" && p.Labels[rolloutHash] == end:
		return pod.Rollout, owner.Name[:cut]
	case owner.Kind == "ReplicaSet" && p.Labels[deploymentHash] == end:
		return "Deployment", owner.Name[:cut]
	case owner.Kind == "Job" && isMinute(end):
		return "CronJob", owner.Name[:cut]
	}
	return owner.Kind, owner.Name
}

// isMinute tells whether this is what a CronJob ends the names of its Jobs with: minutes since 1970
// (K pkg/controller/cronjob/utils.go), which have had eight digits since 1989.
func isMinute(end string) bool {
	return len(end) == 8 && strings.Trim(end, "0123456789") == ""
}
