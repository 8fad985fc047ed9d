package webhook

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podvet/podvet/rules/pod"
)

// quantities are read where that takes no time. The API server reads those of a custom resource not at all, so anyone
// who may write one could send the others.
var quantities = json.UnmarshalFromFunc(func(d *jsontext.Decoder, q *resource.Quantity) error {
	value, err := d.ReadValue()
	if err != nil || !pod.QuantityReadable(value) {
		return err
	}
	return q.UnmarshalJSON(value)
})
