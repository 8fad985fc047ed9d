package webhook

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// room is where a pod is decoded, with place for as many containers as most have. A new one for each review would be a
// third of what the collector has to do.
type room struct {
	pod        corev1.Pod
	containers [4]corev1.Container
	init       [2]corev1.Container
}

var rooms = sync.Pool{New: func() any { return new(room) }}

// enter takes an empty room, with place for all containers: lists that grow would be copied again and again.
func enter(containers, initContainers int) *room {
	r := rooms.Get().(*room)
	r.pod.Spec.Containers = slices.Grow(r.containers[:0], containers)
	r.pod.Spec.InitContainers = slices.Grow(r.init[:0], initContainers)
	return r
}

// leave gives a room back, nil for none. Nothing of the pod is looked at any more.
func (r *room) leave() {
	if r != nil {
		*r = room{}
		rooms.Put(r)
	}
}
