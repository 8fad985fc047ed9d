package certs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/authority"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// A thief has the key of a CA and answers the API server for podvet: everything is allowed.
type thief struct{ port string }

// thief starts to answer with a leaf of a CA for localhost.
func (s *site) thief(t *testing.T, ca *authority.Certificate) *thief {
	t.Helper()
	leaf := authority.Issue(t, ca, "localhost", -time.Hour, time.Hour)
	pair, err := tls.X509KeyPair(leaf.PEM(), leaf.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.HandlerFunc(allow), ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go web.Serve(listener)
	t.Cleanup(func() { web.Close() })
	address := listener.Addr().String()
	return &thief{address[strings.LastIndex(address, ":")+1:]}
}

// call registers the thief for the pods of a namespace of its own, with a bundle, and creates a pod there.
func (th *thief) call(t *testing.T, s *site, bundle []byte) (err string) {
	t.Helper()
	ns := env.Namespace(t, "")
	manifest := regexp.MustCompile(`service: \{[^}]*path: [^}]*\}`).ReplaceAllString(
		s.manifest(t, "testdata/configurations.yaml"),
		fmt.Sprintf(`url: "https://localhost:%s/x", caBundle: %s`, th.port, env.JSON(bundle)))
	manifest = strings.ReplaceAll(manifest, "failurePolicy: Ignore", "failurePolicy: Fail")
	manifest = strings.ReplaceAll(manifest, s.configuration, "thief-of-"+ns)
	manifest = strings.ReplaceAll(manifest, s.namespace, ns)
	s.apply(t, manifest)
	t.Cleanup(func() {
		env.API.KubectlCommand(context.Background(), "delete",
			"mutatingwebhookconfiguration,validatingwebhookconfiguration", "thief-of-"+ns).Run()
	})
	env.Must(t, "", "", "label", "--overwrite", "namespace", ns, "podvet-test="+ns)
	time.Sleep(lag) // the API server follows
	_, err, ok := env.Kubectl(t, ns, "", "run", "p", "--image=i")
	if ok {
		return ""
	}
	return err
}

// stolen is the CA in the Secret with its key.
func (s *site) stolen(t *testing.T) *authority.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(s.secret(t).Data["tls.crt"], s.secret(t).Data["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	return &authority.Certificate{Certificate: pair.Leaf, Key: pair.PrivateKey.(*ecdsa.PrivateKey)}
}

func sumOf(ca *x509.Certificate) string {
	sum := sha256.Sum256(ca.Raw)
	return hex.EncodeToString(sum[:])
}

// withdraw runs podvet certs withdraw.
func (s *site) withdraw(t *testing.T, sum string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), env.Binary, "certs", "withdraw", "--kubeconfig", env.API.Kubeconfig,
		"--webhook-configuration", s.configuration, "--ca-secret", s.namespace+"/"+caSecret, sum)
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("podvet certs withdraw: %v: %s", err, said)
	}
	return string(said)
}

// bundle is what the first webhook carries.
func (s *site) bundle(t *testing.T) []byte { return s.mustPublished(t)[0].ClientConfig.CABundle }

func carries(published certs.Published, ca *x509.Certificate) bool {
	return slices.ContainsFunc(published, func(w certs.Webhook) bool {
		return slices.ContainsFunc(w.Certificates(), ca.Equal)
	})
}

// TestWithdraw: two replicas, pods are created all the while with failurePolicy Fail, and somebody has stolen the CA's
// key. Emptying the Secret does not keep him from answering for podvet, withdrawing the CA does. A CA that someone else
// put into the bundle can be withdrawn, too. No creation fails.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	kubeconfig := env.PolicyNamespace(t, s.namespace, "")
	a, b := s.selfManaged(t, kubeconfig), s.selfManaged(t, kubeconfig)
	svc := &service{}
	svc.add(a)
	svc.add(b)
	s.vetted(t, svc.open(t))
	time.Sleep(lag)
	awaitReady(t, a, b)
	l := s.load(t)
	c := s.call(t, handshake(a, b)...)
	old := s.stolen(t)
	c.awaitServed(t, old.Certificate, time.Minute)
	th := s.thief(t, old)

	s.setSecret(t, nil)
	second := s.rotated(t, old.Certificate, time.Minute)
	c.awaitServed(t, second, time.Minute)
	if err := th.call(t, s, s.bundle(t)); err != "" {
		t.Errorf("the CA was only replaced, and the thief is refused already: %s", err)
	}

	said := s.withdraw(t, sumOf(old.Certificate))
	if carries(s.mustPublished(t), old.Certificate) || !strings.Contains(said, "is in no bundle") {
		t.Errorf("the withdrawn CA is still published: %s", said)
	}
	if err := th.call(t, s, s.bundle(t)); !strings.Contains(err, "x509: certificate signed by unknown authority") {
		t.Errorf("the thief is accepted, or refused for another reason: %q", err)
	}
	if ca := s.storedCA(t); !ca.Equal(second) {
		t.Error("the CA in force was replaced, and it is not the withdrawn one")
	}

	inForce := s.stolen(t)
	said = s.withdraw(t, sumOf(inForce.Certificate)[:16])
	third := s.storedCA(t)
	if third.Equal(second) || carries(s.mustPublished(t), second) || !carries(s.mustPublished(t), third) {
		t.Errorf("the CA in force is not withdrawn: %s", said)
	}
	c.awaitServed(t, third, time.Minute)
	if err := s.thief(t, inForce).call(t, s, s.bundle(t)); !strings.Contains(err, "unknown authority") {
		t.Errorf("the second thief is accepted, or refused for another reason: %q", err)
	}

	foreign := newCA(t, 100*time.Hour)
	if _, err := s.publisher(t).Publish(t.Context(), foreign.Certificate); err != nil {
		t.Fatal(err)
	}
	if !podvet.Await(t.Context(), time.Minute, func() bool {
		return carries(s.mustPublished(t), foreign.Certificate)
	}) {
		t.Fatal("the foreign CA is not published")
	}
	s.withdraw(t, sumOf(foreign.Certificate))
	if carries(s.mustPublished(t), foreign.Certificate) || !carries(s.mustPublished(t), third) {
		t.Error("the foreign CA is still published, or ours is not")
	}
	awaitReady(t, a, b)
	l.check(t)
	c.check(t, false)
	t.Logf("%d pods created meanwhile; %s", l.created.Load(), said)
}

// publisher is one with all rights.
func (s *site) publisher(t *testing.T) *certs.Publisher {
	t.Helper()
	p, err := certs.NewPublisher(env.API.Config, s.configuration, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSupersededLeaves: a CA that was replaced leaves the bundles once its last leaf has ended, before it expires.
func TestSupersededLeaves(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	short := func(o *certs.SelfManagedOptions) { o.LeafDuration = 40 * time.Second }
	a, b := s.serve(t, short), s.serve(t, short)
	a.awaitReady(t, time.Minute)
	b.awaitReady(t, time.Minute)
	first := s.storedCA(t)
	c := s.call(t, a, b)
	c.awaitServed(t, first, time.Minute)
	s.setSecret(t, nil)
	second := s.rotated(t, first, time.Minute)
	replaced := time.Now()
	c.awaitServed(t, second, time.Minute)
	if !podvet.Await(t.Context(), 3*time.Minute, func() bool { return !carries(s.mustPublished(t), first) }) {
		t.Error("the superseded CA is still published")
	}
	if after := time.Since(replaced); after < 40*time.Second {
		t.Errorf("it left after %v, when leaf certificates of it could be in use", after)
	}
	c.check(t, false)
	if !carries(s.mustPublished(t), second) {
		t.Error("the CA in force is not published")
	}
}
