package doctor

import (
	"cmp"
	"crypto/x509"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// replica is a pod of podvet, with what it said.
type replica struct {
	*corev1.Pod

	served    []*x509.Certificate // the leaf first; nil where none was seen
	servedErr error
	metrics   metrics
	metricErr error
	silent    bool // it did not answer in time, and is not asked again
}

// running tells whether the replica can be asked, ready or not: a bad certificate may be why it is not ready.
func (r *replica) running() bool {
	return r.Status.Phase == corev1.PodRunning && r.Status.PodIP != ""
}

// ready tells whether requests go to the replica.
func (r *replica) ready() bool { return r.condition(corev1.PodReady).Status == corev1.ConditionTrue }

func (r *replica) condition(kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range r.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// whyNotReady is what the pod's status says, as short as it gets.
func (r *replica) whyNotReady() string {
	for _, c := range r.Status.ContainerStatuses {
		if waiting := c.State.Waiting; waiting != nil && waiting.Reason != "" {
			return strings.TrimSuffix(waiting.Reason+": "+waiting.Message, ": ")
		}
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodReady} {
		if c := r.condition(kind); c.Status == corev1.ConditionFalse && c.Message != "" {
			return c.Message
		}
	}
	return "it is " + string(r.Status.Phase)
}

// port is the number of the container port with a name.
func (r *replica) port(name string, otherwise int32) int32 {
	for _, c := range r.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == name {
				return p.ContainerPort
			}
		}
	}
	return otherwise
}

// servedPort is where the replica answers reviews.
func (r *replica) servedPort() int32 {
	port, _ := strconv.ParseInt(r.flag("--port"), 10, 32)
	return cmp.Or(int32(port), r.port("webhook", 9443)) // 32 bits were asked for
}

// flag is the value of a flag that the replica is started with, "" for none.
func (r *replica) flag(name string) string {
	for _, c := range r.Spec.Containers {
		args := append(append([]string(nil), c.Command...), c.Args...)
		for i, arg := range args {
			if value, found := strings.CutPrefix(arg, name+"="); found {
				return value
			}
			if arg == name && i+1 < len(args) {
				return args[i+1]
			}
		}
	}
	return ""
}

// selfManaged tells whether podvet makes and renews the replica's certificate itself.
func (r *replica) selfManaged() bool { return r.flag("--tls") == "self-managed" }
