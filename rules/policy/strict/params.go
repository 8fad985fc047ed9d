package strict

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podvet/podvet/rules/pod"
)

// Params are parameters with defaults, as one entry of a document writes them.
type Params struct {
	Value   any   // a struct, with the defaults where nothing is written
	written []int // the fields of it that are
	empty   []int // those of them of which all entries are in comments
}

// Writes tells whether a parameter is written, not only its name, by its index in the struct.
func (p *Params) Writes(field int) bool {
	return slices.Contains(p.written, field) && !slices.Contains(p.empty, field)
}

// Over lays the parameters that are written over others of the same type, nil for the defaults.
func (p *Params) Over(below any) any {
	if below == nil {
		return p.Value
	}
	value, merged := reflect.ValueOf(p.Value), reflect.New(reflect.TypeOf(below)).Elem()
	merged.Set(reflect.ValueOf(below))
	for _, i := range p.written {
		merged.Field(i).Set(value.Field(i))
	}
	return merged.Interface()
}

// Params reads parameters over their defaults, a struct.
func (r *Reader) Params(n *yaml.Node, path string, defaults any) *Params {
	value := reflect.New(reflect.TypeOf(defaults))
	value.Elem().Set(reflect.ValueOf(defaults))
	before := len(r.errs)
	r.Read(n, path, value.Interface())
	misread := slices.Clone(r.errs[before:])
	params := &Params{Value: value.Elem().Interface()}
	if checked, ok := params.Value.(interface{ Problems() []pod.Problem }); ok {
		for _, problem := range checked.Problems() {
			// Of what could not be read nothing more can be said.
			at := Join(path, problem.Path)
			if !slices.ContainsFunc(misread, func(e Error) bool { return strings.HasPrefix(e.Path, at) }) {
				r.Fail(at, "%s", problem.Text)
			}
		}
	}
	for i := range value.Elem().NumField() {
		name := Join(path, value.Elem().Type().Field(i).Tag.Get("json"))
		switch isMap := value.Elem().Field(i).Kind() == reflect.Map; {
		case r.Places[name] == nil:
		case r.Line(name) > 0:
			params.written = append(params.written, i)
		case isMap: // a list with all entries in comments stays as it was, a mapping is empty
			params.written, params.empty = append(params.written, i), append(params.empty, i)
		}
	}
	return params
}
