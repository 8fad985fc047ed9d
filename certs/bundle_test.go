package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// localCA is a CA that is valid for a year from a time, and the leaf below it.
func localCA(t *testing.T, from time.Time) (ca, leaf *x509.Certificate) {
	t.Helper()
	caPEM, leafPEM, _, err := issue(from)
	if err != nil {
		t.Fatal(err)
	}
	return certificates(caPEM)[0], certificates(leafPEM)[0]
}

func encode(cas ...*x509.Certificate) []byte {
	var text []byte
	for _, c := range cas {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

func carrying(bundles ...[]byte) Published {
	var all Published
	for i, b := range bundles {
		all = append(all, Webhook{Name: string(rune('a' + i)), ClientConfig: admissionv1.WebhookClientConfig{URL: new("https://localhost:1/x"), CABundle: b}})
	}
	return all
}

func TestBundle(t *testing.T) {
	now := time.Now()
	var cas []*x509.Certificate
	for range 12 {
		ca, _ := localCA(t, now)
		cas = append(cas, ca)
	}
	expired, _ := localCA(t, now.Add(-2*localValidity))
	for what, c := range map[string]struct {
		inForce   []*x509.Certificate
		published Published
		want      []*x509.Certificate
	}{
		"nothing there":        {cas[:1], carrying(nil, nil), cas[:1]},
		"garbage there":        {cas[:1], carrying([]byte("\n"), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), cas[:1]},
		"new before old":       {cas[:1], carrying(encode(cas[1], cas[2])), []*x509.Certificate{cas[0], cas[1], cas[2]}},
		"nothing moves":        {cas[2:3], carrying(encode(cas[:3]...), encode(cas[:3]...)), cas[:3]},
		"one emptied":          {cas[:1], carrying(nil, encode(cas[:3]...)), cas[:3]},
		"two writers at once":  {cas[:1], carrying(encode(cas[0], cas[2]), encode(cas[1], cas[2])), cas[:3]},
		"twice":                {cas[:1], carrying(encode(cas[1], cas[1], cas[0])), []*x509.Certificate{cas[1], cas[0]}},
		"expired":              {[]*x509.Certificate{cas[0], expired}, carrying(encode(expired, cas[1])), cas[:2]},
		"eight":                {cas[:1], carrying(encode(cas[1:12]...)), cas[:8]},
		"the last is in force": {cas[11:], carrying(encode(cas[:12]...)), append(slices.Clone(cas[:7]), cas[11])},
	} {
		if got := bundle(c.inForce, c.published, now); !bytes.Equal(got, encode(c.want...)) {
			t.Errorf("%s: %d certificates, or in another order than the %d wanted", what, len(certificates(got)), len(c.want))
		}
	}
}

// TestBundleAgrees: replicas with CAs of their own, that write in any order, agree after a write each.
func TestBundleAgrees(t *testing.T) {
	now := time.Now()
	var cas []*x509.Certificate
	for range 14 {
		ca, _ := localCA(t, now)
		cas = append(cas, ca)
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		replicas := [][]*x509.Certificate{cas[0:2], cas[1:3], cas[3:4]}
		state := carrying(encode(cas[random.IntN(6):6+random.IntN(8)]...), encode(cas[random.IntN(6):6+random.IntN(8)]...), nil)
		for _, i := range append(random.Perm(3), random.Perm(3)...) {
			all := bundle(replicas[i], state, now)
			state = carrying(all, all, all)
		}
		for i, own := range replicas {
			if !bytes.Equal(bundle(own, state, now), state[0].ClientConfig.CABundle) {
				t.Fatalf("seed %d: replica %d does not agree", seed, i)
			}
		}
	}
}

func TestVerify(t *testing.T) {
	now := time.Now()
	ca, leaf := localCA(t, now)
	other, _ := localCA(t, now)
	service := carrying(encode(ca))
	service[0].ClientConfig = admissionv1.WebhookClientConfig{CABundle: encode(ca), Service: &admissionv1.ServiceReference{Name: "podvet", Namespace: "ns"}}
	for what, c := range map[string]struct {
		published Published
		at        time.Time
		says      string // "" for good
	}{
		"good":           {carrying(encode(ca), encode(other, ca)), now, ""},
		"nothing":        {nil, now, "no webhook calls podvet: install its webhook configurations, or correct --webhook-configuration"},
		"one of two":     {carrying(encode(ca), encode(other)), now, "the CA bundle of webhook b (1 certificates) does not verify the certificate: x509: certificate signed by unknown authority"},
		"empty":          {carrying(encode(ca), nil), now, "the CA bundle of webhook b (0 certificates) does not verify"},
		"later":          {carrying(encode(ca)), now.Add(2 * localValidity), "certificate has expired"},
		"another server": {service, now, `webhook a calls podvet.ns.svc, and the certificate is for ["localhost"]: add --dns-name podvet.ns.svc`},
	} {
		by, err := c.published.Verify(leaf, c.at)
		switch {
		case c.says == "" && (err != nil || !by.Equal(ca)):
			t.Errorf("%s: %v", what, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestCertificatesOf: what is no certificate is passed over.
func TestCertificatesOf(t *testing.T) {
	dir := t.TempDir()
	if err := Local(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, file := range []string{KeyFile, CAFile, CertFile} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, "some words\n"...), data...)
	}
	if n := len(certificates(text)); n != 2 {
		t.Errorf("%d certificates", n)
	}
}
