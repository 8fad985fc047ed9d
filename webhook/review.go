package webhook

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/rules"
)

// The envelope of admission.k8s.io/v1, as far as podvet reads or writes it. The object stays raw until its
// kind is known: one decode into the right type, and no field it does not know is ever touched.
type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID         types.UID               `json:"uid"`
	Kind        metav1.GroupVersionKind `json:"kind"`
	SubResource string                  `json:"subResource"`
	Name        string                  `json:"name"`
	Namespace   string                  `json:"namespace"`
	Operation   string                  `json:"operation"`
	Object      jsontext.Value          `json:"object"`
	OldObject   jsontext.Value          `json:"oldObject"`
	DryRun      bool                    `json:"dryRun"`
}

type response struct {
	UID              types.UID         `json:"uid"`
	Allowed          bool              `json:"allowed"`
	Status           *status           `json:"status,omitempty"`
	Patch            []byte            `json:"patch,omitempty"`
	PatchType        string            `json:"patchType,omitempty"`
	AuditAnnotations map[string]string `json:"auditAnnotations,omitempty"`
	Warnings         []string          `json:"warnings,omitempty"`
}

type status struct {
	Message string              `json:"message"`
	Reason  metav1.StatusReason `json:"reason"`
	Code    int32               `json:"code"`
}

const reviewAPIVersion = "admission.k8s.io/v1"

// As the API server's own decoder: duplicate names and broken UTF-8 are no reason to refuse a pod.
var decodeOptions = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// The API types' omitempty means what it means to encoding/json: zero numbers are left out.
var encodeOptions = json.JoinOptions(jsonv1.OmitEmptyWithLegacySemantics(true), json.Deterministic(true), jsontext.AllowInvalidUTF8(true))

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

// decodeReview reads the envelope.
func decodeReview(body []byte) (*request, error) {
	var r review
	if err := json.Unmarshal(body, &r, decodeOptions); err != nil {
		return nil, badRequest("the body is no AdmissionReview: %v", err)
	}
	if r.Kind != "AdmissionReview" || r.APIVersion != reviewAPIVersion {
		return nil, badRequest("the body is a %q of %q, podvet answers an AdmissionReview of %s: list v1 in the webhook's admissionReviewVersions",
			r.Kind, r.APIVersion, reviewAPIVersion)
	}
	if r.Request == nil {
		return nil, badRequest("the AdmissionReview has no request")
	}
	return r.Request, nil
}

// newObject returns an empty object of the request's kind, nil for a kind that podvet does not know.
func (r *request) newObject() rules.Object {
	apiVersion := r.Kind.Version
	if r.Kind.Group != "" {
		apiVersion = r.Kind.Group + "/" + r.Kind.Version
	}
	return rules.NewObject(apiVersion, r.Kind.Kind)
}

// decodeObject reads a pod or a workload and fills in the API defaults. The API server has done that
// already; a hand-made review may lack them, and the patch never writes them.
func decodeObject(raw jsontext.Value, into rules.Object) error {
	if len(raw) == 0 || raw.Kind() != '{' {
		return badRequest("the request has no object")
	}
	if err := json.Unmarshal(raw, into, decodeOptions); err != nil {
		return badRequest("the object cannot be read: %v", err)
	}
	rules.Default(into)
	return nil
}
