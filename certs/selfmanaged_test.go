package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// TestStart: nothing is served before the CA is there and published, and no replica is ready before every API server
// follows the bundle. One that starts later waits for nothing.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		unstarted := c.replica(t, nil)
		says(t, "before Run", unstarted.Ready(), "there is no serving certificate yet: podvet is starting")
		r := c.serve(t, nil)
		says(t, "without a CA", r.Ready(), "there is no serving certificate yet: "+emptySecret)
		if all := gather(t, r.metrics); len(all) != 0 {
			t.Errorf("metrics of nothing: %v", all)
		}
		ca := newCA(t, caValidity, nil)
		c.rotate(t, ca, r)
		sleep(time.Second) // its next attempt
		c.wantBundles(t, "published", ca)
		leaf := r.wantServed(t, "published", ca)
		if err := leaf.VerifyHostname(testServer); err != nil {
			t.Error(err)
		}
		written := time.Now()
		says(t, "just now", r.Ready(), "the CA bundle was written just now: ready in 5s, when every API server has it")
		sleep(settleTime - time.Millisecond)
		says(t, "soon", r.Ready(), "ready in 0s")
		sleep(time.Millisecond)
		if err := r.Ready(); err != nil {
			t.Errorf("after %v: %v", settleTime, err)
		}
		all := gather(t, r.metrics)
		if all["certificate_expiry_timestamp_seconds"] != leaf.NotAfter.Unix() || len(all) != 3 ||
			all["certificate_rotation_timestamp_seconds"] != written.Unix() ||
			all[caSeries(ca.certificate)] != ca.certificate.NotAfter.Unix() {
			t.Errorf("metrics: %v", all)
		}
		sleep(2 * time.Second)
		later := c.serve(t, ca)
		says(t, "a clock behind ours may not take it for valid yet", later.Ready(), "ready in 1s")
		sleep(clockMargin)
		if err := later.Ready(); err != nil {
			t.Errorf("with a bundle that is old: %v", err)
		}
		if n := r.log.count("level=ERROR"); n != 0 {
			t.Errorf("%d errors logged", n)
		}
	})
}

// TestMissingRights: a replica without a right says which, lives on, and heals when it gets it.
func TestMissingRights(t *testing.T) {
	for what, c := range map[string]struct {
		verb, resource string
		words          []string
	}{
		"create":     {"patch", "secrets", []string{"there is no serving certificate yet: " + noSecret, "no right"}},
		"get secret": {"get", "secrets", []string{unreadableSecret + "allow podvet to get, list, watch and update "}},
		"patch": {"patch", "mutatingwebhookconfigurations", []string{"the CA bundle cannot be published: ",
			": allow podvet to patch mutatingwebhookconfigurations podvet-hooks"}},
		"get": {"get", "validatingwebhookconfigurations", []string{
			"the ValidatingWebhookConfiguration podvet-hooks cannot be read: "}},
		"watch": {"list", "mutatingwebhookconfigurations", []string{
			"the MutatingWebhookConfiguration podvet-hooks cannot be watched: ", "no right"}},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := newFakeCluster(t)
				cluster.install(t, nil)
				ca := newCA(t, caValidity, nil)
				secret, _ := cluster.secret()
				if c.resource != "secrets" {
					_, _ = secret.read(t.Context()) // it makes it
					cluster.setCA(t, ca)
				}
				allow := cluster.deny(c.verb, c.resource)
				loaded := ca
				if c.resource == "secrets" {
					loaded = nil
				}
				r := cluster.serve(t, loaded)
				sleep(time.Minute)
				says(t, what, r.Ready(), c.words...)
				allow()
				sleep(2 * time.Second)
				if loaded == nil {
					cluster.rotate(t, ca, r)
				}
				sleep(2 * time.Minute) // the library of watches waits longer each time
				if err := r.Ready(); err != nil {
					t.Errorf("with the right: %v", err)
				}
			})
		})
	}
}

// TestSecretUnread: a leaf of another CA than the stored one is not served, nor one that is signed while nobody can say
// which CA is stored. The CA that was read last stays published, and so does that of the old leaf.
func TestSecretUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, a := serving(t, caValidity)
		old := r.wantServed(t, "before", a)
		b := newCA(t, caValidity, nil)
		c.setCA(t, b)
		heal := func() {}
		for when, fail := range map[string]func(){
			"not loaded": func() {},
			"unread":     func() { heal = c.fail("get", "secrets", apierrors.NewInternalError(errors.New("boom"))) },
		} {
			sleep(secretInterval)
			fail()
			r.library.load(a) // it did not follow yet
			settle()
			if leaf := r.wantServed(t, when, a); !leaf.Equal(old) {
				t.Errorf("%s: a leaf of another CA than the stored one is served", when)
			}
			c.wantBundles(t, when, b, a)
			if gather(t, r.metrics)[caSeries(b.certificate)] == 0 {
				t.Errorf("%s: the stored CA is not in force", when)
			}
			heal()
		}
		r.library.load(b)
		settle()
		r.wantServed(t, "loaded", b)
	})
}

// TestWrongNames: a replica that serves another name than the webhooks call, or that finds none, says so and serves
// nothing.
func TestWrongNames(t *testing.T) {
	for what, c := range map[string]struct {
		url   *string
		words string
	}{
		"another name": {new("https://other.example/x"), `webhook mutate.podvet.dev calls other.example, ` +
			`and the certificate is for ["podvet.podvet-system.svc"]: add --dns-name other.example`},
		"no webhook": {nil, "no webhook calls podvet: install its webhook configurations"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := newFakeCluster(t)
				if c.url != nil {
					cluster.install(t, c.url)
				}
				ca := newCA(t, caValidity, nil)
				secret, _ := cluster.secret()
				_, _ = secret.read(t.Context()) // it makes it
				cluster.setCA(t, ca)
				r := cluster.serve(t, ca)
				sleep(10 * time.Second)
				says(t, what, r.Ready(), "there is no serving certificate yet: "+c.words)
			})
		})
	}
}

// TestReadyFollowsBundle: what is served stays, but the replica is not ready while a webhook cannot verify it.
func TestReadyFollowsBundle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, ca := serving(t, caValidity)
		allow := c.deny("patch", "*")
		c.setBundles(t, nil)
		sleep(time.Second)
		says(t, "emptied", r.Ready(), "the CA bundle of webhook mutate.podvet.dev (0 certificates) does not verify ")
		r.wantServed(t, "emptied", ca)
		allow()
		sleep(2 * time.Second)
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// TestSecretDeletedWhileServing: it is made again, and nothing else changes.
func TestSecretDeletedWhileServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, ca := serving(t, caValidity)
		secrets := c.typed.CoreV1().Secrets(testNamespace)
		if err := secrets.Delete(t.Context(), testSecret, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		sleep(secretInterval)
		if _, err := secrets.Get(t.Context(), testSecret, metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
		r.wantServed(t, "deleted", ca)
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// TestStop: what fails because podvet is being stopped is no reason that Ready gives, and Run returns nil.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		r := c.replica(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		g := &gate{Authority: r.library, ctx: ctx, source: r.SelfManaged}
		if _, err := g.Sign(&x509.Certificate{}); err == nil {
			t.Error("it signs")
		}
		says(t, "stopped", r.Ready(), "podvet is starting")
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		r = c.replica(t, nil)
		r.library.runErr = errors.New("boom")
		says(t, "the library ends", r.Run(t.Context()), "boom")
	})
}

// TestSignErrors: the library tries again without logging it, and podvet logs it once.
func TestSignErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		r := c.serve(t, nil)
		sleep(time.Minute)
		if n := r.log.count("Failed to generate"); n != 0 {
			t.Errorf("the library logged %d times", n)
		}
		if n := r.log.count(`msg="no new certificate"`); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

// TestNewSelfManaged: the options can be wrong, and metrics can be there already.
func TestNewSelfManaged(t *testing.T) {
	log := &testLog{}
	o := options(log, prometheus.NewRegistry())
	o.Config = &rest.Config{Host: "https://127.0.0.1:1"}
	for what, change := range map[string]func(*SelfManagedOptions){
		"longer":  func(o *SelfManagedOptions) { o.CADuration, o.LeafDuration = time.Hour, 2*time.Hour },
		"as long": func(o *SelfManagedOptions) { o.CADuration = 7 * 24 * time.Hour },
		"default": func(o *SelfManagedOptions) { o.LeafDuration = 365 * 24 * time.Hour },
	} {
		wrong := o
		change(&wrong)
		if _, err := NewSelfManaged(wrong); err == nil || !strings.Contains(err.Error(), " would outlive its CA of ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	wrong := o
	wrong.Config = badConfig()
	if _, err := NewSelfManaged(wrong); err == nil {
		t.Error("a bad config is taken")
	}
	s, err := NewSelfManaged(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSelfManaged(o); !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
		t.Errorf("registered twice: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	await(t, 5*time.Second, "a reason", func() bool {
		return strings.Contains(s.Ready().Error(), "no serving certificate yet: "+unreadableSecret)
	})
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
