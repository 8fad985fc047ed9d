package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"
)

// caName is the common name of the CAs that podvet makes. One of another name in a bundle is somebody else's, and only
// leaves it when it expires or is withdrawn.
const caName = "podvet CA"

const (
	// withdrawAfter is how long after a replica learned that a CA is withdrawn, and no longer the stored one, it takes
	// that CA out of the bundles. By then each replica serves a leaf of another CA, or is out of the Service.
	withdrawAfter = time.Minute

	// unreadyAfter is how long a replica may still serve a leaf of a withdrawn CA before it is no longer ready.
	unreadyAfter = 20 * time.Second

	// freshFor is how long a reading of the Secret says that no other CA is stored meanwhile: it is read every 10 s.
	freshFor = 30 * time.Second
)

// A fingerprint is the SHA-256 of a certificate.
type fingerprint [sha256.Size]byte

func fingerprintOf(c *x509.Certificate) fingerprint { return sha256.Sum256(c.Raw) }

func (f fingerprint) String() string { return hex.EncodeToString(f[:]) }

// A standing is what a replica knows of CAs: which are in force, and what lets others leave the bundles.
type standing struct {
	inForce   []*x509.Certificate       // the stored one, and those of leaf certificates that are served or will be
	since     time.Time                 // when the Secret got its CA, by the API server's clock; zero if unknown
	read      time.Time                 // when the Secret was last read
	lifetime  time.Duration             // of leaf certificates
	withdrawn map[fingerprint]time.Time // that are not stored, and since when this replica knows that
}

// leaves tells whether a CA that webhooks carry has no place in the bundles any more. Since no leaf is served whose CA
// was not the stored one when it was signed, none of an older CA is valid a lifetime after the Secret got another; an
// eighth more is for clocks that differ. One that is out of some of the webhooks already (everywhere is false) goes
// after half of the margin: a replica that knows less does not put it back.
func (s standing) leaves(ca *x509.Certificate, everywhere bool, now time.Time) bool {
	margin, pause := s.lifetime/8, withdrawAfter
	if !everywhere {
		margin, pause = margin/2, pause/2
	}
	known, withdrawn := s.withdrawn[fingerprintOf(ca)]
	switch {
	case !now.Before(ca.NotAfter):
		return true
	case withdrawn:
		return now.Sub(known) >= pause
	case slices.ContainsFunc(s.inForce, ca.Equal) || ca.Subject.CommonName != caName:
		return false
	}
	return !s.since.IsZero() && now.Sub(s.read) < freshFor && now.Sub(s.since) >= s.lifetime+margin
}
