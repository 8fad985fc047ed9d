// Package parity holds what podvet says of probes against Kubernetes 1.35.
package parity

import (
	"testing"
	_ "unsafe" // for go:linkname

	corev1 "k8s.io/api/core/v1"
	kubernetes "k8s.io/kubernetes/pkg/kubelet"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"

	"github.com/podvet/podvet/test/parity/kubelet"
)

// The kubelet's own conversion of statuses, which nothing outside its package can name otherwise.
//
//go:linkname convertToAPIContainerStatuses k8s.io/kubernetes/pkg/kubelet.(*Kubelet).convertToAPIContainerStatuses
func convertToAPIContainerStatuses(kl *kubernetes.Kubelet, pod *corev1.Pod, status *kubecontainer.PodStatus,
	previous []corev1.ContainerStatus, containers []corev1.Container,
	hasInitContainers, isInitContainer, podRestarting bool) []corev1.ContainerStatus

func statuses(pod *corev1.Pod, status *kubecontainer.PodStatus, old []corev1.ContainerStatus) []corev1.ContainerStatus {
	k := &kubernetes.Kubelet{}
	return convertToAPIContainerStatuses(k, pod, status, old, pod.Spec.Containers, false, false, false)
}

//go:linkname getPhase k8s.io/kubernetes/pkg/kubelet.getPhase
func getPhase(pod *corev1.Pod, info []corev1.ContainerStatus,
	podIsTerminal, podHasInitialized bool) corev1.PodPhase

func TestLives(t *testing.T) {
	kubelet.Lives(t, "..", kubelet.Version{Minor: 35,
		Statuses: func(kl *kubernetes.Kubelet, pod *corev1.Pod, status *kubecontainer.PodStatus,
			old []corev1.ContainerStatus, containers []corev1.Container, hasInit, isInit bool,
		) []corev1.ContainerStatus {
			return convertToAPIContainerStatuses(kl, pod, status, old, containers, hasInit, isInit, false)
		},
		Phase: func(pod *corev1.Pod, info []corev1.ContainerStatus, terminal, initialized bool) corev1.PodPhase {
			return getPhase(pod, info, terminal, initialized)
		}})
}

func TestGuaranteedAndWorst(t *testing.T) { kubelet.GuaranteedAndWorst(t, "..") }

func TestStartupGateLate(t *testing.T) { kubelet.StartupGateLate(t, "..", statuses) }
