package certs

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
)

// certificates are those in PEM text. What is not a certificate is skipped, because the field may hold anything.
func certificates(text []byte) []*x509.Certificate {
	var found []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return found
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			found = append(found, c)
		}
	}
}

// valid says in one line why a leaf is not valid now, whoever signed it.
func valid(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the serving certificate expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the serving certificate is valid only from %s: check this node's clock",
			leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// A Webhook is one entry of a webhook configuration, as far as certificates go.
type Webhook struct {
	Name         string                          `json:"name"`
	ClientConfig admissionv1.WebhookClientConfig `json:"clientConfig"`

	Changed time.Time `json:"-"` // when podvet last wrote its bundle, cut to the second
}

// Certificates are those of the webhook's CA bundle.
func (w Webhook) Certificates() []*x509.Certificate { return certificates(w.ClientConfig.CABundle) }

// server is the name that the API server asks the certificate for.
// https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/apiserver/pkg/util/webhook/client.go
func (w Webhook) server() (string, error) {
	if service := w.ClientConfig.Service; service != nil {
		return service.Name + "." + service.Namespace + ".svc", nil
	}
	if w.ClientConfig.URL == nil {
		return "", errors.New("it has neither a service nor a url")
	}
	u, err := url.Parse(*w.ClientConfig.URL)
	if err != nil {
		return "", err
	}
	return u.Hostname(), nil
}

// Published are the webhooks of both configurations with what they carry.
type Published []Webhook

// carry tells whether all webhooks carry a CA.
func (p Published) carry(ca *x509.Certificate) bool {
	return !slices.ContainsFunc(p, func(w Webhook) bool { return !slices.ContainsFunc(w.Certificates(), ca.Equal) })
}

// changed is when podvet last wrote a bundle.
func (p Published) changed() time.Time {
	var last time.Time
	for _, w := range p {
		if w.Changed.After(last) {
			last = w.Changed
		}
	}
	return last
}

// Verify says in one line why the API server would not accept a leaf, with the intermediates that are sent along, for
// each of the webhooks, else it returns the CA that signed it.
func (p Published) Verify(leaf *x509.Certificate, now time.Time, intermediates ...*x509.Certificate) (
	*x509.Certificate, error) {
	var ca *x509.Certificate
	between := x509.NewCertPool()
	for _, c := range intermediates {
		between.AddCert(c)
	}
	for _, w := range p {
		server, err := w.server()
		if err != nil {
			return nil, fmt.Errorf("webhook %s cannot be called: %w", w.Name, err)
		}
		roots := x509.NewCertPool()
		for _, c := range w.Certificates() {
			roots.AddCert(c)
		}
		chains, err := leaf.Verify(
			x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: server, CurrentTime: now})
		switch {
		case errors.As(err, new(x509.HostnameError)):
			return nil, fmt.Errorf("webhook %s calls %s, and the certificate is for %q: add --dns-name %s, "+
				"or with --tls files take a certificate for it", w.Name, server, leaf.DNSNames, server)
		case err != nil:
			return nil, fmt.Errorf("the CA bundle of webhook %s (%d certificates) does not verify the certificate: %w",
				w.Name, len(w.Certificates()), err)
		}
		ca = chains[0][len(chains[0])-1]
	}
	if ca == nil {
		return nil, errors.New("no webhook calls podvet: " +
			"install its webhook configurations, or correct --webhook-configuration")
	}
	return ca, nil
}
