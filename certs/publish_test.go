package certs

import (
	"bytes"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// publisher is one of a cluster, and its log. It does not run yet.
func (c *fakeCluster) publisher(t *testing.T) (*Publisher, *testLog) {
	t.Helper()
	log := &testLog{}
	p, err := newPublisher(c.dynamic, testConfiguration, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	return p, log
}

// run runs a publisher until the test ends.
func (p *Publisher) run(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); p.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
	synctest.Wait()
}

// applies is how often podvet wrote, or tried to.
func (c *fakeCluster) applies() int {
	n := 0
	for _, action := range c.dynamic.Actions() {
		if action.GetVerb() == "patch" {
			n++
		}
	}
	return n
}

// TestPublish: each webhook carries the CA, podvet owns that field and no other, and what it returns was read back.
func TestPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		p, _ := c.publisher(t)
		ca := newCA(t, time.Hour, nil)
		time.Sleep(time.Minute)
		published, err := p.Publish(t.Context(), ca.certificate)
		if err != nil {
			t.Fatal(err)
		}
		c.wantBundles(t, "published", ca)
		var names []string
		for _, w := range published {
			names = append(names, w.Name)
			if !bytes.Equal(w.ClientConfig.CABundle, encode(ca.certificate)) {
				t.Errorf("%s was not read back", w.Name)
			}
		}
		if want := "mutate.podvet.dev validate.podvet.dev policy.podvet.dev"; strings.Join(names, " ") != want {
			t.Errorf("webhooks %v", names)
		}
		if now := time.Now(); !published.changed().Equal(now) || !p.wroteAt().Equal(now) {
			t.Errorf("changed %v, wrote %v", published.changed(), p.wroteAt())
		}
		m, v := c.configurations(t)
		if m.Webhooks[0].FailurePolicy == nil || m.Webhooks[0].ClientConfig.Service == nil {
			t.Errorf("something else is gone: %+v", m.Webhooks[0])
		}
		for _, fields := range [][]metav1.ManagedFieldsEntry{m.ManagedFields, v.ManagedFields} {
			i := slices.IndexFunc(fields, func(f metav1.ManagedFieldsEntry) bool { return f.Manager == FieldManager })
			if i < 0 {
				t.Fatal("podvet owns nothing")
			}
			owned := fields[i].FieldsV1.GetRawString()
			if !strings.Contains(owned, `"f:caBundle"`) || strings.Contains(owned, "f:service") ||
				strings.Contains(owned, "f:failurePolicy") || strings.Contains(owned, "f:metadata") {
				t.Errorf("podvet owns %s", owned)
			}
		}
		before := c.applies()
		if _, err := p.Publish(t.Context(), ca.certificate); err != nil || c.applies() != before {
			t.Errorf("it wrote what was there: %v", err)
		}
	})
}

// TestPublishWhatExists: a configuration may be missing, and so may both.
func TestPublishWhatExists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		p, _ := c.publisher(t)
		ca := newCA(t, time.Hour, nil)
		published, err := p.Publish(t.Context(), ca.certificate)
		if err != nil || len(published) != 0 {
			t.Errorf("with none: %v %v", published, err)
		}
		c.install(t, nil)
		client := c.typed.AdmissionregistrationV1().MutatingWebhookConfigurations()
		if err := client.Delete(t.Context(), testConfiguration, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		published, err = p.Publish(t.Context(), ca.certificate)
		if err != nil || len(published) != 2 || len(published[0].Certificates()) != 1 {
			t.Errorf("with one: %v %v", published, err)
		}
	})
}

// TestPublishConflicts: where somebody else has written meanwhile, what is there now is read again and kept, but not
// forever.
func TestPublishConflicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		p, _ := c.publisher(t)
		own := newCA(t, time.Hour, nil)
		var others []*testCA
		c.meanwhile = func() {
			if len(others) < 3 {
				other := newCA(t, time.Hour, nil)
				others = append([]*testCA{other}, others...)
				c.setBundles(t, encode(other.certificate))
			}
		}
		if _, err := p.Publish(t.Context(), own.certificate); err != nil {
			t.Fatal(err)
		}
		c.wantBundles(t, "after three conflicts", own, others[0])

		rounds := 0
		c.meanwhile = func() { rounds++; c.setBundles(t, nil) }
		_, err := p.Publish(t.Context(), own.certificate, others[1].certificate)
		says(t, "conflicts without end", err, "the CA bundle cannot be published: "+
			"20 times somebody else changed it in the MutatingWebhookConfiguration "+
			"or the ValidatingWebhookConfiguration podvet-hooks meanwhile: find who by their managedFields")
		if rounds != 2*publishAttempts {
			t.Errorf("%d writes", rounds)
		}
	})
}

// TestPublishVanished: a configuration that vanishes before it is written is no trouble.
func TestPublishVanished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		p, _ := c.publisher(t)
		c.meanwhile = func() {
			client := c.typed.AdmissionregistrationV1().MutatingWebhookConfigurations()
			_ = client.Delete(t.Context(), testConfiguration, metav1.DeleteOptions{})
		}
		published, err := p.Publish(t.Context(), newCA(t, time.Hour, nil).certificate)
		if err != nil || len(published) != 2 {
			t.Errorf("%v %v", published, err)
		}
	})
}

// TestPublishWithoutRights: the error says which right is missing.
func TestPublishWithoutRights(t *testing.T) {
	for verb, words := range map[string][]string{
		"get": {"the MutatingWebhookConfiguration podvet-hooks cannot be read: ", "no right"},
		"patch": {"the CA bundle cannot be published: ", "no right",
			": allow podvet to patch validatingwebhookconfigurations podvet-hooks"},
	} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFakeCluster(t)
				c.install(t, nil)
				p, _ := c.publisher(t)
				resource := "validatingwebhookconfigurations"
				if verb == "get" {
					resource = "*"
				}
				allow := c.deny(verb, resource)
				ca := newCA(t, time.Hour, nil)
				_, err := p.Publish(t.Context(), ca.certificate)
				says(t, verb, err, words...)
				allow()
				if _, err := p.Publish(t.Context(), ca.certificate); err != nil {
					t.Errorf("with the right: %v", err)
				}
				c.wantBundles(t, "with the right", ca)
			})
		})
	}
}

// TestPublishAtMostEight: what was published longest ago goes, and what is in force stays.
func TestPublishAtMostEight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		p, _ := c.publisher(t)
		var cas []*testCA
		for range 10 {
			ca := newCA(t, time.Hour, nil)
			if _, err := p.Publish(t.Context(), ca.certificate); err != nil {
				t.Fatal(err)
			}
			cas = append([]*testCA{ca}, cas...)
		}
		c.wantBundles(t, "after ten", cas[:8]...)
		last := cas[7]
		fresh := newCA(t, time.Hour, nil)
		if _, err := p.Publish(t.Context(), fresh.certificate, last.certificate); err != nil {
			t.Fatal(err)
		}
		c.wantBundles(t, "with the last in force", append(append([]*testCA{fresh}, cas[:6]...), last)...)
	})
}

// TestPublishers: two with CAs of their own agree on the union, and then both rest.
func TestPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		a, _ := c.publisher(t)
		b, _ := c.publisher(t)
		a.run(t)
		b.run(t)
		first, second := newCA(t, time.Hour, nil), newCA(t, time.Hour, nil)
		for p, ca := range map[*Publisher]*testCA{a: first, b: second} {
			go func() {
				if _, err := p.Publish(t.Context(), ca.certificate); err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(5 * time.Second)
		m, _ := c.configurations(t)
		if got := certificates(m.Webhooks[0].ClientConfig.CABundle); len(got) != 2 ||
			!slices.ContainsFunc(got, first.certificate.Equal) || !slices.ContainsFunc(got, second.certificate.Equal) {
			t.Errorf("%d CAs", len(got))
		}
		before := c.applies()
		time.Sleep(time.Minute)
		if n := c.applies() - before; n != 0 {
			t.Errorf("%d writes although they agree", n)
		}
	})
}

// TestNewPublisher: only the config can be wrong.
func TestNewPublisher(t *testing.T) {
	log := &testLog{}
	if _, err := NewPublisher(&rest.Config{Host: "https://127.0.0.1:1"}, testConfiguration, log.logger()); err != nil {
		t.Error(err)
	}
	if _, err := NewPublisher(badConfig(), testConfiguration, log.logger()); err == nil {
		t.Error("no error")
	}
}

// badConfig is one that no client can be made of.
func badConfig() *rest.Config {
	return &rest.Config{TLSClientConfig: rest.TLSClientConfig{Insecure: true, CAData: []byte("x")}}
}

// TestPublishedByAnother: what could not be published, and then was by another replica, is said again the next time.
func TestPublishedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		ca, old := newCA(t, time.Hour, nil), newCA(t, time.Hour, nil)
		c.install(t, nil)
		c.setBundles(t, encode(ca.certificate))
		p, log := c.publisher(t)
		p.stand(standing{inForce: []*x509.Certificate{ca.certificate}})
		p.run(t)
		c.deny("patch", "*")
		for round := 1; round <= 2; round++ {
			c.setBundles(t, encode(old.certificate))
			sleep(time.Minute)
			if n := log.count(`msg="the CA bundle is not published"`); n != round {
				t.Errorf("outage %d: logged %d times", round, n)
			}
			c.setBundles(t, encode(ca.certificate))
			sleep(time.Minute)
		}
	})
}
