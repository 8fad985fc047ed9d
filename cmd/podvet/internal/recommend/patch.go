package recommend

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// advised stands for a rule in what is said of a manifest that is left alone.
var advised = &rules.Rule{ID: "recommend"}

// Change is what the report changes in a manifest: the numbers are those that fit the probes which stand there.
func (r *Report) Change(doc *manifest.Document) (change manifest.Change, problem *manifest.Problem) {
	if doc.Object == nil {
		return change, nil
	}
	s, ok := pod.Read(doc.Object)
	if !ok {
		return change, nil
	}
	w := r.collected.workloadLike(Owner{s.Namespace, s.Kind, s.Name})
	var unseen []string
	base := "/" + strings.ReplaceAll(s.Path(), ".", "/") + "/"
	for i := range s.Containers {
		c := &s.Containers[i]
		if !c.LongRunning {
			continue
		}
		if w == nil || w.seen[c.Name] == nil {
			unseen = append(unseen, c.Name)
			continue
		}
		for _, a := range w.seen[c.Name].result(s, c.Name, r.options).Advice {
			path := base + c.List() + "/" + strconv.Itoa(c.Index) + "/"
			if a.Field == graceField {
				path = base
			}
			change.Operations = add(change.Operations, path+strings.ReplaceAll(a.Field, ".", "/"), a.value())
			change.Fixed = append(change.Fixed, rules.Fixed{Rule: advised, Container: c.Name})
		}
	}
	if len(unseen) > 0 && len(change.Operations) == 0 {
		text := fmt.Sprintf("%s: no starts of container %s were seen", doc.Title(), strings.Join(unseen, ", "))
		if s.Namespace != "" {
			text += " in namespace " + s.Namespace
		}
		return change, &manifest.Problem{File: doc.File, Line: doc.Line, Text: text}
	}
	return change, nil
}

// add adds an operation unless it is there already: all containers share the grace period.
func add(ops []rules.Operation, path string, value any) []rules.Operation {
	for _, op := range ops {
		if op.Path == path {
			return ops
		}
	}
	return append(ops, rules.Operation{Op: "add", Path: path, Value: value})
}

// value is the value as people write it.
func (a Advice) value() any {
	if probe, ok := a.Value.(*corev1.Probe); ok {
		return vet.WithoutDefaults(probe)
	}
	return a.Value
}

// workloadLike finds an owner, also for a manifest that leaves the namespace to kubectl: then the name must be the only
// one.
func (c *Collector) workloadLike(o Owner) (found *workload) {
	if w := c.owners[o]; w != nil {
		return w
	}
	for other, w := range c.owners {
		if o.Namespace == "" && other.Kind == o.Kind && other.Name == o.Name {
			if found != nil {
				return nil
			}
			found = w
		}
	}
	return found
}

// Commands writes a kubectl patch for each owner.
func (r *Report) Commands(w io.Writer) error {
	for _, line := range r.nothing() {
		if _, err := fmt.Fprintln(w, "# "+line); err != nil {
			return err
		}
	}
	for i := 0; i < len(r.Containers); {
		first := &r.Containers[i]
		var list []*Result
		for ; i < len(r.Containers) && r.Containers[i].owner() == first.owner(); i++ {
			if len(r.Containers[i].Advice) > 0 {
				list = append(list, &r.Containers[i])
			}
		}
		if len(list) == 0 {
			continue
		}
		text, err := r.command(first.owner(), list)
		if err == nil {
			_, err = fmt.Fprintln(w, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Result) owner() Owner { return Owner{r.Namespace, r.Kind, r.Name} }

// command is the kubectl patch for one owner, by a strategic merge: lists of containers are merged by their names.
func (r *Report) command(o Owner, list []*Result) (string, error) {
	path := templatePath(o.Kind)
	if path == "" {
		return fmt.Sprintf("# %s/%s: write podvet recommend -o patch FILE for its manifest.", o.Kind, o.Name), nil
	}
	s := r.collected.owners[o].subject
	spec := map[string]any{}
	for _, one := range list {
		c := containerOf(s, one.Container)
		container := map[string]any{"name": c.Name}
		for _, a := range one.Advice {
			if a.Field == graceField {
				spec[graceField] = a.Value
				continue
			}
			probe, field, inside := strings.Cut(a.Field, ".")
			if !inside {
				container[probe] = a.value()
				continue
			}
			fields, _ := container[probe].(map[string]any)
			if fields == nil {
				fields = map[string]any{}
				container[probe] = fields
			}
			fields[field] = a.Value
		}
		if len(container) > 1 {
			all, _ := spec[c.List()].([]any)
			spec[c.List()] = append(all, container)
		}
	}
	var patch any = spec
	for _, name := range slices.Backward(strings.Split(path, ".")) {
		patch = map[string]any{name: patch}
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return "", err
	}
	namespace := ""
	if o.Namespace != "" {
		namespace = "-n " + o.Namespace + " "
	}
	return fmt.Sprintf("kubectl patch %s%s %s --type strategic -p '%s'", namespace, strings.ToLower(o.Kind), o.Name,
		strings.ReplaceAll(string(text), "'", `'\''`)), nil
}

// templatePath is where a workload of one of Kubernetes' own kinds has its pods' spec, "" for a pod, whose probes never
// change, and for kinds that take no strategic merge.
func templatePath(kind string) string {
	own := []string{"apps/v1", "batch/v1", "v1"}
	if kind == "Pod" || !slices.Contains(own, pod.APIVersion(kind)) {
		return ""
	}
	return pod.TemplatePath(kind) + ".spec"
}
