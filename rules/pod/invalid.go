package pod

import (
	"fmt"
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Invalid names what the API server refuses in the subject's object with its defaults, as far as podvet judges it:
// containers' names and images, probes, handlers, ports, lifecycle, restartPolicy, grace and deadlines
// (K pkg/apis/core/validation/validation.go, pkg/apis/apps/validation, pkg/apis/batch/validation). The paths are the
// object's.
func (s *Subject) Invalid() []Problem {
	root := &invalid{}
	root.at(s.path).pod(s)
	switch {
	case s.Custom != nil: // what its controller refuses is not known
	case s.Job != nil:
		root.at(jobPath(s)).job(s.Job)
	case s.Template:
		root.at(s.path).controlled(s)
	}
	if s.Deployment != nil {
		root.at("spec").progressDeadline(s.Deployment)
	}
	if cron, is := s.object.(*batchv1.CronJob); is {
		if deadline := cron.Spec.StartingDeadlineSeconds; deadline != nil && *deadline < 0 {
			root.at("spec").bad("startingDeadlineSeconds", "is %d: write 0 or more", *deadline)
		}
	}
	return root.problems
}

func jobPath(s *Subject) string { return s.path[:len(s.path)-len(".template.spec")] }

// controlled looks at what controllers that keep their pods running ask of a template.
func (v *invalid) controlled(s *Subject) {
	if !slices.Contains(RestartPolicies(s.Kind), s.Spec.RestartPolicy) {
		v.bad("restartPolicy", "is %s: a %s takes only Always", s.Spec.RestartPolicy, s.Kind)
	}
	if s.Spec.ActiveDeadlineSeconds != nil {
		v.bad("activeDeadlineSeconds", "is not for a %s, which has no deadline: remove it", s.Kind)
	}
}

func (v *invalid) progressDeadline(spec *appsv1.DeploymentSpec) {
	deadline, least := progressDeadline(spec), spec.MinReadySeconds
	switch {
	case deadline < 0:
		v.bad("progressDeadlineSeconds", "is %d: write more than minReadySeconds, %d", deadline, least)
	case deadline <= least:
		v.bad("progressDeadlineSeconds", "is %d: it must be more than minReadySeconds, %d", deadline, least)
	}
}

func (v *invalid) job(job *batchv1.JobSpec) {
	if job.ActiveDeadlineSeconds != nil && *job.ActiveDeadlineSeconds < 0 {
		v.bad("activeDeadlineSeconds", "is %d: write 0 or more", *job.ActiveDeadlineSeconds)
	}
	const field = "template.spec.restartPolicy"
	switch policy := job.Template.Spec.RestartPolicy; {
	case !slices.Contains(notAlways, policy):
		v.bad(field, "is %s: a Job takes OnFailure or Never, and has to say which", policy)
	case policy != corev1.RestartPolicyNever && job.PodFailurePolicy != nil:
		v.bad(field, "is %s: with a podFailurePolicy it must be Never", policy)
	}
}

func (v *invalid) pod(s *Subject) {
	spec := s.Spec
	if !slices.Contains(anyPolicy, spec.RestartPolicy) {
		v.bad("restartPolicy", "is %q: write Always, OnFailure or Never", spec.RestartPolicy)
	}
	if deadline := spec.ActiveDeadlineSeconds; deadline != nil && (*deadline < 1 || *deadline > math.MaxInt32) {
		v.bad("activeDeadlineSeconds", "is %d: write 1 to %d", *deadline, math.MaxInt32)
	}
	v.names(s)
	seen := map[string]bool{}
	for i := range spec.Containers {
		at := v.item("containers", i)
		at.container(s, &spec.Containers[i], true)
		at.hostPorts(spec.Containers[i].Ports, seen)
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		at := v.item("initContainers", i)
		at.container(s, c, HasRestartPolicy(c, corev1.ContainerRestartPolicyAlways))
		at.hostPorts(c.Ports, map[string]bool{})
	}
	v.hostNetwork(s)
	for i := range spec.EphemeralContainers {
		v.item("ephemeralContainers", i).ephemeral(&spec.EphemeralContainers[i])
	}
}

// hostPorts finds ports of the node that two containers take.
func (v *invalid) hostPorts(ports []corev1.ContainerPort, seen map[string]bool) {
	for i, port := range ports {
		if port.HostPort == 0 {
			continue
		}
		key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
		if seen[key] {
			v.item("ports", i).bad("hostPort", "%d is taken by another port of this pod", port.HostPort)
		}
		seen[key] = true
	}
}

// hostNetwork: there the port of the container is the port of the node.
func (v *invalid) hostNetwork(s *Subject) {
	if !s.Spec.HostNetwork {
		return
	}
	for i, c := range s.Spec.Containers {
		for j, port := range c.Ports {
			if port.HostPort != port.ContainerPort && (!s.Template || port.HostPort != 0) {
				v.item("containers", i).item("ports", j).bad("hostPort",
					"is %d: with hostNetwork it must be the containerPort, %d", port.HostPort, port.ContainerPort)
			}
		}
	}
}
