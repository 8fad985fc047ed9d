package certs

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

const (
	secretInterval = 10 * time.Second // how often a replica looks whether the CA is still stored
	secretTimeout  = 10 * time.Second // for each look
)

// errNoSecret is that the Secret is missing and podvet may not make it.
var errNoSecret = errors.New("the CA Secret does not exist")

// caSecret is the Secret with the CA that all replicas share. The library writes the CA into it.
type caSecret struct {
	client          corev1client.SecretInterface
	namespace, name string
	marks           metav1.ObjectMeta // its labels and annotations where podvet has to make it
	log             *slog.Logger
}

func (s *caSecret) String() string { return s.namespace + "/" + s.name }

// A storedCA is what the Secret says.
type storedCA struct {
	ca        *x509.Certificate
	since     time.Time     // when its data was last written, zero where that is unknown
	withdrawn []fingerprint // CAs that must leave the bundles
}

// isWithdrawn tells whether the Secret holds a CA that it calls withdrawn, as one from a backup can be.
func (s storedCA) isWithdrawn() bool { return slices.Contains(s.withdrawn, fingerprintOf(s.ca)) }

// keep tells every 10 s what the Secret says. It makes the Secret again when someone has deleted it: the library may
// not, where the right to create is bound to that name, and what is in use would end without a successor. It empties
// one with a withdrawn CA, so that the library makes another. It goes on until ctx ends.
func (s *caSecret) keep(ctx context.Context, tell func(storedCA)) {
	var wrong lastError
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, secretTimeout)
		defer cancel()
		if err := s.look(ctx, tell); wrong.becomes(err) {
			s.log.Error("the CA is not stored", "error", err)
		}
	}, secretInterval)
}

func (s *caSecret) look(ctx context.Context, tell func(storedCA)) error {
	stored, err := s.read(ctx)
	switch {
	case err == nil && stored.isWithdrawn():
		return s.empty(ctx, stored)
	case err == nil:
		tell(stored)
	case errors.Is(err, errNoSecret):
		return err
	}
	return nil // Sign tells of all else
}

// empty takes a withdrawn CA out of the Secret.
func (s *caSecret) empty(ctx context.Context, stored storedCA) error {
	secret, err := s.client.Get(ctx, s.name, metav1.GetOptions{})
	if err == nil && readSecret(secret).ca.Equal(stored.ca) {
		secret.Data = nil // with the resourceVersion that was read
		if _, err = s.client.Update(ctx, secret, metav1.UpdateOptions{}); err == nil {
			s.log.Warn("the CA in the Secret was withdrawn: a new one is made", "secret", s.String())
		}
	}
	if err == nil || apierrors.IsConflict(err) { // another replica did it
		return nil
	}
	return fmt.Errorf("the withdrawn CA in the Secret %s cannot be replaced: "+
		"allow podvet to update that Secret: %w", s, err)
}

// read reads the CA. The error is one line that says what is wrong with the Secret and what to do.
func (s *caSecret) read(ctx context.Context) (storedCA, error) {
	secret, err := s.client.Get(ctx, s.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if secret, err = s.create(ctx); err != nil {
			return storedCA{}, fmt.Errorf("%w: allow podvet to create and patch the Secret %s, "+
				"or create an empty one of that name: %w", errNoSecret, s, err)
		}
		s.log.Warn("the CA's Secret was missing and is made again", "secret", s.String())
	}
	switch {
	case apierrors.IsForbidden(err):
		return storedCA{}, fmt.Errorf("the CA Secret %s cannot be read: "+
			"allow podvet to get, list, watch and update that Secret: %w", s, err)
	case err != nil:
		return storedCA{}, fmt.Errorf("the CA Secret %s cannot be read: %w", s, err)
	}
	stored := readSecret(secret)
	if stored.ca == nil {
		return stored, fmt.Errorf("the CA Secret %s holds no certificate in %s, and podvet did not replace it yet: "+
			"allow podvet to update that Secret", s, corev1.TLSCertKey)
	}
	return stored, nil
}

// WithdrawnAnnotation of the CA Secret holds the SHA-256 fingerprints of withdrawn CAs, in hexadecimal, with spaces
// between them.
const WithdrawnAnnotation = "podvet.dev/withdrawn-cas"

// readSecret reads what a Secret says.
func readSecret(secret *corev1.Secret) (stored storedCA) {
	if found := certificates(secret.Data[corev1.TLSCertKey]); len(found) > 0 {
		stored.ca = found[0]
	}
	for _, by := range secret.ManagedFields {
		// The API server notes the time of each writer's last change of its fields (K managedfields: timestamps).
		if by.FieldsV1 != nil && by.Time != nil && strings.Contains(by.FieldsV1.GetRawString(), `"f:data"`) &&
			by.Time.After(stored.since) {
			stored.since = by.Time.Time
		}
	}
	for text := range strings.FieldsSeq(secret.Annotations[WithdrawnAnnotation]) {
		if raw, err := hex.DecodeString(text); err == nil && len(raw) == len(fingerprint{}) {
			stored.withdrawn = append(stored.withdrawn, fingerprint(raw))
		}
	}
	return stored
}

// create makes an empty Secret, by apply: unlike a create it names what it makes, and so can a right.
func (s *caSecret) create(ctx context.Context) (*corev1.Secret, error) {
	empty := corev1apply.Secret(s.name, s.namespace).
		WithLabels(s.marks.Labels).WithAnnotations(s.marks.Annotations)
	return s.client.Apply(ctx, empty, metav1.ApplyOptions{FieldManager: FieldManager})
}
