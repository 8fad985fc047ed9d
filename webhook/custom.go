package webhook

import (
	"bytes"
	"context"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// customTemplates are where an object of the request may hold pod templates, nil for one of Kubernetes' own kinds.
func customTemplates(r *request, p *policy.Policy) []*custom.Template {
	if r.Kind.Kind == "Pod" { // most are
		return nil
	}
	return p.TemplatesOf(schema.GroupVersion{Group: r.Kind.Group, Version: r.Kind.Version}.String(), r.Kind.Kind)
}

// validateCustom judges the pod templates of a custom resource that are new. It never refuses, and what it cannot read
// it leaves to the resource's own schema.
func validateCustom(ctx context.Context,
	r *request, rows []*custom.Template, p *policy.Policy, namespaceLabels map[string]string,
) verdict {
	object := value(r.Object)
	metadata, _ := object.Field("metadata")
	if _, ends := metadata.Field("deletionTimestamp"); ends || r.SubResource != "" ||
		r.Operation != "CREATE" && r.Operation != "UPDATE" {
		return verdict{}
	}
	in := custom.Object{Name: r.Name, Namespace: r.Namespace}
	if in.Name == "" {
		in.Name = metadata.Text("generateName")
	}
	var v verdict
	for _, row := range rows {
		before := map[string]*pod.Subject{} // by path
		for _, s := range readTemplates(row, in, value(r.OldObject)) {
			before[s.Path()] = s
		}
		for _, s := range readTemplates(row, in, object) {
			if old := before[s.Path()]; old != nil && same(old, s) {
				continue
			}
			v.add(validate(s, bounded(ctx, p.For(s, namespaceLabels), s)))
		}
	}
	v.policy = p.Hash
	return v
}

func readTemplates(row *custom.Template, in custom.Object, object value) []*pod.Subject {
	return custom.Read(row, in, object, func(at custom.Place[value], into any) bool {
		return json.Unmarshal(at.Node, into, decodeOptions) == nil
	})
}

// value is a value of a review's object. It is read where it is, not copied.
type value jsontext.Value

// Field is the last value of a key, as encoding/json has it.
func (v value) Field(name string) (found value, is bool) {
	for key, n := range v.Values {
		if key == name {
			found, is = n, n[0] != 'n'
		}
	}
	return found, is
}

// Text is the value of a key that is text.
func (v value) Text(name string) (text string) {
	if field, is := v.Field(name); is && field[0] == '"' {
		_ = json.Unmarshal(field, &text, decodeOptions) // it was read once
	}
	return text
}

// Entries are those of a list.
func (v value) Entries(yield func(n value) bool) {
	v.read('[', func(d *jsontext.Decoder) bool { return yield(v.next(d)) })
}

// Values are those of an object.
func (v value) Values(yield func(key string, n value) bool) {
	v.read('{', func(d *jsontext.Decoder) bool {
		key, err := d.ReadToken()
		return err == nil && yield(key.String(), v.next(d))
	})
}

// read calls for each entry of a list or an object, until it returns false or what comes is not JSON.
func (v value) read(opens jsontext.Kind, entry func(*jsontext.Decoder) bool) {
	if len(v) == 0 || jsontext.Value(v).Kind() != opens {
		return
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v), decodeOptions)
	_, err := d.ReadToken()
	for err == nil && d.PeekKind() != '}' && d.PeekKind() != ']' && d.PeekKind() != 0 && entry(d) {
	}
}

// next is the value that the decoder comes to.
func (v value) next(d *jsontext.Decoder) value {
	text, err := d.ReadValue()
	if err != nil {
		return value("null")
	}
	end := int(d.InputOffset())
	return v[end-len(text) : end]
}
