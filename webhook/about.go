package webhook

import (
	"bytes"
	"cmp"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/podvet/podvet/rules/pod"
)

// call is one review on its way: what the log can say of it.
type call struct {
	endpoint string
	body     []byte       // nil until it is read
	request  *request     // nil until it is decoded
	subject  *pod.Subject // nil until it is read, and where there is nothing to judge
	hold     *hold
}

// about names the object of a review, also of one that could not be decoded, as far as that is known.
func (c *call) about() []any {
	var n names
	switch {
	case c.request == nil:
		n = glance(c.body)
	case c.subject != nil: // made with generateName it has no name in the request yet
		n = names{string(c.request.UID), c.request.Kind.Kind, c.request.Namespace, c.subject.Name}
	default:
		n = names{string(c.request.UID), c.request.Kind.Kind, c.request.Namespace, c.request.Name}
	}
	if n.name == "" {
		n.name = glance(c.body).name
	}
	if n == (names{}) {
		return []any{"endpoint", c.endpoint}
	}
	return []any{"endpoint", c.endpoint, "uid", legible(n.uid), "kind", legible(n.kind),
		"namespace", legible(n.namespace), "name", legible(n.name)}
}

// names are what a line in the log says of an object.
type names struct{ uid, kind, namespace, name string }

// maxGlance is how much of a body is looked at for names: the API server writes them first.
const maxGlance = 64 << 10

// glance finds the names in a body that was not decoded: one that is cut or broken, or that came when all were busy.
func glance(body []byte) (found names) {
	var generated string
	d := jsontext.NewDecoder(bytes.NewReader(body[:min(len(body), maxGlance)]), decodeOptions)
	for {
		token, err := d.ReadToken()
		if err != nil {
			found.name = cmp.Or(found.name, generated)
			return found
		}
		// Deeper is nothing to look for. After a key the count of keys and values is odd.
		if _, n := d.StackIndex(d.StackDepth()); token.Kind() != '"' || d.StackDepth() > 4 || n%2 == 1 {
			continue
		}
		switch text := token.String(); d.StackPointer() {
		case "/request/uid":
			found.uid = text
		case "/request/kind/kind":
			found.kind = text
		case "/request/namespace":
			found.namespace = text
		case "/request/name":
			found.name = text
		case "/request/object/metadata/name", "/request/object/metadata/generateName":
			generated = text
		}
	}
}
