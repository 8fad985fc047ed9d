package webhook

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/webhook/budget"
)

// templateOptions leave an object's own metadata out, which is the larger part of many: managed fields, annotations.
var templateOptions = json.JoinOptions(decodeOptions, json.WithUnmarshalers(json.JoinUnmarshalers(values,
	json.UnmarshalFromFunc(func(d *jsontext.Decoder, _ *metav1.ObjectMeta) error {
		if d.StackDepth() > 1 {
			return errors.ErrUnsupported // that of the template is read
		}
		return d.SkipValue()
	}))))

// readSubject reads a pod or a workload of the request, as the rules see it: in the request's namespace, and with the
// API defaults, which a hand-made review may lack and the patch never writes. It returns nil for a kind that podvet
// does not know, for a workload without a template, and for an object that is being deleted: nobody may stand in its
// way.
func readSubject(r *request, raw jsontext.Value, options json.Options) (*pod.Subject, error) {
	object, err := readObject(r, raw, options)
	if err != nil || object == nil || object.GetDeletionTimestamp() != nil {
		return nil, err
	}
	subject, _ := pod.Read(object)
	if subject != nil {
		subject.Namespace = r.Namespace // whatever the object says
	}
	return subject, nil
}

func readObject(r *request, raw jsontext.Value, options json.Options) (pod.Object, error) {
	if r.decoded {
		return &r.room.Pod, nil
	}
	object := emptyFor(r)
	if object == nil {
		return nil, nil
	}
	if len(raw) == 0 || raw.Kind() != '{' {
		return nil, badRequest("the request has no object")
	}
	if err := json.Unmarshal(raw, object, options); err != nil {
		return nil, badRequest("the object cannot be read: %s", told(err, len(raw)))
	}
	return object, nil
}

// emptyFor is an empty object of the request's kind, nil for a kind that podvet does not know.
func emptyFor(r *request) pod.Object {
	if r.Kind == (metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}) && r.room == nil {
		r.room = budget.Enter(r.containers, r.initContainers)
		return &r.room.Pod
	}
	return pod.NewObject(schema.GroupVersion{Group: r.Kind.Group, Version: r.Kind.Version}.String(), r.Kind.Kind)
}
