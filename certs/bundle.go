package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"
)

// maxBundle is how many CAs a bundle holds at most.
const maxBundle = 8

// bundle is the union of the CAs in force and those that webhooks carry, without those that leave. Those that no
// webhook carries yet come first, then the first ones of all webhooks, then the second ones, and so on. So replicas
// that know of different CAs agree after a write each, and when there are too many, what was published longest ago
// goes.
func bundle(s standing, published Published, now time.Time) []byte {
	var carried [][]*x509.Certificate // by place
	for _, w := range published {
		for place, c := range w.Certificates() {
			if place == len(carried) {
				carried = append(carried, nil)
			}
			carried[place] = append(carried[place], c)
		}
	}
	var keep []*x509.Certificate
	there := slices.Concat(carried...)
	fresh := slices.DeleteFunc(slices.Clone(s.inForce), func(c *x509.Certificate) bool {
		return slices.ContainsFunc(there, c.Equal)
	})
	for _, c := range append(fresh, there...) {
		if !slices.ContainsFunc(keep, c.Equal) && !s.leaves(c, published.carry(c), now) {
			keep = append(keep, c)
		}
	}
	for i := len(keep) - 1; i >= 0 && len(keep) > maxBundle; i-- {
		if !slices.ContainsFunc(s.inForce, keep[i].Equal) {
			keep = slices.Delete(keep, i, i+1)
		}
	}
	var text bytes.Buffer
	for _, c := range keep {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes everything
	}
	return text.Bytes()
}
