package strict

import (
	"maps"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Schemas makes schemas of Go types, by what the types and their tags declare.
type Schemas struct {
	Types  map[reflect.Type]Schema // of types that cannot declare it themselves
	Fields map[string]Schema       // what is added, by the names of the struct and the field, or of the struct
}

// Of is the schema of a type.
func (s *Schemas) Of(t reflect.Type) Schema { return s.of(t, field{}) }

// OrNull also takes nothing: what is below may be in comments.
func OrNull(s Schema) Schema {
	s["type"] = []any{s["type"], "null"}
	return s
}

// NonEmpty takes no list and no mapping without entries.
func NonEmpty(s Schema) Schema {
	if s["items"] != nil {
		s["type"], s["minItems"] = "array", 1
	} else {
		s["type"], s["minProperties"] = "object", 1
	}
	return s
}

// of is the schema of a field's type.
func (s *Schemas) of(t reflect.Type, f field) Schema {
	if known := s.Types[t]; known != nil {
		return maps.Clone(known)
	}
	if known := ofKubernetes(t); known != nil {
		return known
	}
	switch value := reflect.New(t).Interface().(type) {
	case *yaml.Node, **yaml.Node:
		return Schema{"type": "object"}
	case EnumList:
		return Schema{"type": []string{"boolean", "array"}, "minItems": 1, "items": s.of(t.Elem(), field{})}
	case Enum:
		return Schema{"type": "string", "enum": value.Words()}
	case Described:
		return value.Schema()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem(), f)
	case reflect.Struct:
		return s.object(t, f.filled)
	case reflect.Map:
		return s.orFilled(Schema{"type": "object", "additionalProperties": s.of(t.Elem(), field{})}, f.filled)
	case reflect.Slice:
		return s.orFilled(Schema{"type": "array", "items": s.of(t.Elem(), field{})}, f.filled || f.required != "")
	case reflect.String:
		return Schema{"type": "string"}
	case reflect.Bool:
		return Schema{"type": "boolean"}
	case reflect.Int32, reflect.Int64:
		return Schema{"type": "integer", "minimum": leastOf(t.Kind(), f.name), "maximum": mostOf(t.Kind())}
	}
	panic("strict: no schema for " + t.String()) // a test of the whole schema finds it before any user
}

func (s *Schemas) orFilled(list Schema, filled bool) Schema {
	if filled {
		return NonEmpty(list)
	}
	return OrNull(list)
}

// added is what is said of a struct or a field beyond its type.
func (s *Schemas) added(name string) Schema {
	if ours := s.Fields[name]; ours != nil {
		return ours
	}
	return fieldsOfKubernetes[name]
}

func (s *Schemas) object(t reflect.Type, filled bool) Schema {
	properties, required := Schema{}, []string{}
	s.properties(t, filled, properties, &required)
	object := Schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		object["required"] = required
	}
	maps.Copy(object, s.added(t.Name()))
	return object
}

// properties gathers the fields of a struct, those of embedded ones included.
func (s *Schemas) properties(t reflect.Type, filled bool, properties Schema, required *[]string) {
	described := map[string]string{}
	if documented, ok := reflect.TypeAssert[interface{ SwaggerDoc() map[string]string }](reflect.New(t)); ok {
		described = documented.SwaggerDoc() // Kubernetes' own words
	}
	for structField := range t.Fields() {
		if structField.Anonymous {
			s.properties(structField.Type, filled, properties, required)
			continue
		}
		f, is := fieldOf(structField)
		if !is {
			continue
		}
		f.filled = f.filled || filled
		property := s.of(structField.Type, f)
		maps.Copy(property, s.added(t.Name()+"."+f.name))
		if f.doc != "" {
			property["description"] = f.doc
		} else if described[f.name] != "" {
			property["description"] = described[f.name]
		}
		properties[f.name] = property
		if f.required != "" {
			*required = append(*required, f.name)
		}
	}
}
