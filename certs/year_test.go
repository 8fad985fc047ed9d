package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

var years = flag.Int("years", 5, "how many years TestYear simulates, each of another seed")

const (
	yearCA   = 60 * 24 * time.Hour // six times as many rotations as by default
	yearLeaf = leafDuration
	// viewLag is how far an API server's view of the bundles may be behind: settleTime, with some to spare.
	viewLag = settleTime - 500*time.Millisecond
	// skew is how far a replica's clock may be from the API servers'.
	skew = time.Second
)

// A year is three replicas of podvet and what they share, in virtual time. What waits in them for time to pass, loops
// and timers, is done by the simulation: it says when each of them looks, and lets them come between each other.
type year struct {
	*testing.T
	*fakeCluster
	random    *rand.Rand
	key       *ecdsa.PrivateKey // of all leaf certificates
	cas       []*testCA         // that were ever made
	withdrawn []*x509.Certificate
	replicas  []*yearReplica
	views     []view         // what API servers may see of the bundles, the newest last
	looking   []*yearReplica // now, each between the reading and the writing of the one before
	last      []string

	served, outages, rotations int
}

// A view is the bundles as they were from a time on.
type view struct {
	from      time.Time
	published Published
	verified  map[string]time.Time // leaf certificates, and until when
}

// A yearReplica is a replica whose library is the simulation.
type yearReplica struct {
	*SelfManaged
	name     string
	offset   time.Duration // of its clock
	running  bool
	wasReady bool // and had a leaf ever since
	cut      bool // from the API server
	stop     context.CancelFunc

	ca      *testCA // that the library has loaded
	leaf    *tls.Certificate
	pending bool      // the library wants another leaf
	heard   time.Time // when it last looked
}

// TestYear: in a year of rotations, expiries, withdrawals, clock jumps, long sleeps and restarts, no leaf is served
// that the bundles of an API server do not verify.
func TestYear(t *testing.T) {
	for seed := range *years {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulateYear(t, uint64(seed)) })
		})
	}
}

func simulateYear(t *testing.T, seed uint64) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	y := &year{T: t, fakeCluster: newFakeCluster(t), random: rand.New(rand.NewPCG(seed, 23)), key: key}
	y.install(t, nil)
	y.meanwhile = y.comeBetween
	for i := range 3 {
		r := &yearReplica{name: fmt.Sprintf("replica %d", i)}
		y.replicas = append(y.replicas, r)
		y.start(r)
	}
	for end := time.Now().AddDate(1, 0, 0); time.Now().Before(end) && !t.Failed(); {
		y.event()
		for range 3 {
			y.pass(time.Duration(y.random.Int64N(int64(3 * time.Second))))
		}
		for range 5 { // it takes as long until a CA that is withdrawn has left
			y.pass(unreadyAfter - time.Second)
		}
		y.ready()
		y.pass(time.Duration(y.random.Int64N(int64(16 * 24 * time.Hour))))
	}
	for _, r := range y.replicas {
		r.stop()
	}
	if y.served < 500 || y.rotations < 5 {
		t.Errorf("only %d leaf certificates were looked at, of %d CAs", y.served, y.rotations)
	}
	t.Logf("%d looks at leaf certificates, %d times there was none, %d CAs", y.served, y.outages, y.rotations)
}

// start runs a replica again: it knows nothing.
func (y *year) start(r *yearReplica) {
	if r.stop != nil {
		r.stop()
	}
	log := &testLog{}
	publisher, err := newPublisher(y.another(), testConfiguration, log.logger())
	if err != nil {
		y.Fatal(err)
	}
	r.SelfManaged, err = newSelfManaged(options(log, prometheus.NewRegistry()), y.typed, publisher, nil)
	if err != nil {
		y.Fatal(err)
	}
	r.leaf, r.ca, r.pending, r.running, r.wasReady, r.cut = nil, nil, true, true, false, false
	r.lifetime = yearLeaf
	r.publisher.now = func() time.Time { return time.Now().Add(r.offset) }
	r.newest = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if r.leaf == nil {
			return nil, errors.New("none yet")
		}
		return r.leaf, nil
	}
	ctx, cancel := context.WithCancel(y.Context())
	r.publisher.factory.Start(ctx.Done())
	r.stop = func() { cancel(); r.publisher.factory.Shutdown() }
	for _, informer := range r.publisher.informers {
		cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
	}
}

// event is one thing that happens to somebody.
func (y *year) event() {
	r := y.replicas[y.random.IntN(len(y.replicas))]
	what := "nothing"
	switch y.random.IntN(10) {
	case 0:
		what = r.name + " is started again"
		y.start(r)
	case 1:
		what = r.name + " ends"
		r.running = false
	case 2:
		for _, r := range y.replicas {
			if !r.running {
				what = r.name + " is back"
				y.start(r)
			}
		}
	case 3:
		r.offset = time.Duration(y.random.Int64N(int64(2*skew))) - skew
		what = fmt.Sprintf("the clock of %s is off by %v", r.name, r.offset)
	case 4:
		what = fmt.Sprintf("%s is cut from the API server: %v", r.name, !r.cut)
		r.cut = !r.cut
	case 5:
		what = "the Secret is emptied"
		y.change(func(s *corev1.Secret) { s.Data = nil })
	case 6:
		what = "the CA in force is withdrawn"
		y.change(func(s *corev1.Secret) {
			if stored := readSecret(s); stored.ca != nil {
				y.withdrawn = append(y.withdrawn, stored.ca)
				s.Annotations = map[string]string{WithdrawnAnnotation: strings.TrimSpace(
					s.Annotations[WithdrawnAnnotation] + " " + fingerprintOf(stored.ca).String())}
			}
		})
	case 7:
		what = "everything sleeps"
		time.Sleep(time.Duration(y.random.Int64N(int64(20 * 24 * time.Hour))))
		y.judge()
	case 8:
		what = "the Secret is deleted"
		_ = y.typed.CoreV1().Secrets(testNamespace).Delete(y.Context(), testSecret, metav1.DeleteOptions{})
	}
	y.last = append(y.last, time.Now().Format(time.DateTime)+" "+what)
	y.judge()
}

func (y *year) change(edit func(*corev1.Secret)) {
	secrets := y.typed.CoreV1().Secrets(testNamespace)
	secret, err := secrets.Get(y.Context(), testSecret, metav1.GetOptions{})
	if err != nil {
		return
	}
	edit(secret)
	if _, err := secrets.Update(y.Context(), secret, metav1.UpdateOptions{}); err != nil {
		y.Fatal(err)
	}
}

// pass lets time pass, and all replicas look, in any order. In the seconds before the last they look too, as they do
// each second: a longer time is passed in days.
func (y *year) pass(d time.Duration) {
	if y.Failed() {
		return
	}
	for ; d > 24*time.Hour; d -= 24 * time.Hour {
		y.pass(24 * time.Hour)
	}
	time.Sleep(d)
	y.judge()
	for _, i := range y.random.Perm(len(y.replicas)) {
		y.look(y.replicas[i])
	}
}

// comeBetween lets another replica look before a write.
func (y *year) comeBetween() {
	if r := y.replicas[y.random.IntN(len(y.replicas))]; y.random.IntN(4) == 0 && !slices.Contains(y.looking, r) {
		y.look(r)
	}
}

// look is what a replica does each second, or ten.
func (y *year) look(r *yearReplica) {
	if !r.running || r.cut {
		return
	}
	r.heard = time.Now()
	y.looking = append(y.looking, r)
	defer func() { y.looking = y.looking[:len(y.looking)-1] }()
	y.ensure(r)
	_ = r.secret.look(y.Context(), r.learn)
	now := r.publisher.now()
	if r.leaf != nil {
		life := r.leaf.Leaf.NotAfter.Sub(r.leaf.Leaf.NotBefore)
		r.pending = r.pending || !now.Before(r.leaf.Leaf.NotAfter.Add(-life/3))
	}
	if r.pending {
		y.renew(r)
	}
	_, _ = r.publisher.repair(y.Context())
	synctest.Wait()
	y.see()
	y.judge()
}

// ensure is the library's look at the Secret: it makes a CA where one is missing or due, and loads what is there.
func (y *year) ensure(r *yearReplica) {
	secrets := y.typed.CoreV1().Secrets(testNamespace)
	secret, err := secrets.Get(y.Context(), testSecret, metav1.GetOptions{})
	if err != nil {
		return // podvet makes it
	}
	now, stored := r.publisher.now(), readSecret(secret).ca
	if stored == nil || stored.NotAfter.Sub(now) < stored.NotAfter.Sub(stored.NotBefore)/3 {
		ca := y.newCA(now)
		secret.Data = map[string][]byte{corev1.TLSCertKey: encode(ca.certificate)}
		if _, err := secrets.Update(y.Context(), secret, metav1.UpdateOptions{}); err != nil {
			if !apierrors.IsConflict(err) {
				y.Fatal(err)
			}
			return
		}
		stored = ca.certificate
	}
	if r.ca == nil || !r.ca.certificate.Equal(stored) {
		at := slices.IndexFunc(y.cas, func(ca *testCA) bool { return ca.certificate.Equal(stored) })
		r.ca, r.pending = y.cas[at], true
	}
}

func (y *year) newCA(now time.Time) *testCA {
	ca := newNamedCA(y.T, caName, yearCA, nil)
	template := *ca.certificate
	template.NotBefore, template.NotAfter = now, now.Add(yearCA)
	ca.certificate = y.issue(&template, ca)
	y.cas = append(y.cas, ca)
	y.rotations++
	return ca
}

func (y *year) issue(template *x509.Certificate, by *testCA) *x509.Certificate {
	template.SerialNumber = serial()
	der, err := x509.CreateCertificate(cryptorand.Reader, template, by.certificate, template.PublicKey, by.key)
	if err != nil {
		y.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		y.Fatal(err)
	}
	return made
}

// renew is the library's attempt to have a leaf, through podvet's gate.
func (y *year) renew(r *yearReplica) {
	g := &gate{Authority: signer{y, r}, ctx: y.Context(), source: r.SelfManaged}
	leaf, err := g.Sign(&x509.Certificate{PublicKey: y.key.Public(), DNSNames: []string{testServer},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return // it tries again
	}
	r.leaf, r.pending = &tls.Certificate{Certificate: [][]byte{leaf.Raw}, Leaf: leaf}, false
}

// signer is the library's authority.
type signer struct {
	y *year
	r *yearReplica
}

func (signer) Run(context.Context) error            { return nil }
func (signer) WatchRotation(chan<- struct{})        {}
func (signer) StopWatchingRotation(chan<- struct{}) {}

func (s signer) Sign(template *x509.Certificate) (*x509.Certificate, error) {
	if s.r.ca == nil {
		return nil, errors.New("no CA is loaded")
	}
	now, ca := s.r.publisher.now(), s.r.ca.certificate
	if ca.NotAfter.Before(now) {
		return nil, errors.New("the CA has expired")
	}
	template.BasicConstraintsValid, template.NotBefore, template.NotAfter = true, now, now.Add(yearLeaf)
	if ca.NotAfter.Before(template.NotAfter) {
		template.NotAfter = ca.NotAfter
	}
	return s.y.issue(template, s.r.ca), nil
}

// see notes what API servers can see of the bundles from now on.
func (y *year) see() {
	m, v := y.configurations(y.T)
	var now Published
	for _, w := range m.Webhooks {
		now = append(now, Webhook{Name: w.Name, ClientConfig: w.ClientConfig})
	}
	for _, w := range v.Webhooks {
		now = append(now, Webhook{Name: w.Name, ClientConfig: w.ClientConfig})
	}
	if len(y.views) > 0 && slices.EqualFunc(now, y.views[len(y.views)-1].published, func(a, b Webhook) bool {
		return string(a.ClientConfig.CABundle) == string(b.ClientConfig.CABundle)
	}) {
		return
	}
	y.views = append(y.views, view{time.Now(), now, map[string]time.Time{}})
	// A view ends when the next begins.
	for len(y.views) > 1 && time.Since(y.views[1].from) >= viewLag {
		y.views = y.views[1:]
	}
}

// judge looks at what each replica serves: an API server verifies it, whichever view it has. One that was just started
// gets no connections before it is ready.
func (y *year) judge() {
	if y.Failed() {
		return
	}
	for _, r := range y.replicas {
		if !r.running {
			continue
		}
		served, err := r.GetCertificate(nil)
		if err != nil || !r.wasReady && r.Ready() != nil {
			r.wasReady = false
			y.outages++
			continue
		}
		r.wasReady = true
		y.served++
		for i, v := range y.views {
			if i+1 < len(y.views) && time.Since(y.views[i+1].from) >= viewLag {
				continue
			}
			if err := v.verify(served.Leaf); err != nil && !y.deaf(r, served.Leaf) {
				y.Errorf("%s: %s serves a leaf from %s to %s: by the bundles of %v ago, of %d: %v\n%s",
					time.Now().Format(time.DateTime+".000"), r.name, served.Leaf.NotBefore.Format(time.DateTime),
					served.Leaf.NotAfter.Format(time.DateTime), time.Since(v.from), len(y.views), err,
					strings.Join(y.last[max(0, len(y.last)-12):], "\n"))
				return
			}
		}
	}
}

// deaf tells whether a replica serves a leaf of a CA that was withdrawn while it could not hear of that: that CA leaves
// although it is in use there.
func (y *year) deaf(r *yearReplica, leaf *x509.Certificate) bool {
	return time.Since(r.heard) >= unreadyAfter && slices.ContainsFunc(y.withdrawn, func(ca *x509.Certificate) bool {
		return leaf.CheckSignatureFrom(ca) == nil
	})
}

// verify is what an API server does. That it did so before with the same bundles and leaf need not be worked out again.
func (v view) verify(leaf *x509.Certificate) error {
	if until, known := v.verified[string(leaf.Raw)]; known && time.Now().Before(until) {
		return nil
	}
	ca, err := v.published.Verify(leaf, time.Now())
	if err == nil {
		v.verified[string(leaf.Raw)] = slices.MinFunc([]time.Time{leaf.NotAfter, ca.NotAfter}, time.Time.Compare)
	}
	return err
}

// ready checks that who runs and can talk to the API server is ready once things have settled.
func (y *year) ready() {
	for _, r := range y.replicas {
		if err := r.Ready(); err != nil && r.running && !r.cut {
			y.Errorf("%s: %s is not ready: %v\n%s", time.Now().Format(time.DateTime), r.name, err,
				strings.Join(y.last[max(0, len(y.last)-12):], "\n"))
		}
	}
}
