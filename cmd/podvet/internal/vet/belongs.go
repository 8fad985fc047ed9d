package vet

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/policy/strict"
)

// openTo are the maps in which any key is right, by the mapping that people write the key in.
var openTo = map[reflect.Type][]string{
	reflect.TypeFor[metav1.ObjectMeta]():           {"labels", "annotations"},
	reflect.TypeFor[metav1.LabelSelector]():        {"matchLabels"},
	reflect.TypeFor[corev1.ResourceRequirements](): {"limits", "requests"},
}

// belongs says what to do with an unknown key: where it is known, or what it may be meant for. What is written already
// is not advised: it would be a duplicate key.
func belongs(p *place) string {
	here, key := p.mapping(), p.key
	names := here.fields.names
	if near := here.fields.inOtherCase(key); near != "" {
		return here.write(near)
	}
	if here.fields.of == reflect.TypeFor[corev1.ExecAction]() && key == "args" {
		return "Add its words to command." // a container's args are another thing
	}
	written, owner := here.below(key, 1)
	if written == nil && owner == "" {
		written = here.unwritten(key)
	}
	if written != nil {
		return "Move it one level down, into " + strict.OrList(written) + "."
	}
	up, taken := here.over(key)
	if up != nil {
		return here.moveUp(up) + "."
	}
	if near := nearest(key, names); near != "" {
		return here.write(near)
	}
	if maps := openTo[here.fields.of]; maps != nil {
		return "Move it one level down, into " + strict.OrList(maps) + "."
	}
	if written, owner = here.below(key, 3); written != nil {
		return "Move it down, into " + strict.OrList(written) + "."
	}
	for q := here.mapping(); q != nil; q = q.mapping() {
		if near := nearest(key, q.fields.names); near != "" && !q.node.Has(near) {
			return here.moveUp(q) + ", and write " + near + "."
		}
	}
	if taken != nil {
		owner = taken.title()
	}
	if owner != "" {
		return fmt.Sprintf("Remove it, because %s has its own.", owner)
	}
	return "Remove it, or set --kubernetes if a newer version has it."
}

// write advises a key of the mapping in place of another.
func (p *place) write(key string) string {
	if !p.takes(key) {
		return fmt.Sprintf("Remove it, because an init container without restartPolicy Always has no %s.", key)
	}
	if p.node.Has(key) {
		return fmt.Sprintf("Remove it, because %s is there, too.", key)
	}
	return fmt.Sprintf("Write %s.", key)
}

// moveUp advises a mapping above another.
func (p *place) moveUp(to *place) string {
	if p.above == to {
		return "Move it one level up, into " + to.title()
	}
	return "Move it up, into " + to.title()
}

// title is what an advice calls a mapping.
func (p *place) title() string { return p.called("the container", "the top level") }

// over is the closest mapping above in which a key is known and not written, and the closest one in which it is.
func (p *place) over(key string) (free, taken *place) {
	for q := p.mapping(); q != nil; q = q.mapping() {
		if !q.takes(key) {
			continue
		}
		if !q.node.Has(key) {
			return q, taken
		}
		if taken == nil {
			taken = q
		}
	}
	return nil, taken
}

// maxBelow bounds the places below a mapping that are looked at.
const maxBelow = 1000

// below are the closest places below a mapping, down to so many levels, in which a key is known and not written. taken
// is one as close in which it is written, "" where there is none.
func (p *place) below(key string, levels int) (free []string, taken string) {
	left := maxBelow
	for level := []*place{p}; levels > 0 && free == nil && taken == ""; levels-- {
		next := make([]*place, 0, len(level))
		for _, q := range level {
			next = append(next, q.mappings(&left)...)
		}
		for _, q := range next {
			if !q.takes(key) {
				continue
			}
			name := q.entry(p)
			if q.node.Has(key) {
				taken = name
			} else if !slices.Contains(free, name) {
				free = append(free, name)
			}
		}
		level = next
	}
	if len(free) > 3 {
		return nil, taken
	}
	return free, taken
}

// mappings are those that the fields of a mapping are or list.
func (p *place) mappings(left *int) (list []*place) {
	for _, field := range p.node.Fields() {
		of := p.fields.types[field.Key]
		if of == nil || *left <= 0 {
			continue
		}
		child, t := newPlace(p, field.Key, -1, field.Value, of)
		if child.fields != nil {
			*left--
			list = append(list, child)
		}
		if t.Kind() != reflect.Slice {
			continue
		}
		for i, item := range child.node.Items() {
			if entry, _ := newPlace(child, "", i, item, t.Elem()); entry.fields != nil && *left > 0 {
				*left--
				list = append(list, entry)
			}
		}
	}
	return list
}

const grace = "terminationGracePeriodSeconds"

// takes tells whether the API server takes a key in a mapping: no plain init container has probes or hooks, nor an
// ephemeral one, and no readinessProbe a grace period (validateInitContainers, validateReadinessProbe).
func (p *place) takes(key string) bool {
	if _, known := p.fields.types[key]; !known {
		return false
	}
	list := ""
	if p.index >= 0 {
		list = p.above.key
	}
	switch key {
	case "livenessProbe", "readinessProbe", "startupProbe", "lifecycle":
		return list != "ephemeralContainers" && (list != "initContainers" || p.node.Text("restartPolicy") == "Always")
	case grace:
		return p.key != "readinessProbe"
	}
	return true
}

// entry is the path of a place below a mapping. Where it is one entry of several any of them may be meant.
func (p *place) entry(above *place) string {
	if p.index >= 0 && len(p.above.node.Items()) > 1 {
		return "an entry of " + p.above.from(above)
	}
	return p.from(above)
}

// oneOf are the mappings that hold a single one of several fields, such as a probe its handler.
var oneOf = []reflect.Type{reflect.TypeFor[corev1.Probe](), reflect.TypeFor[corev1.LifecycleHandler](),
	reflect.TypeFor[corev1.Volume](), reflect.TypeFor[corev1.EnvVarSource]()}

// unwritten are the fields of a mapping, none of them written, in which a key is known.
func (p *place) unwritten(key string) (names []string) {
	left := maxBelow
	if slices.Contains(oneOf, p.fields.of) && len(p.mappings(&left)) > 0 {
		return nil
	}
	for _, name := range p.fields.names {
		t := p.fields.types[name]
		if t == nil || p.node.Has(name) || !p.takes(name) {
			continue
		}
		of, _ := held(t)
		if of == reflect.TypeFor[corev1.Probe]() && key == grace { // the pod's is meant
			continue
		}
		if _, known := fieldsOf(of).types[key]; !known {
			continue
		}
		if t.Kind() == reflect.Slice {
			name = "an entry of " + name
		}
		names = append(names, name)
	}
	if len(names) > 3 {
		return nil
	}
	return names
}

// inOtherCase is a name that differs from a key in its letter case alone, "" for none.
func (f *fields) inOtherCase(key string) string {
	for _, name := range f.names {
		if strings.EqualFold(name, key) {
			return name
		}
	}
	return ""
}

// nearest is the name that a key is probably meant for, "" where none is near. A long key is no slip.
func nearest(key string, names []string) string {
	if len(key) > maxShown {
		return ""
	}
	return strict.Nearest(key, names)
}
