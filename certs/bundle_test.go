package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"math/rand/v2"
	"slices"
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
		all = append(all, Webhook{Name: string(rune('a' + i)),
			ClientConfig: admissionv1.WebhookClientConfig{URL: new("https://localhost:1/x"), CABundle: b}})
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
		"nothing there": {cas[:1], carrying(nil, nil), cas[:1]},
		"garbage there": {
			cas[:1], carrying([]byte("\n"), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
			cas[:1],
		},
		"new before old":       {cas[:1], carrying(encode(cas[1], cas[2])), cas[:3]},
		"nothing moves":        {cas[2:3], carrying(encode(cas[:3]...), encode(cas[:3]...)), cas[:3]},
		"one emptied":          {cas[:1], carrying(nil, encode(cas[:3]...)), cas[:3]},
		"two writers at once":  {cas[:1], carrying(encode(cas[0], cas[2]), encode(cas[1], cas[2])), cas[:3]},
		"twice":                {cas[1:2], carrying(encode(cas[0], cas[0], cas[1])), cas[:2]},
		"expired":              {[]*x509.Certificate{cas[0], expired}, carrying(encode(expired, cas[1])), cas[:2]},
		"eight":                {cas[:1], carrying(encode(cas[1:12]...)), cas[:8]},
		"the last is in force": {cas[11:], carrying(encode(cas...)), append(slices.Clone(cas[:7]), cas[11])},
	} {
		if got := bundle(standing{inForce: c.inForce}, c.published, now); !bytes.Equal(got, encode(c.want...)) {
			t.Errorf("%s: %d certificates, or in another order than the %d wanted",
				what, len(certificates(got)), len(c.want))
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
		some := func() []byte { return encode(cas[random.IntN(6) : 6+random.IntN(8)]...) }
		state := carrying(some(), some(), nil)
		for _, i := range append(random.Perm(3), random.Perm(3)...) {
			all := bundle(standing{inForce: replicas[i]}, state, now)
			state = carrying(all, all, all)
		}
		for i, own := range replicas {
			if !bytes.Equal(bundle(standing{inForce: own}, state, now), state[0].ClientConfig.CABundle) {
				t.Fatalf("seed %d: replica %d does not agree", seed, i)
			}
		}
	}
}
