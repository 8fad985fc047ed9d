package certs

import (
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestLeaves: a CA leaves once no leaf of its can be in use, and none before.
func TestLeaves(t *testing.T) {
	const day = 24 * time.Hour
	own := func() *x509.Certificate { return newNamedCA(t, caName, 365*day, nil).certificate }
	old, current, foreign := own(), own(), newNamedCA(t, "Corporate CA", 365*day, nil).certificate
	now := time.Now()
	out := func(ca *x509.Certificate, ago time.Duration) map[fingerprint]time.Time {
		return map[fingerprint]time.Time{fingerprintOf(ca): now.Add(-ago)}
	}
	for what, c := range map[string]struct {
		ca        *x509.Certificate
		inForce   []*x509.Certificate // besides the stored one
		since     time.Duration       // how long ago the Secret got its CA, 0 for unknown
		read      time.Duration       // how long ago it was read
		withdrawn map[fingerprint]time.Time
		elsewhere bool // some webhooks do not carry it
		at        time.Duration
		want      bool
	}{
		"the stored one":                      {ca: current, since: 100 * day},
		"a lifetime later":                    {ca: old, since: 7 * day},
		"just before the margin ends":         {ca: old, since: 7*day + 21*time.Hour - 1},
		"a lifetime and an eighth later":      {ca: old, since: 7*day + 21*time.Hour, want: true},
		"somebody took it out of a webhook":   {ca: old, since: 7*day + 11*time.Hour, elsewhere: true, want: true},
		"taken out of a webhook too early":    {ca: old, since: 7*day + 10*time.Hour, elsewhere: true},
		"nobody knows since when":             {ca: old},
		"the Secret was not read for long":    {ca: old, since: 100 * day, read: freshFor},
		"the issuer of a leaf that is served": {ca: old, inForce: []*x509.Certificate{old}, since: 100 * day},
		"one that podvet did not make":        {ca: foreign, since: 100 * day},
		"expired":                             {ca: foreign, since: time.Hour, at: 365 * day, want: true},
		"withdrawn just now":                  {ca: foreign, since: 100 * day, withdrawn: out(foreign, 0)},
		"withdrawn a while ago":               {ca: foreign, withdrawn: out(foreign, withdrawAfter-1)},
		"withdrawn":                           {ca: foreign, withdrawn: out(foreign, withdrawAfter), want: true},
		"another is withdrawn":                {ca: foreign, withdrawn: out(old, withdrawAfter)},
		"withdrawn, one replica was first": {
			ca: old, withdrawn: out(old, withdrawAfter/2), elsewhere: true, want: true},
		"withdrawn, somebody emptied a webhook": {ca: old, withdrawn: out(old, withdrawAfter/2-1), elsewhere: true},
		"withdrawn, and a leaf of its is served": {
			ca: old, inForce: []*x509.Certificate{old}, withdrawn: out(old, withdrawAfter), want: true},
		"withdrawn, and the Secret cannot be read": {
			ca: old, read: time.Hour, withdrawn: out(old, withdrawAfter), want: true},
	} {
		s := standing{inForce: append(c.inForce, current), read: now.Add(-c.read), lifetime: 7 * day,
			withdrawn: c.withdrawn}
		if c.since != 0 {
			s.since = now.Add(-c.since)
		}
		if got := s.leaves(c.ca, !c.elsewhere, now.Add(c.at)); got != c.want {
			t.Errorf("%s: it leaves: %v", what, got)
		}
	}
}

// TestSupersededLeaves: a replaced CA of podvet's own leaves the bundles once its last leaf has ended, also where a
// replica starts late. One of somebody else stays.
func TestSupersededLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		foreign := newNamedCA(t, "Corporate CA", caValidity, nil)
		c.setBundles(t, encode(foreign.certificate))
		a := newNamedCA(t, caName, caValidity, nil)
		r, other := c.serve(t, nil), c.serve(t, nil)
		for _, r := range []*replica{r, other} {
			r.lifetime = leafValidity
		}
		c.rotate(t, a, r, other)
		settle()
		b := newNamedCA(t, caName, caValidity, nil)
		c.rotate(t, b, r, other)
		rotated := time.Now()
		sleep(leafValidity)
		c.wantBundles(t, "as long as a leaf may live", b, a, foreign)
		late := c.replica(t, b)
		late.lifetime = leafValidity
		go func() { _ = late.Run(t.Context()) }()
		sleep(time.Until(rotated.Add(leafValidity + leafValidity/8 + 2*secretInterval)))
		c.wantBundles(t, "afterwards", b, foreign)
		for _, r := range []*replica{r, other, late} {
			r.wantServed(t, "afterwards", b)
			if err := r.Ready(); err != nil {
				t.Error(err)
			}
		}
		before := c.applies()
		sleep(time.Hour)
		if n := c.applies() - before; n != 0 {
			t.Errorf("%d writes although all agree", n)
		}
	})
}

// withdraw calls CAs withdrawn, as podvet certs withdraw does.
func (c *fakeCluster) withdraw(t *testing.T, ca *testCA) {
	t.Helper()
	secrets := c.typed.CoreV1().Secrets(testNamespace)
	secret, err := secrets.Get(t.Context(), testSecret, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret.Annotations = map[string]string{WithdrawnAnnotation: "garbage " + fingerprintOf(ca.certificate).String()}
	if _, err := secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestWithdrawnLeaves: a withdrawn CA is no longer stored, and leaves the bundles when each replica has had the time to
// follow. A replica that does not follow is not ready before that. Put back, the CA leaves again.
func TestWithdrawnLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		r, stuck := c.serve(t, nil), c.serve(t, nil)
		a := newNamedCA(t, caName, caValidity, nil)
		c.rotate(t, a, r, stuck)
		sleep(time.Minute)
		c.withdraw(t, a)
		sleep(secretInterval)
		if stored, _ := r.secret.read(t.Context()); stored.ca != nil {
			t.Error("the withdrawn CA is still stored")
		}
		c.wantBundles(t, "there is no other yet", a)
		b := newNamedCA(t, caName, caValidity, nil)
		c.rotate(t, b, r) // stuck has no watch
		sleep(unreadyAfter + secretInterval)
		c.wantBundles(t, "withdrawn", b, a)
		r.wantServed(t, "withdrawn", b)
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
		stuck.wantServed(t, "withdrawn", a)
		says(t, "stuck", stuck.Ready(), "the CA of the serving certificate was withdrawn, and there is no other")
		sleep(withdrawAfter)
		c.wantBundles(t, "gone", b)
		says(t, "stuck", stuck.Ready(), "does not verify the certificate")
		c.setBundles(t, encode(a.certificate, b.certificate)) // from a backup
		sleep(2 * time.Second)
		c.wantBundles(t, "put back", b)
		before := c.applies()
		sleep(time.Hour)
		if n := c.applies() - before; n != 0 {
			t.Errorf("%d writes although all agree", n)
		}
		c.setCA(t, a) // from a backup, too
		r.library.load(a)
		sleep(secretInterval)
		r.wantServed(t, "a withdrawn CA is stored", b)
		if stored, _ := r.secret.read(t.Context()); stored.ca != nil {
			t.Error("the withdrawn CA is stored again")
		}
	})
}
