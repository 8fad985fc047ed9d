package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	cmtls "github.com/cert-manager/cert-manager/pkg/server/tls"
	"github.com/cert-manager/cert-manager/pkg/server/tls/authority"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// hold is how long a new leaf waits while the old one is good: each API server follows a changed CA bundle by a
// watch of its own, and its clock may be behind ours (the library's leafs are valid from the second they are made).
const hold = 5 * time.Second

// spare is how long before its end an old leaf is no longer preferred to a new one.
const spare = time.Second

// patience is how many attempts to have a leaf, a second apart, may fail before that is logged: the first ones do
// while the CA is made.
const patience = 5

// secretInterval is how often a replica that has its certificate looks whether the CA is still stored.
const secretInterval = 10 * time.Second

// SelfManagedOptions say where the CA is kept and who calls.
type SelfManagedOptions struct {
	Config          *rest.Config
	SecretNamespace string
	SecretName      string            // of the CA that all replicas share; made when it is missing
	SecretMarks     metav1.ObjectMeta // its labels and annotations where podvet has to make it
	DNSNames        []string          // of the certificate: those that webhooks call
	Configuration   string            // name of the mutating and of the validating webhook configuration
	CADuration      time.Duration     // 0: a year. A new CA is made after two thirds
	LeafDuration    time.Duration     // 0: 7 days. It must be less than CADuration
	Log             *slog.Logger
	Metrics         prometheus.Registerer
}

// SelfManaged serves certificates signed by a CA in a Secret, both made and rotated by cert-manager's library,
// and publishes that CA. A leaf is served only once the published bundles verify it.
type SelfManaged struct {
	options   SelfManagedOptions
	secrets   corev1client.SecretInterface
	publisher *Publisher
	dynamic   *cmtls.DynamicSource

	mu       sync.Mutex
	served   *tls.Certificate
	rotated  time.Time          // when served began to be
	signed   map[string]signing // by the raw leaf: the served one and those after it
	spread   time.Time          // when every API server has the bundle that verifies the first leaf
	stored   *x509.Certificate  // the CA in the Secret when it was last read
	err      error              // why the library could not have a leaf at its last attempt, nil when it has
	failures int                // attempts in a row
	said     string             // last logged
}

// signing tells of a leaf which CA verifies it, and when all webhooks were found to carry that CA.
type signing struct {
	ca *x509.Certificate
	at time.Time
}

// NewSelfManaged does nothing yet but registering its metrics. The error is about the options.
func NewSelfManaged(o SelfManagedOptions) (*SelfManaged, error) {
	if o.CADuration, o.LeafDuration = cmp.Or(o.CADuration, 365*24*time.Hour), cmp.Or(o.LeafDuration, 7*24*time.Hour); o.LeafDuration >= o.CADuration {
		return nil, fmt.Errorf("a leaf of %s would outlive its CA of %s: choose a shorter one", o.LeafDuration, o.CADuration)
	}
	client, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, err
	}
	publisher, err := NewPublisher(o.Config, o.Configuration, o.Log)
	if err != nil {
		return nil, err
	}
	s := &SelfManaged{
		options:   o,
		publisher: publisher,
		dynamic:   &cmtls.DynamicSource{DNSNames: o.DNSNames},
		signed:    map[string]signing{},
		err:       errors.New("podvet is starting"),
		secrets:   client.CoreV1().Secrets(o.SecretNamespace),
	}
	return s, o.Metrics.Register(collector(s.inForce))
}

// Run keeps CA, bundles and leaf good until ctx ends.
func (s *SelfManaged) Run(ctx context.Context) error {
	publishing := sync.WaitGroup{}
	defer publishing.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	publishing.Go(func() { s.publisher.Run(ctx) })
	publishing.Go(func() { s.keepSecret(ctx) })
	s.dynamic.Authority = &gate{ctx: ctx, source: s, Authority: &authority.DynamicAuthority{
		SecretNamespace: s.options.SecretNamespace,
		SecretName:      s.options.SecretName,
		RESTConfig:      s.options.Config,
		CommonName:      "podvet CA",
		CADuration:      s.options.CADuration,
		LeafDuration:    s.options.LeafDuration,
	}}
	// The library tells of its every step, each second: demoted to debug. Its errors stay errors.
	quiet := logr.FromSlogHandler(s.options.Log.Handler()).V(4)
	return s.dynamic.Start(logr.NewContext(ctx, quiet))
}

// keepSecret makes the CA's Secret anew when someone has deleted it: the library may not, where the right to create is
// bound to that name, and what is in use would end without a successor. It goes on until ctx ends.
func (s *SelfManaged) keepSecret(ctx context.Context) {
	said := ""
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, apiTimeout)
		defer cancel()
		trouble := ""
		if _, err := s.storedCA(ctx); errors.Is(err, errNoSecret) {
			trouble = err.Error()
		}
		if trouble != "" && trouble != said {
			s.options.Log.Error("the CA is not stored", "error", trouble)
		}
		said = trouble
	}, secretInterval)
}

// GetCertificate is a leaf that is not expired and that the published bundles verified when it was made.
func (s *SelfManaged) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	certificate := s.certificate(now)
	err := errors.New("there is no serving certificate yet")
	if certificate != nil {
		err = valid(certificate.Leaf, now)
	}
	switch {
	case err == nil:
		return certificate, nil
	case s.err != nil:
		return nil, fmt.Errorf("%w: %w", err, s.err)
	}
	return nil, err
}

// Ready says why the API server cannot verify what is served.
func (s *SelfManaged) Ready() error {
	certificate, err := s.GetCertificate(nil)
	if err != nil {
		return err
	}
	published, err := s.publisher.Published()
	if err != nil {
		return err
	}
	now := time.Now()
	if _, err = published.Verify(certificate.Leaf, now); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.spread) {
		return fmt.Errorf("the CA bundle was written just now: ready in %s, when every API server has it", s.spread.Sub(now).Round(time.Second))
	}
	return nil
}

// certificate is the library's newest, or the one before as long as the newest is held. mu is held.
func (s *SelfManaged) certificate(now time.Time) *tls.Certificate {
	newest, err := s.dynamic.GetCertificate(nil)
	if err != nil { // there is none yet
		return nil
	}
	held := func() bool {
		if s.served == nil || now.Sub(s.signed[string(newest.Leaf.Raw)].at) >= hold {
			return false
		}
		published, err := s.publisher.Published()
		if err != nil {
			return false
		}
		_, err = published.Verify(s.served.Leaf, now.Add(spare))
		return err == nil
	}
	if newest != s.served && !held() {
		s.served, s.rotated = newest, now
		s.options.Log.Info("certificate in use", "expires", newest.Leaf.NotAfter)
	}
	return s.served
}

// inForce is for the metrics.
func (s *SelfManaged) inForce() inForce {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := inForce{}
	if c := s.certificate(time.Now()); c != nil {
		now.leaf, now.rotated = c.Leaf, s.rotated
	}
	now.cas = s.authorities()
	return now
}

// authorities are the CAs that verify what is served or will be. mu is held.
func (s *SelfManaged) authorities() []*x509.Certificate {
	var cas []*x509.Certificate
	for _, by := range s.signed {
		cas = append(cas, by.ca)
	}
	if s.stored != nil {
		cas = append(cas, s.stored)
	}
	return cas
}

// gate lets the library have a leaf only once the API server can verify it: the library swaps its signing key
// before it tells of a rotation, and renews leafs at times of its own, so this is the one place to do it.
type gate struct {
	cmtls.Authority
	ctx    context.Context // of Run, for Sign has none
	source *SelfManaged
}

// Sign has the library sign, publishes the CA and verifies the leaf with what it reads back. On
// ErrCertificateNotAvailable the library tries again each second, and the old leaf stays.
func (g *gate) Sign(template *x509.Certificate) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(g.ctx, apiTimeout)
	defer cancel()
	leaf, err := g.source.sign(ctx, g.Authority, template)
	if g.ctx.Err() == nil { // else it is only being stopped
		g.source.tried(err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authority.ErrCertificateNotAvailable, err)
	}
	return leaf, nil
}

func (s *SelfManaged) sign(ctx context.Context, library cmtls.Authority, template *x509.Certificate) (*x509.Certificate, error) {
	leaf, signErr := library.Sign(template)
	stored, err := s.storedCA(ctx)
	switch {
	case signErr != nil && err != nil:
		return nil, err // it says why
	case signErr != nil:
		return nil, fmt.Errorf("the CA in the Secret %s is not loaded yet: allow podvet to list and watch that Secret: %w", s.secretName(), signErr)
	}
	s.mu.Lock()
	if err == nil {
		s.stored = stored
	}
	inForce := s.authorities()
	s.mu.Unlock()

	published, err := s.publisher.Publish(ctx, inForce...)
	if err != nil {
		return nil, err
	}
	ca, err := published.Verify(leaf, time.Now())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.signed, func(raw string, _ signing) bool {
		newest, err := s.dynamic.GetCertificate(nil)
		return (s.served == nil || raw != string(s.served.Leaf.Raw)) && (err != nil || raw != string(newest.Leaf.Raw))
	})
	now := time.Now()
	s.signed[string(leaf.Raw)] = signing{ca, now}
	if s.served == nil { // there is no older leaf to serve meanwhile
		s.spread = published.changed().Add(hold + time.Second)
		// The API server's clock may be another.
		if wrote := s.publisher.wroteAt().Add(hold); wrote.After(s.spread) {
			s.spread = wrote
		}
		if s.spread.After(now.Add(hold)) {
			s.spread = now.Add(hold)
		}
	}
	return leaf, nil
}

// tried notes how an attempt to have a leaf ended, and says it when it goes on failing.
func (s *SelfManaged) tried(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if err == nil {
		s.failures, s.said = 0, ""
		return
	}
	if s.failures++; s.failures >= patience && err.Error() != s.said {
		s.said = err.Error()
		s.options.Log.Error("no new certificate", "error", err)
	}
}

var errNoSecret = errors.New("the CA Secret does not exist")

func (s *SelfManaged) secretName() string {
	return s.options.SecretNamespace + "/" + s.options.SecretName
}

// storedCA reads the CA from the Secret. The error is one line that says what is wrong with it and what to do.
func (s *SelfManaged) storedCA(ctx context.Context) (*x509.Certificate, error) {
	secret, err := s.secrets.Get(ctx, s.options.SecretName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		// By apply: unlike a create it names what it makes, and so can a right.
		empty := corev1apply.Secret(s.options.SecretName, s.options.SecretNamespace).
			WithLabels(s.options.SecretMarks.Labels).WithAnnotations(s.options.SecretMarks.Annotations)
		if secret, err = s.secrets.Apply(ctx, empty, metav1.ApplyOptions{FieldManager: FieldManager}); err != nil {
			return nil, fmt.Errorf("%w: allow podvet to create and patch the Secret %s, or create an empty one of that name: %w", errNoSecret, s.secretName(), err)
		}
		s.options.Log.Warn("the CA's Secret was missing and is made anew", "secret", s.secretName())
	}
	switch {
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("the CA Secret %s cannot be read: allow podvet to get, list, watch and update that Secret: %w", s.secretName(), err)
	case err != nil:
		return nil, fmt.Errorf("the CA Secret %s cannot be read: %w", s.secretName(), err)
	}
	found := certificates(secret.Data[corev1.TLSCertKey])
	if len(found) == 0 {
		return nil, fmt.Errorf("the CA Secret %s holds no certificate in %s, and podvet did not replace it yet: allow podvet to update that Secret", s.secretName(), corev1.TLSCertKey)
	}
	return found[0], nil
}
