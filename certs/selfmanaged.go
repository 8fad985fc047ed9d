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
	"slices"
	"sync"
	"time"

	cmtls "github.com/cert-manager/cert-manager/pkg/server/tls"
	"github.com/cert-manager/cert-manager/pkg/server/tls/authority"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	// settleTime is how long a new leaf waits while the old one is good: each API server follows a changed CA bundle
	// by a watch of its own, and its clock may be behind ours (the library's leaf certificates are valid from the
	// second they are made).
	settleTime = 5 * time.Second

	// clockMargin is how long a first leaf waits at least: until it is valid by a clock that is behind ours.
	clockMargin = time.Second

	// expiryMargin is how long before its end an old leaf is no longer preferred to a new one.
	expiryMargin = time.Second

	// loggedFrom is which attempt in a row to have a leaf, a second apart, is the first whose failure is logged: the
	// ones before fail while the CA is made.
	loggedFrom = 5

	signTimeout = 10 * time.Second // to read the CA and to publish it

	leafDuration = 7 * 24 * time.Hour // where none is given
)

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
	log       *slog.Logger
	secret    *caSecret
	publisher *Publisher
	authority cmtls.Authority // the library's
	dynamic   *cmtls.DynamicSource
	newest    func(*tls.ClientHelloInfo) (*tls.Certificate, error) // the library's leaf, an error while it has none

	mu       sync.Mutex
	served   *tls.Certificate
	rotated  time.Time                 // when served began to be
	signed   map[string]signing        // by the raw leaf: the served one and those after it
	settled  time.Time                 // when every API server has the bundle that verifies the first leaf
	stored   storedCA                  // what the Secret said when it was last read
	read     time.Time                 // when that was
	seen     time.Time                 // when it first said so, where its own time is unknown
	outside  map[fingerprint]time.Time // withdrawn CAs that the Secret does not hold, and since when that is known
	lifetime time.Duration             // of leaf certificates
	err      error                     // why the library could not have a leaf at its last attempt, nil when it has
	failures int                       // attempts in a row
	logged   lastError
}

// signing tells of a leaf which CA verifies it, when all webhooks were found to carry that CA, and when the leaf ends.
type signing struct {
	ca  *x509.Certificate
	at  time.Time
	end time.Time
}

// NewSelfManaged does nothing yet but registering its metrics. The error is about the options.
func NewSelfManaged(o SelfManagedOptions) (*SelfManaged, error) {
	o.CADuration = cmp.Or(o.CADuration, 365*24*time.Hour)
	o.LeafDuration = cmp.Or(o.LeafDuration, leafDuration)
	if o.LeafDuration >= o.CADuration {
		return nil, fmt.Errorf("a leaf of %s would outlive its CA of %s: choose a shorter one",
			o.LeafDuration, o.CADuration)
	}
	client, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, err
	}
	publisher, err := NewPublisher(o.Config, o.Configuration, o.Log)
	if err != nil {
		return nil, err
	}
	return newSelfManaged(o, client, publisher, &authority.DynamicAuthority{
		SecretNamespace: o.SecretNamespace,
		SecretName:      o.SecretName,
		RESTConfig:      o.Config,
		CommonName:      caName,
		CADuration:      o.CADuration,
		LeafDuration:    o.LeafDuration,
	})
}

// newSelfManaged is what is around the library's authority, which makes clients of its own from a rest.Config.
func newSelfManaged(o SelfManagedOptions, client kubernetes.Interface, publisher *Publisher, library cmtls.Authority) (
	*SelfManaged, error) {
	s := &SelfManaged{
		log: o.Log,
		secret: &caSecret{
			client:    client.CoreV1().Secrets(o.SecretNamespace),
			namespace: o.SecretNamespace,
			name:      o.SecretName,
			marks:     o.SecretMarks,
			log:       o.Log,
		},
		publisher: publisher,
		authority: library,
		dynamic:   &cmtls.DynamicSource{DNSNames: o.DNSNames},
		signed:    map[string]signing{},
		outside:   map[fingerprint]time.Time{},
		lifetime:  cmp.Or(o.LeafDuration, leafDuration),
		err:       errors.New("podvet is starting"),
	}
	s.newest = s.dynamic.GetCertificate
	return s, o.Metrics.Register(collector(s.inForce))
}

// Run keeps CA, bundles and leaf good until ctx ends, and then returns nil. Trouble with permissions or the API server
// does not end it: Ready tells of that, and it is tried again.
func (s *SelfManaged) Run(ctx context.Context) error {
	publishing := sync.WaitGroup{}
	defer publishing.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	publishing.Go(func() { s.publisher.Run(ctx) })
	publishing.Go(func() { s.secret.keep(ctx, s.learn) })
	s.dynamic.Authority = &gate{Authority: s.authority, ctx: ctx, source: s}
	// The library tells of its every step, each second: demoted to debug. Its errors stay errors.
	quiet := logr.FromSlogHandler(s.log.Handler()).V(4)
	return s.dynamic.Start(logr.NewContext(ctx, quiet))
}

// GetCertificate is a leaf that is not expired and that the published bundles verified when it was made. It is for
// tls.Config, and fails for the reason that Ready gives.
func (s *SelfManaged) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.publisher.now()
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

// Ready says in one line why the API server cannot verify what is served, and what to do, else it is nil.
func (s *SelfManaged) Ready() error {
	certificate, err := s.GetCertificate(nil)
	if err != nil {
		return err
	}
	published, err := s.publisher.Published()
	if err != nil {
		return err
	}
	now := s.publisher.now()
	if _, err = published.Verify(certificate.Leaf, now); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ca := s.signed[string(certificate.Leaf.Raw)].ca; ca != nil {
		if known, out := s.outside[fingerprintOf(ca)]; out && now.Sub(known) >= unreadyAfter {
			return fmt.Errorf("the CA of the serving certificate was withdrawn, and there is no other certificate: "+
				"allow podvet to list and watch the Secret %s", s.secret)
		}
	}
	if now.Before(s.settled) {
		return fmt.Errorf("the CA bundle was written just now: ready in %s, when every API server has it",
			s.settled.Sub(now).Round(time.Second))
	}
	return nil
}

// certificate is the library's newest, or the one before as long as the newest has to wait. mu is held.
func (s *SelfManaged) certificate(now time.Time) *tls.Certificate {
	newest, err := s.newest(nil)
	if err != nil { // there is none yet
		return nil
	}
	if newest != s.served && !s.waits(newest, now) {
		s.served, s.rotated = newest, now
		s.log.Info("certificate in use", "expires", newest.Leaf.NotAfter)
	}
	return s.served
}

// waits tells whether the served certificate is still to be preferred to a new one. mu is held.
func (s *SelfManaged) waits(newest *tls.Certificate, now time.Time) bool {
	if s.served == nil || now.Sub(s.signed[string(newest.Leaf.Raw)].at) >= settleTime {
		return false
	}
	published, err := s.publisher.Published()
	if err != nil {
		return false
	}
	_, err = published.Verify(s.served.Leaf, now.Add(expiryMargin))
	return err == nil
}

// inForce is for the metrics.
func (s *SelfManaged) inForce() inForce {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := inForce{}
	if c := s.certificate(s.publisher.now()); c != nil {
		now.leaf, now.rotated = c.Leaf, s.rotated
	}
	now.cas = s.cas()
	return now
}

// cas are the CAs that verify what is served or will be. mu is held.
func (s *SelfManaged) cas() []*x509.Certificate {
	var cas []*x509.Certificate
	for _, by := range s.signed {
		if s.publisher.now().Before(by.end) {
			cas = append(cas, by.ca)
		}
	}
	if s.stored.ca != nil {
		cas = append(cas, s.stored.ca)
	}
	return cas
}

// learn notes what the Secret says, and hands on what stands of the CAs.
func (s *SelfManaged) learn(stored storedCA) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.publisher.now()
	if s.seen.IsZero() || !stored.ca.Equal(s.stored.ca) {
		s.seen = now
	}
	s.stored, s.read = stored, now
	for _, withdrawn := range stored.withdrawn {
		if _, known := s.outside[withdrawn]; !known {
			s.outside[withdrawn] = now
		}
	}
	maps.DeleteFunc(s.outside, func(f fingerprint, _ time.Time) bool {
		return f == fingerprintOf(stored.ca) || !slices.Contains(stored.withdrawn, f)
	})
	since := stored.since
	if since.IsZero() {
		since = s.seen
	}
	s.publisher.stand(standing{s.cas(), since, now, s.lifetime, maps.Clone(s.outside)})
}

// gate lets the library have a leaf only once the API server can verify it: the library swaps its signing key
// before it tells of a rotation, and renews leaf certificates at times of its own, so this is the one place to do it.
type gate struct {
	cmtls.Authority
	ctx    context.Context // of Run, for Sign has none
	source *SelfManaged
}

// Sign has the library sign, publishes the CA and verifies the leaf with what it reads back. On
// ErrCertificateNotAvailable the library tries again each second, and the old leaf stays.
func (g *gate) Sign(template *x509.Certificate) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(g.ctx, signTimeout)
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

func (s *SelfManaged) sign(ctx context.Context, library cmtls.Authority, template *x509.Certificate) (
	*x509.Certificate, error) {
	leaf, signErr := library.Sign(template)
	stored, err := s.secret.read(ctx)
	if err != nil {
		return nil, err
	}
	// A leaf of another CA than the stored one could outlive what the bundles carry.
	if signErr == nil {
		signErr = leaf.CheckSignatureFrom(stored.ca)
	}
	switch {
	case stored.isWithdrawn():
		return nil, fmt.Errorf("the CA in the Secret %s was withdrawn, and podvet did not replace it yet: "+
			"allow podvet to update that Secret", s.secret)
	case signErr != nil:
		return nil, fmt.Errorf("the CA in the Secret %s is not loaded yet: "+
			"allow podvet to list and watch that Secret: %w", s.secret, signErr)
	}
	s.learn(stored)
	published, err := s.publisher.publish(ctx)
	if err != nil {
		return nil, err
	}
	ca, err := published.Verify(leaf, s.publisher.now())
	if err != nil {
		return nil, err
	}
	s.verified(leaf, ca, published)
	return leaf, nil
}

// verified notes that the bundles verify a leaf, and forgets those that are neither served nor the library's.
func (s *SelfManaged) verified(leaf, ca *x509.Certificate, published Published) {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest, err := s.newest(nil)
	maps.DeleteFunc(s.signed, func(raw string, _ signing) bool {
		return (s.served == nil || raw != string(s.served.Leaf.Raw)) &&
			(err != nil || raw != string(newest.Leaf.Raw))
	})
	now := s.publisher.now()
	s.signed[string(leaf.Raw)] = signing{ca, now, leaf.NotAfter}
	// There is no older leaf to serve meanwhile, or not long enough.
	if s.served == nil || !now.Add(settleTime).Before(s.served.Leaf.NotAfter) {
		s.settled = published.changed().Add(settleTime + time.Second)
		// The API server's clock may be another.
		if wrote := s.publisher.wroteAt().Add(settleTime); wrote.After(s.settled) {
			s.settled = wrote
		}
		if s.settled.After(now.Add(settleTime)) {
			s.settled = now.Add(settleTime)
		}
		// A leaf is valid from the second it is made, by our clock.
		if valid := now.Add(clockMargin); valid.After(s.settled) {
			s.settled = valid
		}
	}
}

// tried notes how an attempt to have a leaf ended, and says it when it goes on failing.
func (s *SelfManaged) tried(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if err == nil {
		s.failures, s.logged = 0, lastError{}
		return
	}
	if s.failures++; s.failures >= loggedFrom && s.logged.becomes(err) {
		s.log.Error("no new certificate", "error", err)
	}
}
