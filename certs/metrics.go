package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// inForce is what metrics tell about Files or SelfManaged.
type inForce struct {
	leaf    *x509.Certificate   // that is served, nil for none
	cas     []*x509.Certificate // that it, or the next one, verifies against
	rotated time.Time           // when the leaf began to be served
}

// collector asks at each scrape, so a CA that is no longer in force leaves no series behind: there are at most
// four at once (the Secret's, and the issuers of the old, the served and the next leaf).
type collector func() inForce

var (
	leafExpiry = prometheus.NewDesc("podvet_certificate_expiry_timestamp_seconds",
		"When the serving certificate expires, in Unix time.", nil, nil)
	caExpiry = prometheus.NewDesc("podvet_ca_expiry_timestamp_seconds",
		"When a CA in force expires, in Unix time. The label is the start of its SHA-256 fingerprint.",
		[]string{"ca"}, nil)
	rotation = prometheus.NewDesc("podvet_certificate_rotation_timestamp_seconds",
		"When the serving certificate was last replaced, in Unix time.", nil, nil)
)

// Describe is for Prometheus.
func (collector) Describe(to chan<- *prometheus.Desc) {
	to <- leafExpiry
	to <- caExpiry
	to <- rotation
}

// Collect is for Prometheus.
func (c collector) Collect(to chan<- prometheus.Metric) {
	now := c()
	send := func(desc *prometheus.Desc, t time.Time, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(t.Unix()), labels...)
	}
	if now.leaf != nil {
		send(leafExpiry, now.leaf.NotAfter)
		send(rotation, now.rotated)
	}
	seen := map[string]bool{}
	for _, ca := range now.cas {
		sum := sha256.Sum256(ca.Raw)
		label := hex.EncodeToString(sum[:8])
		if !seen[label] {
			seen[label] = true
			send(caExpiry, ca.NotAfter, label)
		}
	}
}
