package certs_test

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// steps are between every two steps of a rotation, in their order: the library says what it does in its log, and
// all else is a request.
var steps = []string{
	"before PUT secrets 1", // the new CA
	"after PUT secrets 1",
	"log Detected change in CA secret data", // the signing key is swapped next
	"log Detected root CA rotation",
	"log Signing new serving certificate",
	"before GET secrets 1", // the leaf is signed
	"after GET secrets 1",
	"before GET mutatingwebhookconfigurations 1",
	"before GET validatingwebhookconfigurations 1",
	"before PATCH mutatingwebhookconfigurations 1", // publication
	"after PATCH mutatingwebhookconfigurations 1",
	"before PATCH validatingwebhookconfigurations 1",
	"after PATCH validatingwebhookconfigurations 1",
	"after GET mutatingwebhookconfigurations 2", // read back
	"after GET validatingwebhookconfigurations 2",
	"log Signed new serving certificate",       // verified, handed to the library
	"log Updated cert-manager TLS certificate", // the library serves it, the old one is held
	"log certificate in use",                   // the new one is served
}

// TestGate pauses one of two replicas for 10 s between every two steps of a rotation of the CA. No call, by
// bundles as they are or as they were 4 s ago, ever meets a leaf that they do not verify.
func TestGate(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		t.Run(strings.ReplaceAll(step, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s, p := newSite(t, true), &pause{step: step, stop: func() { time.Sleep(10 * time.Second) }}
			a, b := s.serve(t, p.into), s.serve(t, p.into)
			a.awaitReady(t, 30*time.Second)
			b.awaitReady(t, 30*time.Second)
			before := s.storedCA(t)
			c := s.call(t, a, b)
			c.awaitServed(t, before, 10*time.Second)
			time.Sleep(lag)
			p.arm()
			s.setSecret(t, nil)
			ca := s.rotated(t, before, 25*time.Second)
			c.awaitServed(t, ca, 40*time.Second)
			if !p.wasHit() {
				t.Error("no replica came by this step")
			}
			// The library and GetCertificate each hold a lock there: nothing is served while the replica is paused.
			c.check(t, step == "log Updated cert-manager TLS certificate" || step == "log certificate in use")
		})
	}
}

// TestBundleIsRepaired: whoever empties the bundle, in whatever way, finds it back within 5 s; an upgrade that
// does not render it leaves it alone.
func TestBundleIsRepaired(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	r := s.serve(t, nil)
	r.awaitReady(t, 30*time.Second)
	good := s.mustPublished(t)
	manifest := s.manifest(t, "testdata/configurations.yaml")

	s.apply(t, manifest)
	s.apply(t, strings.ReplaceAll(manifest, "failurePolicy: Ignore", "failurePolicy: Fail"))
	for i, w := range s.mustPublished(t) {
		if !bytes.Equal(w.ClientConfig.CABundle, good[i].ClientConfig.CABundle) {
			t.Errorf("an upgrade that does not render caBundle changes that of %s", w.Name)
		}
	}
	rendered := strings.ReplaceAll(manifest, "clientConfig: {", `clientConfig: {caBundle: "", `)
	for what, empty := range map[string]func(){
		"rendered empty, forced":  func() { s.apply(t, rendered, "--force-conflicts") },
		"not rendered after that": func() { s.apply(t, manifest, "--force-conflicts") },
		"replaced": func() {
			cmd := env.API.KubectlCommand(t.Context(), "replace", "-f", "-")
			cmd.Stdin = strings.NewReader(manifest)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		},
		"patched": func() {
			patch := `[{"op": "remove", "path": "/webhooks/1/clientConfig/caBundle"}]`
			configurations := s.admin.AdmissionregistrationV1().ValidatingWebhookConfigurations()
			_, err := configurations.Patch(t.Context(), s.configuration, types.JSONPatchType, []byte(patch),
				metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
		},
		"placeholder": func() {
			s.apply(t, strings.ReplaceAll(manifest, "clientConfig: {", "clientConfig: {caBundle: Cg==, "),
				"--force-conflicts")
		},
	} {
		start := time.Now()
		empty()
		emptied := time.Since(start)
		whole := func() bool {
			for i, w := range s.mustPublished(t) {
				if !bytes.Equal(w.ClientConfig.CABundle, good[i].ClientConfig.CABundle) {
					return false
				}
			}
			return true
		}
		if !podvet.Await(t.Context(), 5*time.Second, whole) {
			t.Errorf("%s: not repaired within 5 s", what)
		}
		t.Logf("%s: repaired %v after the command's end", what, time.Since(start)-emptied)
	}
	r.awaitReady(t, 5*time.Second)
	for _, c := range []any{
		env.Get[metav1.PartialObjectMetadata](t, "", "mutatingwebhookconfiguration", s.configuration),
		env.Get[metav1.PartialObjectMetadata](t, "", "validatingwebhookconfiguration", s.configuration),
	} {
		for _, m := range c.(*metav1.PartialObjectMetadata).ManagedFields {
			if m.Manager != certs.FieldManager {
				continue
			}
			fields := m.FieldsV1.GetRawString()
			if m.Operation != metav1.ManagedFieldsOperationApply || strings.Contains(fields, "f:service") ||
				strings.Contains(fields, "f:rules") || !strings.Contains(fields, "f:caBundle") {
				t.Errorf("podvet owns %s by %s", fields, m.Operation)
			}
		}
	}
}

// TestPublishersRace: two that write at once, a hundred times, each with a new CA, lose neither.
func TestPublishersRace(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	racers := [2]*certs.Publisher{}
	for i := range racers {
		var err error
		silent := slog.New(slog.DiscardHandler)
		if racers[i], err = certs.NewPublisher(env.API.Config, s.configuration, silent); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	var former []*x509.Certificate
	for round := range 100 {
		cas := [2]*x509.Certificate{newCA(t, time.Hour).Certificate, newCA(t, time.Hour).Certificate}
		race := sync.WaitGroup{}
		for i, racer := range racers {
			race.Go(func() {
				if _, err := racer.Publish(t.Context(), cas[i]); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		race.Wait()
		for _, w := range s.mustPublished(t) {
			pool := w.Certificates()
			if len(pool) > 8 {
				t.Fatalf("round %d: %d certificates", round, len(pool))
			}
			for _, ca := range append(former, cas[:]...) {
				if !slices.ContainsFunc(pool, ca.Equal) {
					t.Fatalf("round %d: %s lost a CA", round, w.Name)
				}
			}
		}
		former = cas[:]
	}
	t.Logf("100 rounds in %v", time.Since(start))
}
