package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// TestReason: whatever fails, doctor says why in words of its own.
func TestReason(t *testing.T) {
	pods := corev1.Resource("pods")
	for want, err := range map[string]error{

		"you may not list pods in the namespace x": apierrors.NewForbidden(pods, "", errors.New(

			`User "me" cannot list resource "pods" in API group "" in the namespace "x"`)),
		"you may not do that":               apierrors.NewForbidden(pods, "a", errors.New("no")),
		"the API server does not know you":  apierrors.NewUnauthorized("no"),
		"it does not exist":                 apierrors.NewNotFound(pods, "a"),
		"the API server has too much to do": apierrors.NewTooManyRequests("later", 1),
		"there was no answer in time":       fmt.Errorf("reading: %w", context.DeadlineExceeded),
		"the file /x cannot be read":        &os.PathError{Op: "open", Path: "/x", Err: os.ErrNotExist},
		"its name is not known to DNS": &net.OpError{
			Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x"}},
		"nothing listens there":                 errors.New("dial tcp 10.0.0.1:443: connect: connection refused"),
		"the answer was HTTP status 500":        apierrors.NewInternalError(errors.New("etcd")),
		"the answer was HTTP status 503":        errors.New("503 Service Unavailable whatever"),
		"they name no policy":                   fmt.Errorf("metrics: %w", Own("they name no policy")),
		"of an error that podvet does not know": errors.New("strconv.ParseInt: value out of range"),
		"its certificate comes from another CA": errors.New("x509: certificate signed by unknown authority"),
		"the connection to the pod was cut":     errors.New("port-forward ended: lost connection to pod"),
		"its certificate is for another name":   errors.New("x509: certificate is valid for a, not b"),
		"its certificate is not valid now":      errors.New("x509: certificate has expired or is not yet valid"),

		"what answers there is starting, or has too much to do": errors.New(
			"the server is currently unable to handle it"),
	} {
		if got := Reason(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
