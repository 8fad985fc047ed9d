package budget

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// Room is where a pod is decoded, with place for as many containers as most have. A new one for each review would be a
// third of what the collector has to do.
type Room struct {
	Pod        corev1.Pod
	containers [4]corev1.Container
	init       [2]corev1.Container
}

var rooms = sync.Pool{New: func() any { return new(Room) }}

// Enter takes an empty room, with place for all containers: lists that grow would be copied again and again.
func Enter(containers, initContainers int) *Room {
	r := rooms.Get().(*Room)
	r.Pod.Spec.Containers = slices.Grow(r.containers[:0], containers)
	r.Pod.Spec.InitContainers = slices.Grow(r.init[:0], initContainers)
	return r
}

// Leave gives a room back, nil for none. Nothing of the pod is looked at any more.
func (r *Room) Leave() {
	if r != nil {
		*r = Room{}
		rooms.Put(r)
	}
}
