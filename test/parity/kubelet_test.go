package parity

import (
	"context"
	"testing"
	_ "unsafe" // for go:linkname

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	kubernetes "k8s.io/kubernetes/pkg/kubelet"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"

	"github.com/podvet/podvet/test/parity/kubelet"
)

// The kubelet's own conversion of statuses, which nothing outside its package can name otherwise.
//
//go:linkname convertToAPIContainerStatuses k8s.io/kubernetes/pkg/kubelet.(*Kubelet).convertToAPIContainerStatuses
func convertToAPIContainerStatuses(kl *kubernetes.Kubelet, ctx context.Context, pod *corev1.Pod,
	status *kubecontainer.PodStatus, previous []corev1.ContainerStatus, containers []corev1.Container,
	imageVolumes sets.Set[string], hasInitContainers, isInitContainer, podRestarting bool) []corev1.ContainerStatus

func statuses(pod *corev1.Pod, status *kubecontainer.PodStatus, old []corev1.ContainerStatus) []corev1.ContainerStatus {
	return convertToAPIContainerStatuses(&kubernetes.Kubelet{}, context.Background(), pod, status, old,
		pod.Spec.Containers, nil, false, false, false)
}

//go:linkname getPhase k8s.io/kubernetes/pkg/kubelet.getPhase
func getPhase(logger klog.Logger, pod *corev1.Pod, info []corev1.ContainerStatus,
	podIsTerminal, podHasInitialized bool) corev1.PodPhase

func TestLives(t *testing.T) {
	kubelet.Lives(t, ".", kubelet.Version{Minor: 37,
		Statuses: func(kl *kubernetes.Kubelet, pod *corev1.Pod, status *kubecontainer.PodStatus,
			old []corev1.ContainerStatus, containers []corev1.Container, hasInit, isInit bool,
		) []corev1.ContainerStatus {
			return convertToAPIContainerStatuses(kl, context.Background(), pod, status, old, containers, nil,
				hasInit, isInit, false)
		},
		Phase: func(pod *corev1.Pod, info []corev1.ContainerStatus, terminal, initialized bool) corev1.PodPhase {
			return getPhase(klog.Background(), pod, info, terminal, initialized)
		}})
}

func TestGuaranteedAndWorst(t *testing.T) { kubelet.GuaranteedAndWorst(t, ".") }

func TestStartupGateLate(t *testing.T) { kubelet.StartupGateLate(t, ".", statuses) }
