package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gather is what a registry has, as "name{label}" without the namespace of names.
func gather(t *testing.T, metrics *prometheus.Registry) map[string]int64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int64{}
	for _, family := range families {
		for _, m := range family.Metric {
			var name strings.Builder
			name.WriteString(strings.TrimPrefix(family.GetName(), "podvet_"))
			for _, l := range m.GetLabel() {
				name.WriteString("{" + l.GetName() + "=" + l.GetValue() + "}")
			}
			all[name.String()] = int64(m.GetGauge().GetValue())
		}
	}
	return all
}

// caSeries is the name of the series of a CA.
func caSeries(ca *x509.Certificate) string {
	sum := sha256.Sum256(ca.Raw)
	return fmt.Sprintf("ca_expiry_timestamp_seconds{ca=%x}", sum[:8])
}

// TestCollector: each CA has one series, and what is not there has none.
func TestCollector(t *testing.T) {
	metrics := prometheus.NewRegistry()
	var now inForce
	if err := metrics.Register(collector(func() inForce { return now })); err != nil {
		t.Fatal(err)
	}
	if all := gather(t, metrics); len(all) != 0 {
		t.Errorf("of nothing: %v", all)
	}
	from := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	ca, leaf := localCA(t, from)
	other, _ := localCA(t, from.Add(time.Hour))
	now = inForce{leaf: leaf, cas: []*x509.Certificate{ca, other, ca}, rotated: from.Add(time.Minute)}
	all := gather(t, metrics)
	for name, want := range map[string]time.Time{
		"certificate_expiry_timestamp_seconds":   leaf.NotAfter,
		"certificate_rotation_timestamp_seconds": from.Add(time.Minute),
		caSeries(ca):                             ca.NotAfter,
		caSeries(other):                          other.NotAfter,
	} {
		if all[name] != want.Unix() {
			t.Errorf("%s is %d", name, all[name])
		}
	}
	if len(all) != 4 {
		t.Errorf("%v", all)
	}
	now.cas = now.cas[1:2]
	if all := gather(t, metrics); len(all) != 3 {
		t.Errorf("a CA that is no longer in force: %v", all)
	}
}
