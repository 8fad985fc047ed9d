package vet

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/custom"
)

// fields are what a struct of Kubernetes' API has, by the names that manifests use.
type fields struct {
	of    reflect.Type
	names []string
	types map[string]reflect.Type // nil for a value that holds no fields
}

var readFields sync.Map // *fields by the reflect.Type of a struct

// fieldsOf are the fields of a struct, those that it embeds included.
func fieldsOf(t reflect.Type) *fields {
	if known, ok := readFields.Load(t); ok {
		return known.(*fields)
	}
	read := &fields{of: t, types: map[string]reflect.Type{}}
	read.add(t)
	known, _ := readFields.LoadOrStore(t, read)
	return known.(*fields)
}

func (f *fields) add(t reflect.Type) {
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			f.add(field.Type)
		case name != "" && name != "-":
			f.names = append(f.names, name)
			f.types[name] = nil
			if _, holds := held(field.Type); holds {
				f.types[name] = field.Type
			}
		}
	}
}

var ownFormat = reflect.TypeFor[json.Unmarshaler]()

// held is the struct that a value is, or holds in lists and maps. A type with a format of its own, such as a Quantity,
// holds none.
func held(t reflect.Type) (reflect.Type, bool) {
	if reflect.PointerTo(t).Implements(ownFormat) {
		return nil, false
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return held(t.Elem())
	case reflect.Struct:
		return t, true
	}
	return nil, false
}

// place is a value in a document and the way to it from the object.
type place struct {
	above  *place // nil for the object
	key    string // in the mapping above
	index  int    // in the list above, -1 in a mapping
	node   manifest.Node
	fields *fields // of a mapping that is a struct of the API, nil for all else
	path   string  // in the document, of one without a place above
}

// newPlace is a value of a type; below a pointer it is of what that points to.
func newPlace(above *place, key string, index int, node manifest.Node, t reflect.Type) (*place, reflect.Type) {
	p := &place{above: above, key: key, index: index, node: node}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		p.fields = fieldsOf(t)
	}
	return p, t
}

// mapping is the closest mapping above with fields of the API; nil for the object.
func (p *place) mapping() *place {
	for p = p.above; p != nil && p.fields == nil; p = p.above {
	}
	return p
}

// from is the path from a place above it, "" from itself. A key that would be read as several stands in brackets.
func (p *place) from(above *place) string {
	if p == above || p.above == nil {
		if above == nil {
			return p.path
		}
		return ""
	}
	path := p.above.from(above)
	if p.index >= 0 {
		return path + "[" + strconv.Itoa(p.index) + "]"
	}
	return custom.Below(path, shown(p.key))
}

// container is the container that a place is in, or is itself; nil for none.
func (p *place) container() *place {
	for p != nil && (p.fields == nil || p.fields.of != reflect.TypeFor[corev1.Container]()) {
		p = p.above
	}
	return p
}

// name is what a message calls a mapping: a path within its container, or in the object, of which a long one loses its
// start.
func (p *place) name() string {
	path := p.from(p.container())
	for len(path) > maxShown && strings.Contains(path, ".") {
		_, path, _ = strings.Cut(path, ".")
	}
	return shown(path)
}

// called is a mapping's name, or a word for a container and one for the object.
func (p *place) called(container, object string) string {
	switch {
	case p == p.container():
		return container
	case p.above == nil && p.path == "":
		return object
	}
	return p.name()
}

// maxShown is the longest that a key or a path gets in a message, in characters.
const maxShown = 60

func shown(text string) string { return rules.Truncate(text, maxShown) }
