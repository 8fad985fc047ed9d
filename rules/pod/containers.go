package pod

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Class is the part a container plays in its pod. Ephemeral containers have none: they can carry neither probes nor
// hooks, and no pod is created with one.
type Class uint8

// The classes that rules look at.
const (
	App     Class = 1 << iota // an entry of spec.containers
	Sidecar                   // an init container with restartPolicy Always
	Init                      // any other init container: it can carry neither probes nor hooks
)

// Container is one of a pod's containers, ephemeral ones apart.
type Container struct {
	*corev1.Container
	Class Class
	// LongRunning: a sidecar, or an app container that is restarted whenever it ends and whose pod is not a Job's.
	LongRunning bool
	Index       int // in its list of the spec
}

// List is the field of the pod spec that holds the container.
func (c *Container) List() string {
	if c.Class == App {
		return "containers"
	}
	return "initContainers"
}

// In is the container's place in a spec, which may be a copy of its own.
func (c *Container) In(spec *corev1.PodSpec) *corev1.Container {
	if c.Class == App {
		return &spec.Containers[c.Index]
	}
	return &spec.InitContainers[c.Index]
}

// Serves tells whether a declared TCP port takes traffic: any but those whose names, patterns with *, say that they are
// for watching only.
func (c *Container) Serves(ignorePortNames []string) bool {
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
		return IsTCP(p) && !MatchAny(ignorePortNames, p.Name)
	})
}

// IsKnownAs tells whether the container's name, or the end of its image's path, is one of the names.
func (c *Container) IsKnownAs(names []string) bool {
	path := imagePath(c.Image)
	return slices.ContainsFunc(names, func(name string) bool {
		return name != "" && (name == c.Name || name == path || strings.HasSuffix(path, "/"+name))
	})
}

// imagePath is an image's name without registry, tag and digest. The first part is a registry where it cannot be part
// of a path: with a dot or a port, or localhost (github.com/distribution/reference splitDockerDomain).
func imagePath(image string) string {
	image, _, _ = strings.Cut(image, "@")
	first, rest, found := strings.Cut(image, "/")
	if found && (first == "localhost" || strings.ContainsAny(first, ".:")) {
		image = rest
	}
	if tag := strings.LastIndexByte(image, ':'); tag > strings.LastIndexByte(image, '/') {
		image = image[:tag]
	}
	return image
}

// accelerators are how the names of resources start that a model server asks for.
var accelerators = []string{"nvidia.com/", "amd.com/", "gpu.intel.com/", "habana.ai/", "aws.amazon.com/neuron"}

// Accelerated tells whether the container has an accelerator: it loads models, and boots in minutes.
func (c *Container) Accelerated() bool {
	for _, list := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits} {
		for name, quantity := range list {
			known := name == "google.com/tpu" || slices.ContainsFunc(accelerators, func(start string) bool {
				return strings.HasPrefix(string(name), start)
			})
			if known && quantity.Sign() > 0 {
				return true
			}
		}
	}
	return false
}

// containers lists the sidecars, then the app containers, each as listed in the spec.
func containers(spec *corev1.PodSpec, owner Owners) []Container {
	list := make([]Container, 0, len(spec.Containers)+len(spec.InitContainers))
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; HasRestartPolicy(c, corev1.ContainerRestartPolicyAlways) {
			list = append(list, Container{Container: c, Class: Sidecar, LongRunning: true, Index: i})
		}
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		long := owner != Jobs && EffectiveRestartPolicy(spec, c) == corev1.RestartPolicyAlways
		list = append(list, Container{Container: c, Class: App, LongRunning: long, Index: i})
	}
	return list
}
