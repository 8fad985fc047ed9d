package certs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

func TestVerify(t *testing.T) {
	now := time.Now()
	ca, leaf := localCA(t, now)
	other, _ := localCA(t, now)
	service := carrying(encode(ca))
	service[0].ClientConfig = admissionv1.WebhookClientConfig{
		CABundle: encode(ca), Service: &admissionv1.ServiceReference{Name: "podvet", Namespace: "ns"}}
	nowhere := carrying(encode(ca))
	nowhere[0].ClientConfig.URL = nil
	garbled := carrying(encode(ca))
	garbled[0].ClientConfig.URL = new("https://localhost:no-port/x")
	for what, c := range map[string]struct {
		published Published
		at        time.Time
		says      string // "" for good
	}{
		"good": {carrying(encode(ca), encode(other, ca)), now, ""},
		"nothing": {nil, now, "no webhook calls podvet: " +
			"install its webhook configurations, or correct --webhook-configuration"},
		"one of two": {carrying(encode(ca), encode(other)), now, "the CA bundle of webhook b (1 certificates) " +
			"does not verify the certificate: x509: certificate signed by unknown authority"},
		"empty": {carrying(encode(ca), nil), now, "the CA bundle of webhook b (0 certificates) does not verify"},
		"later": {carrying(encode(ca)), now.Add(2 * localValidity), "certificate has expired"},
		"another server": {service, now, `webhook a calls podvet.ns.svc, and the certificate is for ["localhost"]: ` +
			"add --dns-name podvet.ns.svc, or with --tls files take a certificate for it"},
		"no server":  {nowhere, now, "webhook a cannot be called: it has neither a service nor a url"},
		"a bad port": {garbled, now, "webhook a cannot be called: parse "},
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

// TestCertificatesOf: what is not a certificate is skipped.
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

// TestValid: the time alone decides, whoever signed.
func TestValid(t *testing.T) {
	_, leaf := localCA(t, time.Date(2030, 1, 1, 1, 0, 0, 0, time.UTC)) // valid from an hour before
	for at, says := range map[time.Time]string{
		leaf.NotBefore: "",
		leaf.NotAfter:  "",
		leaf.NotBefore.Add(-time.Second): "the serving certificate is valid only from 2030-01-01T00:00:00Z: " +
			"check this node's clock",
		leaf.NotAfter.Add(time.Second): "the serving certificate expired at 2031-01-01T01:00:00Z",
	} {
		if err := valid(leaf, at); (err == nil) != (says == "") || err != nil && err.Error() != says {
			t.Errorf("at %v: %v", at, err)
		}
	}
}
