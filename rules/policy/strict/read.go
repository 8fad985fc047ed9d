package strict

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Read reads a node at a path into what a pointer points to. A *yaml.Node takes it as it is, to be read later.
func (r *Reader) Read(n *yaml.Node, path string, into any) {
	r.read(n, path, reflect.ValueOf(into).Elem(), false)
}

// read reads a node into a settable value. filled: it may not be left empty.
func (r *Reader) read(n *yaml.Node, path string, v reflect.Value, filled bool) {
	if n.Kind == yaml.AliasNode {
		r.inAlias++
		defer func() { r.inAlias-- }()
	}
	if !r.count(n, path) {
		return
	}
	r.Places[path] = n
	if later, is := reflect.TypeAssert[**yaml.Node](v.Addr()); is {
		*later = n // an alias too: what it expands to is counted when it is read
		return
	}
	n = Resolve(n)
	if r.declared(n, path, v) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.read(n, path, v.Elem(), filled)
		return
	case reflect.Struct:
		r.structure(n, path, v, filled)
		if selector, is := reflect.TypeAssert[*metav1.LabelSelector](v.Addr()); is && !r.tooLarge {
			r.selector(selector, path)
		}
	case reflect.Map:
		r.mapping(n, path, v)
	case reflect.Slice:
		r.list(n, path, v)
	case reflect.String:
		if s, ok := r.text(n, path, "text"); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		r.boolean(n, path, v)
	case reflect.Int32, reflect.Int64:
		r.integer(n, path, v, leastOf(v.Kind(), path[strings.LastIndexByte(path, '.')+1:]))
	default:
		panic("strict: cannot read a " + v.Type().String()) // a test of all parameters finds it before any user
	}
	if filled && isEmpty(n, v.Kind()) {
		r.failAt(n, path, "is empty, which limits nothing: remove the key, or write what is meant")
	}
}

// isEmpty tells whether a value is nothing, perhaps because all of it is in comments. {} for a struct is a way to say
// everything.
func isEmpty(n *yaml.Node, kind reflect.Kind) bool {
	return isNull(n) || len(n.Content) == 0 &&
		(n.Kind == yaml.SequenceNode || n.Kind == yaml.MappingNode && kind == reflect.Map)
}

// place is a field of a struct that is being read.
type place struct {
	field
	value reflect.Value
}

// places gathers fields by name, those of embedded structs included.
func places(v reflect.Value, into map[string]place) {
	for i := range v.NumField() {
		if v.Type().Field(i).Anonymous {
			places(v.Field(i), into)
		} else if declared, is := fieldOf(v.Type().Field(i)); is {
			into[declared.name] = place{declared, v.Field(i)}
		}
	}
}

func (r *Reader) structure(n *yaml.Node, path string, v reflect.Value, filled bool) {
	if abbreviated, is := reflect.TypeAssert[Abbreviated](v); is && n.Kind == yaml.ScalarNode && !isNull(n) {
		if full := abbreviated.InFull(n.Value); full != "" {
			r.failAt(n, path, "write %s, not %s", full, Describe(n))
			return
		}
	}
	fields := map[string]place{}
	places(v, fields)
	r.pairs(n, path, func(key, value *yaml.Node) {
		at := Join(path, key.Value)
		field, known := fields[key.Value]
		if !known {
			r.failAt(key, at, "%s", unknownKey(key.Value, slices.Sorted(maps.Keys(fields))))
			return
		}
		r.read(value, at, field.value, filled || field.filled)
	})
	for _, field := range fields {
		nothing := field.value.IsZero() || field.value.Kind() == reflect.Slice && field.value.Len() == 0
		if field.required != "" && nothing {
			r.missing(path, field.field)
		}
	}
}

// missing names a key that has to be there, unless a mistake says so already.
func (r *Reader) missing(path string, f field) {
	if at := Join(path, f.name); !r.tooLarge && !r.FailedBelow(at) && !r.FailedAt(path) {
		r.Fail(at, "is missing: %s", f.required)
	}
}

// unknownKey says what to write instead.
func unknownKey(key string, known []string) string {
	meant := DidYouMean(key, known)
	switch {
	case key == "<<":
		return "merge keys are not read here: write the keys out"
	case meant == "":
		return "unknown key: write " + OrList(known)
	}
	return "unknown key" + meant
}

func (r *Reader) mapping(n *yaml.Node, path string, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	r.pairs(n, path, func(key, value *yaml.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		r.read(value, Join(path, key.Value), element, false)
		v.SetMapIndex(reflect.ValueOf(key.Value), element)
	})
}

// pairs visits a mapping and refuses a key that is written twice.
func (r *Reader) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		if !isNull(n) {
			r.failAt(n, path, "is %s: write keys and values", Describe(n))
		}
		return
	}
	lines := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			r.failAt(key, path, "a key must be a word")
			continue
		}
		if line, twice := lines[key.Value]; twice {
			r.failAt(key, Join(path, key.Value), "duplicate key, first in line %d: remove one", line)
			continue
		}
		lines[key.Value] = key.Line
		visit(key, value)
	}
}

func (r *Reader) list(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		if !isNull(n) || n.Kind != yaml.ScalarNode { // all entries may be in comments
			r.failAt(n, path, "is %s: write a list", Describe(n))
		}
		return
	}
	if len(n.Content) > maxEntries {
		r.failAt(n, path, "has %d entries, more than %d: match more with fewer", len(n.Content), maxEntries)
		r.tooLarge = true
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		r.read(item, Entry(path, i), v.Index(i), false)
	}
}
