package rules

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/pod"
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

// Patch is what turns the object of a subject into that of its repaired copy. It writes single numbers or whole new
// probes and hooks below parents that are there. So it applies by construction and cannot drop a field that it does not
// know.
func Patch(before, after *pod.Subject) []Operation {
	if before == after {
		return nil
	}
	base := pointer(before.Path())
	var ops []Operation
	ops = patchContainers(ops, base+"/initContainers/", before.Spec.InitContainers, after.Spec.InitContainers)
	ops = patchContainers(ops, base+"/containers/", before.Spec.Containers, after.Spec.Containers)
	if was, is := before.Spec.TerminationGracePeriodSeconds, after.Spec.TerminationGracePeriodSeconds; was != is {
		ops = append(ops, add(base+"/terminationGracePeriodSeconds", *is))
	}
	return ops
}

var escaped = strings.NewReplacer("~", "~0", "/", "~1")

// pointer is a path of an object as RFC 6901 writes it: of spec.groups[2].template /spec/groups/2/template.
func pointer(path string) string {
	var out strings.Builder
	for path != "" {
		end := strings.IndexAny(path, ".[")
		step, rest := path, ""
		switch {
		case end == 0 && path[0] == '[':
			step, rest, _ = strings.Cut(path[1:], "]")
		case end >= 0:
			step, rest = path[:end], path[end:]
		}
		out.WriteString("/" + escaped.Replace(step))
		path = strings.TrimPrefix(rest, ".")
	}
	return out.String()
}

func patchContainers(ops []Operation, list string, before, after []corev1.Container) []Operation {
	for i := range after {
		for _, kind := range pod.ProbeKinds {
			if was, is := *kind.Field(&before[i]), *kind.Field(&after[i]); was != is {
				ops = patchProbe(ops, list+strconv.Itoa(i)+"/"+kind.String(), was, is)
			}
		}
		if was, is := before[i].Lifecycle, after[i].Lifecycle; was != is {
			ops = patchLifecycle(ops, list+strconv.Itoa(i)+"/lifecycle", was, is)
		}
	}
	return ops
}

func patchProbe(ops []Operation, path string, before, after *corev1.Probe) []Operation {
	if before == nil {
		return append(ops, add(path, after))
	}
	if before.TimeoutSeconds != after.TimeoutSeconds {
		ops = append(ops, add(path+"/timeoutSeconds", after.TimeoutSeconds))
	}
	if before.PeriodSeconds != after.PeriodSeconds {
		ops = append(ops, add(path+"/periodSeconds", after.PeriodSeconds))
	}
	if before.FailureThreshold != after.FailureThreshold {
		ops = append(ops, add(path+"/failureThreshold", after.FailureThreshold))
	}
	return ops
}

func patchLifecycle(ops []Operation, path string, before, after *corev1.Lifecycle) []Operation {
	if before == nil {
		return append(ops, add(path, after))
	}
	return append(ops, add(path+"/preStop", after.PreStop))
}

// Annotate records on a pod what was fixed. It keeps what an earlier pass recorded, because the API server calls again
// when a later webhook has changed the pod.
func Annotate(meta *metav1.ObjectMeta, fixed []Fixed) Operation {
	var entries []string
	if old := meta.Annotations[FixedAnnotation]; old != "" {
		entries = strings.Split(old, ",")
	}
	for _, f := range fixed {
		if entry := f.String(); !slices.Contains(entries, entry) {
			entries = append(entries, entry)
		}
	}
	value := visible(strings.Join(entries, ",")) // anyone may have written what was there
	if len(meta.Annotations) == 0 {
		return add("/metadata/annotations", map[string]string{FixedAnnotation: value})
	}
	return add("/metadata/annotations/"+strings.ReplaceAll(FixedAnnotation, "/", "~1"), value)
}
