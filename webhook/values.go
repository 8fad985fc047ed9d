package webhook

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules/pod"
)

// values are read otherwise than their types say.
var values = json.JoinUnmarshalers(quantities, ports)

// quantities are read where that takes no time. The API server reads those of a custom resource not at all, so anyone
// who may write one could send the others.
var quantities = json.UnmarshalFromFunc(func(d *jsontext.Decoder, q *resource.Quantity) error {
	value, err := d.ReadValue()
	if err != nil || !pod.QuantityReadable(value) {
		return err
	}
	return q.UnmarshalJSON(value)
})

// ports are read as by their own UnmarshalJSON, which calls another decoder for each.
var ports = json.UnmarshalFromFunc(func(d *jsontext.Decoder, v *intstr.IntOrString) error {
	if d.PeekKind() == '"' {
		v.Type = intstr.String
		return json.UnmarshalDecode(d, &v.StrVal)
	}
	v.Type = intstr.Int
	return json.UnmarshalDecode(d, &v.IntVal)
})
