package certs

import (
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A replica is a SelfManaged over a fake authority.
type replica struct {
	*SelfManaged
	library *fakeAuthority
	log     *testLog
	metrics *prometheus.Registry
}

// options are those of a replica.
func options(log *testLog, metrics prometheus.Registerer) SelfManagedOptions {
	return SelfManagedOptions{
		SecretNamespace: testNamespace, SecretName: testSecret,
		DNSNames: []string{testServer}, Configuration: testConfiguration,
		Log: log.logger(), Metrics: metrics,
	}
}

// replica makes one that does not run yet, with a CA loaded, or for nil, none.
func (c *fakeCluster) replica(t *testing.T, ca *testCA) *replica {
	t.Helper()
	r := &replica{
		library: &fakeAuthority{leafDuration: leafValidity, ca: ca},
		log:     &testLog{},
		metrics: prometheus.NewRegistry(),
	}
	publisher, err := newPublisher(c.dynamic, testConfiguration, r.log.logger())
	if err != nil {
		t.Fatal(err)
	}
	r.SelfManaged, err = newSelfManaged(options(r.log, r.metrics), c.typed, publisher, r.library)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// serve runs a replica until the test ends.
func (c *fakeCluster) serve(t *testing.T, ca *testCA) *replica {
	t.Helper()
	r := c.replica(t, ca)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	synctest.Wait()
	return r
}

// sleep lets time pass, and everybody do what is to be done then.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// settle waits as long as a replica with a CA needs to be ready.
func settle() { sleep(settleTime + 2*time.Second) }

// wantServed checks which CA signed the leaf that is served.
func (r *replica) wantServed(t *testing.T, when string, ca *testCA) *x509.Certificate {
	t.Helper()
	certificate, err := r.GetCertificate(nil)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if err := certificate.Leaf.CheckSignatureFrom(ca.certificate); err != nil {
		t.Errorf("%s: another CA's leaf is served: %v", when, err)
	}
	return certificate.Leaf
}

// rotate puts another CA into the Secret and has the library of each replica load it.
func (c *fakeCluster) rotate(t *testing.T, ca *testCA, replicas ...*replica) {
	t.Helper()
	c.setCA(t, ca)
	for _, r := range replicas {
		r.library.load(ca)
	}
	synctest.Wait()
}

// serving is a cluster with one replica that is ready with a CA.
func serving(t *testing.T, validity time.Duration) (*fakeCluster, *replica, *testCA) {
	t.Helper()
	c := newFakeCluster(t)
	c.install(t, nil)
	r := c.serve(t, nil)
	ca := newCA(t, validity, nil)
	c.rotate(t, ca, r)
	settle()
	if err := r.Ready(); err != nil {
		t.Fatal(err)
	}
	return c, r, ca
}

// Short, because a replica does something each second of them.
const (
	caValidity   = 24 * time.Hour
	leafValidity = 10 * time.Minute
)
