// Package pod knows what Kubernetes does with a pod: the kinds of workloads that make pods, what the API server fills
// in and refuses, which containers are restarted, how long probes take and where they connect, and what differs by
// version of the kubelet. It stands on k8s.io/api and apimachinery alone and knows no rules and no policies.
//
// In comments K is k8s.io/kubernetes v1.37.2, where each fact was read.
package pod
