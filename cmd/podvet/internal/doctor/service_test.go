package doctor

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// unreadyPod is what doctor says of a pod that is not ready.
func unreadyPod(name, why string) Finding {
	return warning("kubectl describe pod -n podvet "+name+", and its log, say more",
		"pod %s is not ready: %s", name, why)
}

func TestService(t *testing.T) {
	twoReady := []Finding{ok("the Service podvet/podvet has 2 ready endpoints")}
	wantFindings(t, "service", []brokenCluster{
		{"healthy", func(*cluster) {}, twoReady},
		{"nobody names it", func(c *cluster) { c.mutating, c.validating = nil, nil }, []Finding{
			unknown("write --namespace", "no webhook names podvet's Service"),
		}},
		{"missing", func(c *cluster) { c.service = nil }, []Finding{problem(
			"helm upgrade --reuse-values brings it back",
			"the Service podvet/podvet that the webhooks call does not exist")}},
		{"forbidden", func(c *cluster) { c.forbid("get", "services", `in the namespace "podvet"`) }, []Finding{unknown(
			"ask for that right, or let someone who has it run doctor",
			"the Service podvet/podvet cannot be read because you may not get services in the namespace podvet")}},
		{"without a selector", func(c *cluster) { c.service.Spec.Selector = nil }, []Finding{unknown(
			"give it the selector of the chart", "the Service podvet/podvet selects no pods, so doctor finds none")}},
		{"pods forbidden", func(c *cluster) {
			c.forbid("list", "pods", `in the namespace "podvet"`)
		}, []Finding{unknown(
			"ask for that right, or let someone who has it run doctor",
			"the pods of the Service podvet/podvet cannot be read because "+
				"you may not list pods in the namespace podvet")}},
		{"no pods but some that have ended", func(c *cluster) {
			c.pods[0].Status.Phase = corev1.PodFailed
			c.pods[1].Status.Phase = corev1.PodSucceeded
			going := podvetPod("c")
			going.DeletionTimestamp = &metav1.Time{Time: time.Now()}
			c.pods = append(c.pods, going)
		}, []Finding{problem("kubectl describe deployments,replicasets -n podvet says why none is made",
			"the Service podvet/podvet selects the pods with app=podvet, and there are none")}},
		{"port missing", func(c *cluster) { c.service.Spec.Ports[0].Port = 444 }, []Finding{problem(writeBack,
			"webhook mutate.podvet.dev calls port 443, which the Service podvet/podvet does not have")}},
		{"another port named by a webhook", func(c *cluster) {
			c.validator().ClientConfig.Service.Port = new(int32(8443))
		}, []Finding{problem(writeBack,
			"webhook validate.podvet.dev calls port 8443, which the Service podvet/podvet does not have")}},
		{"port not named", func(c *cluster) {
			c.service.Spec.Ports[0].TargetPort = intstr.FromString("tls")
		}, []Finding{
			problem("give the container that port's name",
				`the Service podvet/podvet leads to the port "tls", which pod a does not name`),
			problem("give the container that port's name",
				`the Service podvet/podvet leads to the port "tls", which pod b does not name`),
		}},
		{"port by number", func(c *cluster) { c.service.Spec.Ports[0].TargetPort = intstr.FromInt32(9443) }, twoReady},
		{"endpoints forbidden", func(c *cluster) {
			c.forbid("list", "endpointslices.discovery.k8s.io", `in the namespace "podvet"`)
		}, []Finding{unknown("ask for that right, or let someone who has it run doctor",
			"the endpoints of the Service podvet/podvet cannot be read because "+
				"you may not list endpointslices.discovery.k8s.io in the namespace podvet")}},
		{"two slices with the same pods", func(c *cluster) {
			other := c.endpoints[0].DeepCopy()
			other.Name = "podvet-2"
			c.endpoints = append(c.endpoints, other)
		}, twoReady},
		{"endpoints that name no pod", func(c *cluster) {
			c.endpoints[0].Endpoints = []discoveryv1.Endpoint{
				{Addresses: []string{"10.0.0.1"}}, {Addresses: []string{"10.0.0.2"}},
			}
		}, twoReady},
		{"no endpoint", func(c *cluster) { c.endpoints = nil }, []Finding{problem(
			"make a pod ready: kubectl get pods -n podvet -l app=podvet",
			"the Service podvet/podvet has no ready endpoint, so the API server gets no answer")}},
	})
}

// TestUnready: why a pod is not ready doctor learns from the pod, or else from its status.
func TestUnready(t *testing.T) {
	unready := func(status func(*corev1.Pod), answer string) func(*cluster) {
		return func(c *cluster) {
			c.readyz = func(string) (string, error) { return "", errors.New(answer) }
			c.setUnready(c.pods[0])
			status(c.pods[0])
		}
	}
	wantFindings(t, "service", []brokenCluster{
		{"it says why", unready(func(*corev1.Pod) {},
			"503 Service Unavailable the serving certificate\nexpired"), []Finding{
			unreadyPod("a", "the serving certificate expired"),
		}},
		{"it waits", unready(func(pod *corev1.Pod) {
			waiting := &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: waiting}}}
		}, "EOF"), []Finding{unreadyPod("a", "ImagePullBackOff: no such image")}},
		{"it waits without a message", unready(func(pod *corev1.Pod) {
			waiting := &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: waiting}}}
		}, "EOF"), []Finding{unreadyPod("a", "ContainerCreating")}},
		{"it is not scheduled", unready(func(pod *corev1.Pod) {
			pod.Status.Phase = corev1.PodPending
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available",
			})
		}, "503 Service Unavailable nobody asks it"), []Finding{unreadyPod("a", "0/3 nodes are available")}},
		{"the kubelet has a message", unready(func(pod *corev1.Pod) {
			pod.Status.Conditions[0].Message = "containers with unready status: [podvet]"
		}, "EOF"), []Finding{unreadyPod("a", "containers with unready status: [podvet]")}},
		{"nobody says why", unready(func(*corev1.Pod) {}, "EOF"), []Finding{unreadyPod("a", "it is Running")}},
		{"it has just become ready", func(c *cluster) { c.setUnready(c.pods[0]) }, []Finding{
			unreadyPod("a", "it is Running"),
		}},
		{"it does not answer", func(c *cluster) {
			c.readyz = func(string) (string, error) { return "", context.DeadlineExceeded }
			c.setUnready(c.pods[0])
		}, []Finding{unreadyPod("a", "it does not answer the API server's proxy either")}},
		{"none is ready", func(c *cluster) {
			c.setUnready(c.pods[0])
			c.setUnready(c.pods[1])
		}, []Finding{
			unreadyPod("a", "it is Running"), unreadyPod("b", "it is Running"),
			problem("make a pod ready: kubectl get pods -n podvet -l app=podvet",
				"the Service podvet/podvet has no ready endpoint, so the API server gets no answer"),
		}},
	})
}
