package certs_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/authority"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// newCA makes a CA that is valid for a time, which may have passed.
func newCA(t *testing.T, validity time.Duration) *authority.Certificate {
	t.Helper()
	return authority.Issue(t, nil, "ca", -24*time.Hour, validity)
}

func secretData(ca, cert, key []byte) map[string][]byte {
	return map[string][]byte{"ca.crt": ca, "tls.crt": cert, "tls.key": key}
}

// TestSecretFaults: whatever happens to the CA Secret, a new CA is in force soon, and both replicas serve its leaf
// certificates, which the bundles verify all the while.
func TestSecretFaults(t *testing.T) {
	t.Parallel()
	for what, fault := range map[string]func(*testing.T, *site){
		"deleted": func(t *testing.T, s *site) {
			secrets := s.admin.CoreV1().Secrets(s.namespace)
			if err := secrets.Delete(t.Context(), caSecret, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"emptied": func(t *testing.T, s *site) { s.setSecret(t, nil) },
		"garbage": func(t *testing.T, s *site) {
			s.setSecret(t, secretData([]byte("garbage"), []byte("garbage"), []byte("garbage")))
		},
		"another key": func(t *testing.T, s *site) {
			data := s.secret(t).Data
			s.setSecret(t, secretData(data["ca.crt"], data["tls.crt"], newCA(t, time.Hour).KeyPEM()))
		},
		"expired": func(t *testing.T, s *site) {
			old := newCA(t, -time.Hour)
			s.setSecret(t, secretData(old.PEM(), old.PEM(), old.KeyPEM()))
		},
		"another CA": func(t *testing.T, s *site) { // restored from a backup, say: it is taken as it is
			other := newCA(t, 100*time.Hour)
			s.setSecret(t, secretData(other.PEM(), other.PEM(), other.KeyPEM()))
		},
		"no CA": func(t *testing.T, s *site) {
			data := s.secret(t).Data
			s.setSecret(t, secretData(newCA(t, time.Hour).PEM(), data["tls.crt"], data["tls.key"]))
		},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, true)
			a, b := s.serve(t, nil), s.serve(t, nil) // at once, on a cluster without a CA
			a.awaitReady(t, 30*time.Second)
			b.awaitReady(t, 30*time.Second)
			before := s.storedCA(t)
			c := s.call(t, a, b)
			c.awaitServed(t, before, 10*time.Second)
			time.Sleep(lag)
			start := time.Now()
			fault(t, s)
			ca := s.rotated(t, before, 15*time.Second)
			made := time.Since(start)
			c.awaitServed(t, ca, 20*time.Second)
			t.Logf("a new CA after %v, served by both after %v", made.Round(time.Millisecond),
				time.Since(start).Round(time.Millisecond))
			a.awaitReady(t, time.Second)
			b.awaitReady(t, time.Second)
			c.check(t, false)
			metrics := a.scrape(t)
			leaf := metrics["podvet_certificate_expiry_timestamp_seconds"]
			cas := metrics["podvet_ca_expiry_timestamp_seconds"]
			rotated := metrics["podvet_certificate_rotation_timestamp_seconds"]
			if len(leaf) != 1 || leaf[0] < float64(time.Now().Add(6*24*time.Hour).Unix()) && what != "another CA" {
				t.Errorf("expiry of the leaf: %v", leaf)
			}
			if len(cas) < 1 || len(cas) > 4 {
				t.Errorf("expiry of CAs: %v", cas)
			}
			if len(rotated) != 1 || rotated[0] < float64(start.Unix()) {
				t.Errorf("last rotation: %v", rotated)
			}
		})
	}
}

// TestStartsDuringRotation: a replica that starts while the CA changes has no older leaf to serve meanwhile. It is not
// ready before every API server follows the changed bundle; one that starts later waits a second, in which its leaf
// becomes valid by their clocks. It is measured by the clock, so no other test of the package runs beside it.
func TestStartsDuringRotation(t *testing.T) {
	s := newSite(t, true)
	a := s.serve(t, nil)
	a.awaitReady(t, 30*time.Second)
	before := s.storedCA(t)
	time.Sleep(lag)
	s.setSecret(t, nil)
	b := s.serve(t, nil)
	ca := s.rotated(t, before, 15*time.Second)
	if !podvet.Await(t.Context(), 10*time.Second, func() bool {
		return !slices.ContainsFunc(s.mustPublished(t), func(w certs.Webhook) bool {
			return !slices.ContainsFunc(w.Certificates(), ca.Equal)
		})
	}) {
		t.Fatal("the new CA is not published")
	}
	written := time.Now()
	wait := b.awaitReady(t, 30*time.Second)
	if waited := time.Since(written); waited < 4*time.Second || wait == 0 {
		t.Errorf("ready %v after the bundle was written, and it said it waits %v", waited, wait)
	}
	start := time.Now()
	wait = s.serve(t, nil).awaitReady(t, 30*time.Second)
	if waited := time.Since(start); waited > 3*time.Second || wait > time.Second { // clockMargin
		t.Errorf("ready %v after it was started, with a bundle that is old, and it said it waits %v", waited, wait)
	}
}

// TestRotationByTime: a CA that lives for 60 s and leaf certificates for 20 s are replaced, by whichever replica, and
// once the old CA has expired it leaves the bundles.
func TestRotationByTime(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	short := func(o *certs.SelfManagedOptions) { o.CADuration, o.LeafDuration = 60*time.Second, 20*time.Second }
	a, b := s.serve(t, short), s.serve(t, short)
	a.awaitReady(t, 30*time.Second)
	b.awaitReady(t, 30*time.Second)
	first := s.storedCA(t)
	c := s.call(t, a, b)
	second := s.rotated(t, first, 60*time.Second) // after 40 s, looked at every 10 s
	c.awaitServed(t, second, 20*time.Second)
	gone := func() bool {
		return !slices.ContainsFunc(s.mustPublished(t), func(w certs.Webhook) bool {
			return slices.ContainsFunc(w.Certificates(), first.Equal)
		})
	}
	if gone() {
		t.Error("a CA that is still valid is no longer published")
	}
	if !podvet.Await(t.Context(), time.Until(first.NotAfter)+10*time.Second, gone) {
		t.Error("the expired CA is still published")
	}
	c.check(t, false)
	if len(c.leafs) < 8 {
		t.Errorf("only %d leaf certificates", len(c.leafs))
	}
}

// TestMissingRights: without a permission a replica is not ready, says which, and lives on; it heals when it gets it.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	rights := func(t *testing.T, s *site) string { return s.manifest(t, "testdata/self-managed.yaml") }
	for what, c := range map[string]struct {
		without func(rights string) string
		words   []string
		heal    time.Duration
	}{
		"nothing": {
			func(string) string { return "" },
			[]string{"the CA Secret", "cannot be read: allow podvet to get, list, watch and update that Secret",
				"forbidden"}, 90 * time.Second,
		},
		"create": {
			func(r string) string { return strings.ReplaceAll(r, "create, ", "") },
			[]string{"the CA Secret does not exist: allow podvet to create and patch the Secret",
				"or create an empty one of that name"}, 30 * time.Second,
		},
		"patch": {
			func(r string) string { return strings.ReplaceAll(r, "watch, patch]", "watch]") },
			[]string{"the CA bundle cannot be published", "forbidden", "allow podvet to patch"}, 30 * time.Second,
		},
		"watch of configurations": {
			func(r string) string { return strings.ReplaceAll(r, "[get, list, watch, patch]", "[get, patch]") },
			[]string{"MutatingWebhookConfiguration", "cannot be watched", "forbidden"}, 90 * time.Second,
		},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, false)
			if some := c.without(rights(t, s)); some != "" {
				s.apply(t, some)
			}
			r := s.serve(t, nil)
			r.awaitUnready(t, 20*time.Second, c.words...)
			time.Sleep(3 * time.Second)
			select {
			case err := <-r.ended:
				t.Fatalf("Run ended: %v", err)
			default:
			}
			s.apply(t, rights(t, s))
			start := time.Now()
			r.awaitReady(t, c.heal)
			t.Logf("healed after %v", time.Since(start))
		})
	}
}

// TestUnpublishable: as long as the new CA cannot be published, the old leaf certificates stay, and replicas are
// ready: it is the bundle that decides.
func TestUnpublishable(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	rights := s.manifest(t, "testdata/self-managed.yaml")
	a, b := s.serve(t, nil), s.serve(t, nil)
	a.awaitReady(t, 30*time.Second)
	b.awaitReady(t, 30*time.Second)
	before := s.storedCA(t)
	c := s.call(t, a, b)
	c.awaitServed(t, before, 10*time.Second)
	s.apply(t, strings.ReplaceAll(rights, ", patch]", "]"))
	time.Sleep(lag)
	s.setSecret(t, nil)
	ca := s.rotated(t, before, 15*time.Second)
	time.Sleep(2 * lag)
	c.awaitServed(t, before, time.Second)
	if err := a.source.Ready(); err != nil {
		t.Error(err)
	}
	// It is tried again each second, and said twice: the bundle is not published, so there is no new certificate.
	if log := a.log.String(); strings.Count(log, "allow podvet to patch") > 2 ||
		!strings.Contains(log, "the CA bundle is not published") {
		t.Errorf("the log: %s", log)
	}
	s.apply(t, rights)
	c.awaitServed(t, ca, 20*time.Second)
	c.check(t, false)

	s.apply(t, strings.ReplaceAll(rights, ", patch]", "]"))
	time.Sleep(time.Second) // the authorizer follows
	manifest := s.manifest(t, "testdata/configurations.yaml")
	s.apply(t, strings.ReplaceAll(manifest, "clientConfig: {", `clientConfig: {caBundle: "", `), "--force-conflicts")
	a.awaitUnready(t, 5*time.Second,
		"the CA bundle of webhook mutate.podvet.dev (0 certificates) does not verify the certificate")
}

// TestEmptySecret: a chart that makes an empty Secret spares podvet the permission to create any.
func TestEmptySecret(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	rights := s.manifest(t, "testdata/self-managed.yaml")
	s.apply(t, strings.ReplaceAll(rights, `- {apiGroups: [""], resources: [secrets], verbs: [create]}`, ""))
	empty := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: caSecret}}
	if _, err := s.admin.CoreV1().Secrets(s.namespace).Create(t.Context(), empty, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	a, b := s.serve(t, nil), s.serve(t, nil)
	a.awaitReady(t, 30*time.Second)
	b.awaitReady(t, 30*time.Second)
}

// TestWrongNames: a replica that serves another name than the webhooks call, or that finds none, says so.
func TestWrongNames(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	r := s.serve(t, func(o *certs.SelfManagedOptions) { o.DNSNames = []string{"other.example"} })
	r.awaitUnready(t, 20*time.Second, "calls podvet."+s.namespace+".svc", "other.example",
		"add --dns-name podvet."+s.namespace+".svc")

	admin := func(o *certs.SelfManagedOptions) { o.Configuration, o.Config = "no-such", env.API.Config }
	s.serve(t, admin).awaitUnready(t, 20*time.Second, "no webhook calls podvet", "--webhook-configuration")
}
