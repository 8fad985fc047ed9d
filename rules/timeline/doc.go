// Package timeline is the life of a pod as a simulation. It reads like a description of the kubelet: what its probe
// workers do (worker.go), which status it keeps of a container (status.go), what it decides in a sync of the pod
// (actions.go), how it restarts (sync.go, backoff.go) and how it stops containers (stop.go). Events come from one queue
// in the order of time. There are no goroutines and no clock: one scenario with one timing is always one life.
//
// What is instant here takes a moment on a node: pulling images, making containers, a sync without kills. Of the
// kubelet's loops the periods are kept, and their phases are drawn (Timing).
//
// In comments K is k8s.io/kubernetes v1.37.2, where each fact was read.
package timeline
