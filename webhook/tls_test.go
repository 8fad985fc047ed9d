package webhook

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/test/authority"
)

// TestTLS: 1.2 at least, ECDSA, and of the suites of 1.2 those with forward secrecy and authenticated encryption.
func TestTLS(t *testing.T) {
	url, client, _, _ := serve(t, newTestHandler(t, ""), ServeOptions{})
	dial := func(change func(*tls.Config)) (tls.ConnectionState, error) {
		config := client.Transport.(*http.Transport).TLSClientConfig.Clone()
		change(config)
		conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), config)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState(), nil
	}
	_, err := dial(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	if err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	state, err := dial(func(*tls.Config) {})
	if err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("by default %s: %v", tls.VersionName(state.Version), err)
	}
	if got := state.PeerCertificates[0].PublicKeyAlgorithm; got != x509.ECDSA {
		t.Errorf("the key is %s", got)
	}
	var offered []string
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if _, err := dial(func(c *tls.Config) {
			c.MinVersion, c.MaxVersion, c.CipherSuites = tls.VersionTLS12, tls.VersionTLS12, []uint16{suite.ID}
		}); err == nil {
			offered = append(offered, suite.Name)
		}
	}
	slices.Sort(offered)
	want := []string{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"}
	if !slices.Equal(offered, want) {
		t.Errorf("suites of TLS 1.2: %v", offered)
	}
}

// callers makes a CA and a client certificate that it signed.
func callers(t *testing.T) (*x509.CertPool, tls.Certificate) {
	t.Helper()
	ca := authority.Issue(t, nil, "ca", -time.Hour, time.Hour)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate)
	return pool, authority.Issue(t, ca, "caller", -time.Hour, time.Hour).TLS()
}

// TestClientCA: only a caller with a certificate of that CA is answered, and readiness needs none.
func TestClientCA(t *testing.T) {
	pool, known := callers(t)
	_, stranger := callers(t)
	health := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	url, client, _, _ := serve(t, newTestHandler(t, ""), ServeOptions{ClientCAs: pool, HealthAddress: health})
	for what, c := range map[string]struct {
		certificates []tls.Certificate
		answered     bool
	}{
		"none":         {nil, false},
		"another CA's": {[]tls.Certificate{stranger}, false},
		"the CA's":     {[]tls.Certificate{known}, true},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := client.Transport.(*http.Transport).TLSClientConfig.Clone()
			config.MaxVersion = version
			// Whatever CAs the server names: the stranger sends what it has.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(c.certificates) == 0 {
					return &tls.Certificate{}, nil
				}
				return &c.certificates[0], nil
			}
			caller := http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: 10 * time.Second}
			resp, err := caller.Post(url+"/validate", "application/json", bytes.NewReader(reviewOf(t, badPod)))
			if err == nil {
				_ = resp.Body.Close()
			}
			switch {
			case c.answered && (err != nil || resp.StatusCode != http.StatusOK):
				t.Errorf("%s, %s: %v, %v", what, tls.VersionName(version), resp, err)
			case !c.answered && (err == nil || !strings.Contains(err.Error(), "remote error: tls: ")):
				t.Errorf("%s, %s: %v", what, tls.VersionName(version), err)
			}
		}
	}
	resp, err := http.Get("http://" + health + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz: HTTP %d", resp.StatusCode)
	}
}
