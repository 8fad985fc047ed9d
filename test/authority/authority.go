// Package authority makes certificates for tests. It knows nothing of podvet.
package authority

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"
)

// Certificate is a CA, or what one has issued.
type Certificate struct {
	*x509.Certificate
	Key *ecdsa.PrivateKey
}

// Issue is New for one name, in a test.
func Issue(t testing.TB, by *Certificate, name string, from, to time.Duration) *Certificate {
	t.Helper()
	made, err := New(by, from, to, name)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// New makes a certificate for DNS names and addresses that is valid from one time to another, as seen from now: a CA
// that signs itself where nobody else does, else for servers and clients.
func New(by *Certificate, from, to time.Duration, names ...string) (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: names[0]},
		NotBefore: now.Add(from), NotAfter: now.Add(to), BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	template.DNSNames = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		address := net.ParseIP(name)
		if address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		}
		return address != nil
	})
	if by == nil {
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	}
	by = cmp.Or(by, &Certificate{template, key})
	der, err := x509.CreateCertificate(rand.Reader, template, by.Certificate, key.Public(), by.Key)
	if err != nil {
		return nil, err
	}
	made, err := x509.ParseCertificate(der)
	return &Certificate{made, key}, err
}

// PEM is the certificate without its key.
func (c *Certificate) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// KeyPEM is the private key.
func (c *Certificate) KeyPEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		panic(err) // it is of a kind that can be written
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// TLS is the certificate for a handshake.
func (c *Certificate) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: c.Key}
}
