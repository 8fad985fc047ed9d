package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/podvet/podvet/certs"
)

// readable are the replicas whose certificate was seen.
func (d *doctor) readable() []*replica {
	return slices.DeleteFunc(d.running(), func(r *replica) bool { return r.served == nil })
}

// noCertificate is what checks of certificates find where none was seen.
var noCertificate = wrong(resultUnknown, "see names", "no replica's certificate was seen")

// checkNames reads which certificate each replica serves, and looks at whom they are for.
func (d *doctor) checkNames(ctx context.Context) []finding {
	if len(d.running()) == 0 {
		return []finding{wrong(resultUnknown, "see service", "no replica runs that would serve a certificate")}
	}
	var found []finding
	for _, r := range d.running() {
		if d.readServed(ctx, r, r.servedPort(), d.server()); r.served == nil {
			found = append(found, notKnown("the certificate that pod "+r.Name+" serves", r.servedErr))
			continue
		}
		if r.served[0].VerifyHostname(d.server()) != nil {
			remedy := "issue one for that name"
			if r.flag("--tls") == "self-managed" {
				remedy = "start podvet with --dns-name " + d.server()
			}
			found = append(found, wrong(resultProblem, remedy, "the API server calls %s, and the certificate of pod %s is for %q", d.server(), r.Name, r.served[0].DNSNames))
		}
	}
	if len(found) == 0 {
		return well("the certificates are for %s", d.server())
	}
	return found
}

// verify says which CAs of a webhook's bundle a replica's certificate comes from. That it has expired is another matter.
func (r *replica) verify(h hook) ([]*x509.Certificate, error) {
	leaf, now := r.served[0], time.Now()
	options := x509.VerifyOptions{Intermediates: x509.NewCertPool(), CurrentTime: now}
	if now.After(leaf.NotAfter) {
		options.CurrentTime = leaf.NotAfter
	}
	for _, c := range r.served[1:] {
		options.Intermediates.AddCert(c)
	}
	if len(h.ClientConfig.CABundle) > 0 { // without one the API server takes those of its machine
		options.Roots = x509.NewCertPool()
		for _, c := range (certs.Webhook{ClientConfig: h.ClientConfig}).Certificates() {
			options.Roots.AddCert(c)
		}
	}
	chains, err := leaf.Verify(options)
	if err != nil {
		return nil, err
	}
	roots := make([]*x509.Certificate, 0, len(chains))
	for _, chain := range chains {
		roots = append(roots, chain[len(chain)-1])
	}
	return roots, nil
}

// checkBundles sees whether the API server can verify what is served.
func (d *doctor) checkBundles(context.Context) []finding {
	var found []finding
	for _, h := range d.hooks {
		for _, r := range d.readable() {
			_, err := r.verify(h)
			if err == nil {
				continue
			}
			carries := fmt.Sprintf("the caBundle of webhook %s (%d certificates)", h.Name, len(certs.Webhook{ClientConfig: h.ClientConfig}.Certificates()))
			if len(h.ClientConfig.CABundle) == 0 {
				carries = "webhook " + h.Name + " has no caBundle, and the API server's own CAs as far as known here"
			}
			found = append(found, wrong(resultProblem, remedyOfBundle(h, r), "%s cannot verify the certificate of pod %s, issued by %q: %v",
				carries, r.Name, r.served[0].Issuer.String(), oneLine(err)))
			break // one replica shows it
		}
	}
	switch {
	case len(found) > 0:
		return found
	case len(d.hooks) == 0:
		return []finding{wrong(resultUnknown, "see configuration", "no webhook says which CA to trust")}
	case len(d.readable()) == 0:
		return []finding{noCertificate}
	}
	return well("the caBundle of each webhook verifies the certificate of each replica")
}

// remedyOfBundle depends on who writes the bundle.
func remedyOfBundle(h hook, r *replica) string {
	switch {
	case r.flag("--tls") == "self-managed":
		return "podvet repairs that within seconds; where it does not, its log says why it cannot patch the configurations"
	case h.injected:
		return "cert-manager's cainjector writes it: see its log, and the annotation cert-manager.io/inject-ca-from"
	}
	return "write the CA of the certificate into it, by the command in helm get notes"
}

// checkExpiry looks at how long the certificates and their CAs last.
func (d *doctor) checkExpiry(context.Context) []finding {
	if len(d.readable()) == 0 {
		return []finding{noCertificate}
	}
	var found []finding
	var first time.Time
	said := map[string]bool{}
	look := func(what, id string, c *x509.Certificate, r *replica) {
		if said[id] {
			return
		}
		said[id] = true
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
		remedy := "renew it: kubectl describe certificate where cert-manager does, else write a new one into the Secret"
		if r.flag("--tls") == "self-managed" {
			remedy = "podvet renews it by itself: its log says what keeps it from that"
		}
		switch now := time.Now(); {
		case now.After(c.NotAfter):
			found = append(found, wrong(resultProblem, remedy, "%s has expired at %s", what, c.NotAfter.UTC().Format(time.RFC3339)))
		case now.Before(c.NotBefore):
			found = append(found, wrong(resultProblem, "set the clocks right, or wait", "%s is valid only from %s on", what, c.NotBefore.UTC().Format(time.RFC3339)))
		case c.NotAfter.Sub(now) < overdue(c):
			found = append(found, wrong(resultWarning, remedy, "%s ends at %s and was not renewed yet", what, c.NotAfter.UTC().Format(time.RFC3339)))
		}
	}
	for _, r := range d.readable() {
		look("the certificate of pod "+r.Name, string(r.served[0].Raw), r.served[0], r)
		for _, h := range d.hooks {
			roots, err := r.verify(h)
			if err != nil || len(h.ClientConfig.CABundle) == 0 {
				continue // said already
			}
			ca := slices.MaxFunc(roots, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
			look(fmt.Sprintf("the CA %q of the certificate of pod %s", ca.Subject.String(), r.Name), string(ca.Raw), ca, r)
		}
	}
	if len(found) == 0 {
		return well("certificates and CAs are valid until %s at least", first.UTC().Format(time.RFC3339))
	}
	return found
}

// overdue is how long before its end a certificate should have been renewed: whoever renews late has reasons, but a tenth
// of its life is late for all, and for those that last for years a month is.
func overdue(c *x509.Certificate) time.Duration {
	return min(c.NotAfter.Sub(c.NotBefore)/10, 30*24*time.Hour)
}
