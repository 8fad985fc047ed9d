package webhook

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/webhook/budget"
)

// The envelope of admission.k8s.io/v1, as far as podvet reads or writes it. The object stays raw until its kind is
// known: one decode into the right type, and no field it does not know is ever touched.
type request struct {
	UID         types.UID               `json:"uid"`
	Kind        metav1.GroupVersionKind `json:"kind"`
	SubResource string                  `json:"subResource"`
	Name        string                  `json:"name"`
	Namespace   string                  `json:"namespace"`
	Operation   string                  `json:"operation"`
	DryRun      bool                    `json:"dryRun"`
	Object      jsontext.Value          `json:"-"` // a part of the body, as OldObject is
	OldObject   jsontext.Value          `json:"-"`

	containers, initContainers int          // of the object, if it is a pod
	room                       *budget.Room // where the pod is decoded
	decoded                    bool         // it is there
}

// asked is a review as it is read.
type asked struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Request    *request `json:"request"`
}

// response is what podvet answers, by the field names of admission.k8s.io/v1.
type response struct {
	UID              types.UID
	Allowed          bool
	Status           *status
	Patch            []byte       // a JSON Patch, nil for none
	AuditAnnotations *annotations // nil for none
	Warnings         []string
}

// annotations are those that the API server puts into its audit log, the webhook's name and a slash before each key.
type annotations struct {
	findings, fixed string // "" for none
	policy          string
}

type status struct {
	Message string
	Reason  metav1.StatusReason
	Code    int32
}

const (
	reviewAPIVersion = "admission.k8s.io/v1"
	reviewKind       = "AdmissionReview"
)

// As the API server's own decoder: duplicate names and broken UTF-8 are no reason to refuse a pod.
var decodeOptions = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true),
	json.WithUnmarshalers(values))

// The API types' omitempty means what it means to encoding/json: zero numbers are left out.
var encodeOptions = json.JoinOptions(jsonv1.OmitEmptyWithLegacySemantics(true), json.Deterministic(true),
	jsontext.AllowInvalidUTF8(true))

// fault is why podvet cannot judge. It becomes an HTTP error without a review, so that the webhook's
// failurePolicy decides; a review that says "not allowed" would refuse the pod even with Ignore.
type fault struct {
	code int
	text string
}

func (f *fault) Error() string { return f.text }

func badRequest(format string, args ...any) *fault {
	return &fault{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// decodeReview reads the envelope. The objects in it are left where they are: most of a review is theirs, and they are
// read once, as what they are, or not at all.
func decodeReview(body []byte, at budget.Parts) (*request, error) {
	var r asked
	if err := json.Unmarshal(at.Envelope(body), &r, decodeOptions); err != nil {
		return nil, badRequest("the body is not an AdmissionReview: %s", told(err, len(body)))
	}
	if r.Kind != reviewKind || r.APIVersion != reviewAPIVersion {
		return nil, badRequest("the body is a %q of %q, but podvet answers an AdmissionReview of %s: "+
			"list v1 in the webhook's admissionReviewVersions",
			legible(r.Kind), legible(r.APIVersion), reviewAPIVersion)
	}
	if r.Request == nil {
		return nil, badRequest("the AdmissionReview has no request")
	}
	r.Request.Object, r.Request.OldObject = at.Object.Of(body), at.OldObject.Of(body)
	r.Request.containers, r.Request.initContainers = at.Containers, at.InitContainers
	return r.Request, nil
}

// told is what is wrong with a text of so many bytes. The words of an error can be twelve times as long as a text that
// it quotes: of a long one only the place is said.
func told(err error, length int) string {
	wrong, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case length <= maxQuoted:
		return err.Error()
	case ok:
		return "it has what does not belong there at " + rules.Legible(string(wrong.JSONPointer), maxError)
	}
	return "it is not JSON"
}

// maxQuoted is the longest text whose errors are put into words, in bytes.
const maxQuoted = 64 << 10

// refusal is the status of an object that is not admitted.
func refusal(message string) *status {
	return &status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: message}
}
