package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Own is an error in our own words.
type Own string

func (e Own) Error() string { return string(e) }

// Reason says in our own words why something failed: what a person can do depends on the kind of failure, the words of
// libraries name addresses and functions, and what a server answers may hold anything.
func Reason(err error) string {
	if said, ok := errors.AsType[Own](err); ok {
		return said.Error()
	}
	if file, ok := errors.AsType[*os.PathError](err); ok {
		return "the file " + file.Path + " cannot be read"
	}
	if right := MissingRight(err); right != "" {
		return "you may not " + right
	}
	switch {
	case apierrors.IsForbidden(err):
		return "you may not do that"
	case apierrors.IsUnauthorized(err):
		return "the API server does not know you"
	case apierrors.IsNotFound(err):
		return "it does not exist"
	case apierrors.IsTooManyRequests(err):
		return "the API server has too much to do"
	case isTimeout(err):
		return timedOut
	}
	reason := ReasonIn(err.Error())
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok && reason == UnknownReason {
		reason = fmt.Sprintf("the answer was HTTP status %d", status.Status().Code)
	}
	return reason
}

// UnknownReason is what Reason says of an error that it does not know.
const UnknownReason = "of an error that podvet does not know"

const timedOut = "there was no answer in time"

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) ||
		ok && timeout.Timeout()
}

// reasons are what errors say that have no type by the time they are here: those that the API server tells of.
var reasons = []struct{ says, reason string }{
	{"no endpoints available", "the Service has no ready endpoint"},
	{"currently unable to handle", "what answers there is starting, or has too much to do"},
	{"connection refused", "nothing listens there"},
	{"no such host", "its name is not known to DNS"},
	{"no route to host", "no network route leads there"},
	{"network is unreachable", "no network route leads there"},
	{"connection reset", "the connection was cut"},
	{"broken pipe", "the connection was cut"},
	{"EOF", "the connection was cut"},
	{"deadline exceeded", timedOut},
	{"timeout", timedOut},
	{"timed out", timedOut},
	{"signed by unknown authority", "its certificate comes from another CA"},
	{"has expired or is not yet valid", "its certificate is not valid now"},
	{"certificate is valid for", "its certificate is for another name"},
	{"certificate is not valid for any names", "its certificate is for another name"},
	{"x509:", "its certificate cannot be verified"},
	{"bad certificate", "it does not accept the certificate of who calls it"},
	{"first record does not look like", "it does not speak TLS"},
	{"tls:", "TLS with it fails"},
	{"HTTP response to HTTPS", "it does not speak TLS"},
	{"lost connection to pod", "the connection to the pod was cut"},
	{"not found", "it does not exist"},
	{"Forbidden", "you may not do that"},
	{"forbidden", "you may not do that"},
	{"Unauthorized", "the API server does not know you"},
}

var statusCode = regexp.MustCompile(`\b[45]\d\d\b`)

// ReasonIn is Reason of an error that came as text.
func ReasonIn(text string) string {
	for _, r := range reasons {
		if strings.Contains(text, r.says) {
			return r.reason
		}
	}
	if code := statusCode.FindString(text); code != "" {
		return "the answer was HTTP status " + code
	}
	return UnknownReason
}

// forbidden is how the API server's RBAC says no
// (k8s.io/apiserver v0.37.2, pkg/endpoints/handlers/responsewriters/errors.go).
var forbidden = regexp.MustCompile(`cannot (\w+) resource "([^"]+)" in API group "([^"]*)" ` +
	`(at the cluster scope|in the namespace "[^"]+")`)

// MissingRight is the right that an error says is missing, "" for none.
func MissingRight(err error) string {
	found := forbidden.FindStringSubmatch(err.Error())
	if found == nil {
		return ""
	}
	resource := found[2]
	if found[3] != "" {
		resource += "." + found[3]
	}
	return found[1] + " " + resource + " " + strings.ReplaceAll(found[4], `"`, "")
}
