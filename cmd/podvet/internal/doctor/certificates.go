package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// seen are the replicas whose certificate was seen.
func (in *installation) seen() []*replica {
	return slices.DeleteFunc(in.running(), func(r *replica) bool { return r.served == nil })
}

// noCertificate is what the checks of certificates find where none was seen.
var noCertificate = unknown("see names", "no replica's certificate was seen")

// checkNames reads which certificate each replica serves, and looks at the names that it is for.
func (in *installation) checkNames(ctx context.Context) []Finding {
	if len(in.running()) == 0 {
		return []Finding{unknown("see service", "no replica runs that would serve a certificate")}
	}
	var found []Finding
	server := in.server()
	for _, r := range in.running() {
		if in.readServed(ctx, r); r.served == nil {
			found = append(found, unreadable("the certificate that pod "+r.Name+" serves", r.servedErr))
			continue
		}
		if r.served[0].VerifyHostname(server) == nil {
			continue
		}
		remedy := "issue one for that name"
		if r.selfManaged() {
			remedy = "start podvet with --dns-name " + server
		}
		found = append(found, problem(remedy, "the API server calls %s, and the certificate of pod %s is for %q",
			server, r.Name, r.served[0].DNSNames))
	}
	if len(found) == 0 {
		return []Finding{ok("the certificates are for %s", server)}
	}
	return found
}

// checkBundles sees whether the API server can verify what is served.
func (in *installation) checkBundles(context.Context) []Finding {
	var found []Finding
	for _, w := range in.webhooks {
		for _, r := range in.seen() {
			_, err := verify(w, r)
			if err == nil {
				continue
			}
			carries := fmt.Sprintf("the caBundle of webhook %s (%d certificates)", w.Name, len(w.trusts()))
			if len(w.ClientConfig.CABundle) == 0 {
				carries = "webhook " + w.Name + " has no caBundle, and the API server's own CAs as far as known here"
			}
			found = append(found, problem(remedyOfBundle(w, r),
				"%s cannot verify the certificate of pod %s, issued by %q, because %s",
				carries, r.Name, r.served[0].Issuer.String(), whyUnverified(err)))
			break // one replica shows it
		}
	}
	switch {
	case len(found) > 0:
		return found
	case len(in.webhooks) == 0:
		return []Finding{unknown("see configuration", "no webhook says which CA to trust")}
	case len(in.seen()) == 0:
		return []Finding{noCertificate}
	}
	return []Finding{ok("the caBundle of each webhook verifies the certificate of each replica")}
}

// verify says which CAs of a webhook's bundle a replica's certificate comes from. Whether it has expired is for
// checkExpiry.
func verify(w webhook, r *replica) ([]*x509.Certificate, error) {
	leaf, now := r.served[0], time.Now()
	options := x509.VerifyOptions{Intermediates: x509.NewCertPool(), CurrentTime: now}
	if now.After(leaf.NotAfter) {
		options.CurrentTime = leaf.NotAfter
	}
	for _, c := range r.served[1:] {
		options.Intermediates.AddCert(c)
	}
	if len(w.ClientConfig.CABundle) > 0 { // without one the API server takes those of its machine
		options.Roots = x509.NewCertPool()
		for _, c := range w.trusts() {
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

// remedyOfBundle depends on who writes the bundle.
func remedyOfBundle(w webhook, r *replica) string {
	switch {
	case r.selfManaged():
		return "podvet repairs that within seconds; where it does not, " +
			"its log says why it cannot patch the configurations"
	case w.injected:
		return "cert-manager's cainjector writes it: see its log, and the annotation cert-manager.io/inject-ca-from"
	}
	return "write the CA of the certificate into it, by the command in helm get notes"
}

// inUse is a certificate that the API server relies on.
type inUse struct {
	*x509.Certificate
	what        string
	selfManaged bool
}

// checkExpiry looks at how long the certificates and their CAs last.
func (in *installation) checkExpiry(context.Context) []Finding {
	if len(in.seen()) == 0 {
		return []Finding{noCertificate}
	}
	var found []Finding
	list, now := in.certificatesInUse(), time.Now()
	for _, c := range list {
		if f := c.expiry(now); f.Result != OK {
			found = append(found, f)
		}
	}
	if len(found) > 0 {
		return found
	}
	first := slices.MinFunc(list, func(a, b inUse) int { return a.NotAfter.Compare(b.NotAfter) })
	return []Finding{ok("certificates and CAs are valid until %s at least", first.NotAfter.UTC().Format(time.RFC3339))}
}

// certificatesInUse are those that the replicas serve and the CAs that they come from, each once.
func (in *installation) certificatesInUse() []inUse {
	var list []inUse
	add := func(c *x509.Certificate, r *replica, what string) {
		if !slices.ContainsFunc(list, func(known inUse) bool { return known.Equal(c) }) {
			list = append(list, inUse{c, what, r.selfManaged()})
		}
	}
	for _, r := range in.seen() {
		add(r.served[0], r, "the certificate of pod "+r.Name)
		for _, w := range in.webhooks {
			roots, err := verify(w, r)
			if err != nil || len(w.ClientConfig.CABundle) == 0 {
				continue // checkBundles names that
			}
			ca := slices.MaxFunc(roots, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
			add(ca, r, fmt.Sprintf("the CA %q of the certificate of pod %s", ca.Subject.String(), r.Name))
		}
	}
	return list
}

// expiry tells whether the certificate is valid, and renewed in time.
func (c inUse) expiry(now time.Time) Finding {
	remedy := "renew it: kubectl describe certificate where cert-manager does, else write a new one into the Secret"
	if c.selfManaged {
		remedy = "podvet renews it by itself: its log says what keeps it from that"
	}
	switch {
	case now.After(c.NotAfter):
		return problem(remedy, "%s has expired at %s", c.what, c.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return problem("set the clocks right, or wait",
			"%s is valid only from %s on", c.what, c.NotBefore.UTC().Format(time.RFC3339))
	case c.NotAfter.Sub(now) < overdue(c.Certificate):
		return warning(remedy, "%s ends at %s and was not renewed yet", c.what, c.NotAfter.UTC().Format(time.RFC3339))
	}
	return Finding{Result: OK}
}

// overdue is how long before its end a certificate should have been renewed. Some renew late on purpose, but a tenth of
// its life is late for all, and so is a month for a certificate that lasts for years.
func overdue(c *x509.Certificate) time.Duration {
	return min(c.NotAfter.Sub(c.NotBefore)/10, 30*24*time.Hour)
}
