package rules

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FixedAnnotation records on a pod which fixes were applied: rule/container, separated by commas.
const FixedAnnotation = "podvet.dev/fixed"

// Operation is one operation of a JSON Patch (RFC 6902), always an add: on a field that is there, add replaces.
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

func add(path string, value any) Operation { return Operation{Op: "add", Path: path, Value: value} }

// Patch is what turns a pod with the spec before into one with the spec after, as far as fixes reach, and
// records in its annotations what was fixed. It writes single numbers or whole new probes below
// parents that are there, so it applies by construction and cannot drop a field it does not know.
func Patch(before, after *corev1.PodSpec, meta *metav1.ObjectMeta, fixed []Fixed) []Operation {
	if len(fixed) == 0 {
		return nil
	}
	var ops []Operation
	ops = patchContainers(ops, "/spec/initContainers", before.InitContainers, after.InitContainers)
	ops = patchContainers(ops, "/spec/containers", before.Containers, after.Containers)
	if !equalPtr(before.TerminationGracePeriodSeconds, after.TerminationGracePeriodSeconds) {
		ops = append(ops, add("/spec/terminationGracePeriodSeconds", *after.TerminationGracePeriodSeconds))
	}
	return append(ops, annotate(meta, fixed))
}

func patchContainers(ops []Operation, list string, before, after []corev1.Container) []Operation {
	for i := range after {
		path := fmt.Sprintf("%s/%d", list, i)
		for kind := Liveness; kind <= Startup; kind++ {
			ops = patchProbe(ops, path+"/"+kind.String(), *probeField(&before[i], kind), *probeField(&after[i], kind))
		}
	}
	return ops
}

func patchProbe(ops []Operation, path string, before, after *corev1.Probe) []Operation {
	if before == after {
		return ops
	}
	if before == nil {
		return append(ops, add(path, after))
	}
	if before.TimeoutSeconds != after.TimeoutSeconds {
		ops = append(ops, add(path+"/timeoutSeconds", after.TimeoutSeconds))
	}
	if before.FailureThreshold != after.FailureThreshold {
		ops = append(ops, add(path+"/failureThreshold", after.FailureThreshold))
	}
	return ops
}

// annotate keeps what an earlier pass recorded, for the API server asks again when a later webhook has
// changed the pod.
func annotate(meta *metav1.ObjectMeta, fixed []Fixed) Operation {
	var entries []string
	if old := meta.Annotations[FixedAnnotation]; old != "" {
		entries = strings.Split(old, ",")
	}
	for _, f := range fixed {
		if entry := f.String(); !slices.Contains(entries, entry) {
			entries = append(entries, entry)
		}
	}
	value := strings.Join(entries, ",")
	if len(meta.Annotations) == 0 {
		return add("/metadata/annotations", map[string]string{FixedAnnotation: value})
	}
	return add("/metadata/annotations/"+strings.ReplaceAll(FixedAnnotation, "/", "~1"), value)
}
