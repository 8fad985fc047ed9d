package doctor

import (
	"crypto/x509"
	"errors"
)

// whyUnverified says why a certificate cannot be verified by a caBundle.
func whyUnverified(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "it comes from another CA"
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok {
		return "it cannot be verified"
	}
	switch invalid.Reason {
	case x509.Expired:
		return "the CA, or the certificate, is not valid now"
	case x509.NotAuthorizedToSign:
		return "what issued it is not a CA"
	case x509.IncompatibleUsage:
		return "it is not a certificate for servers"
	}
	return "it cannot be verified"
}
