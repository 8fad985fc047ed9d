package doctor

import (
	"errors"
	"testing"

	"github.com/podvet/podvet/test/authority"
)

// starts gives all replicas another argument.
func starts(c *cluster, arg string) {
	for _, pod := range c.pods {
		pod.Spec.Containers[0].Args = append(pod.Spec.Containers[0].Args, arg)
	}
}

// inject lets cert-manager write the bundles.
func inject(c *cluster) {
	annotations := map[string]string{"cert-manager.io/inject-ca-from": "podvet/podvet"}
	c.mutating.Annotations, c.validating.Annotations = annotations, annotations
}

// notRunning leaves no replica that can be asked: one waits for a node, one for an address.
func notRunning(c *cluster) {
	c.pods[0].Status.Phase = "Pending"
	c.pods[1].Status.PodIP = ""
}

func TestNames(t *testing.T) {
	const noRight = "ask for that right, or let someone who has it run doctor"
	another := func(c *cluster) { c.served["b"] = authority.Issue(c.t, c.ca, "another.svc", -day, 100*day) }
	const what = `the API server calls podvet.podvet.svc, and the certificate of pod b is for ["another.svc"]`
	wantFindings(t, "names", []brokenCluster{
		{"healthy", func(*cluster) {}, []Finding{ok("the certificates are for podvet.podvet.svc")}},
		{"nothing runs", notRunning, []Finding{
			unknown("see service", "no replica runs that would serve a certificate"),
		}},
		{"another name", another, []Finding{problem("issue one for that name", what)}},
		{"another name of its own", func(c *cluster) {
			starts(c, "--tls=self-managed")
			another(c)
		}, []Finding{problem("start podvet with --dns-name podvet.podvet.svc", what)}},
		{"no right to dial", func(c *cluster) {
			c.undialed = errors.New(`pods "a" is forbidden: User "me" cannot create resource "pods/portforward" ` +
				`in API group "" in the namespace "podvet"`)
		}, []Finding{
			unknown(noRight, "the certificate that pod a serves cannot be read because "+
				"you may not create pods/portforward in the namespace podvet"),
			unknown(noRight, "the certificate that pod b serves cannot be read because "+
				"you may not create pods/portforward in the namespace podvet"),
		}},
		{"no TLS", func(c *cluster) { c.served["a"] = nil }, []Finding{unknown(
			"run doctor again, with more --timeout where time ran out",
			"the certificate that pod a serves cannot be read because it does not speak TLS")}},
		{"another port", func(c *cluster) { starts(c, "--port=9444") }, []Finding{
			unknown("run doctor again, with more --timeout where time ran out",
				"the certificate that pod a serves cannot be read because of an error that podvet does not know"),
			unknown("run doctor again, with more --timeout where time ran out",
				"the certificate that pod b serves cannot be read because of an error that podvet does not know"),
		}},
	})
}

func TestBundles(t *testing.T) {
	wellVerified := []Finding{ok("the caBundle of each webhook verifies the certificate of each replica")}
	other := func(c *cluster) { c.setBundles(authority.Issue(c.t, nil, "other", -day, day).PEM()) }
	unverified := func(remedy string) []Finding {
		var found []Finding
		for _, name := range []string{"mutate", "validate", "validate-policy"} {
			found = append(found, problem(remedy, "the caBundle of webhook %s.podvet.dev (1 certificates) cannot "+
				`verify the certificate of pod a, issued by "CN=ca", because it comes from another CA`,
				name))
		}
		return found
	}
	wantFindings(t, "ca-bundle", []brokenCluster{
		{"healthy", func(*cluster) {}, wellVerified},
		{"of another CA", other, unverified("write the CA of the certificate into it, " +
			"by the command in helm get notes")},
		{"of another CA by cert-manager", func(c *cluster) {
			other(c)
			inject(c)
		}, unverified("cert-manager's cainjector writes it: see its log, " +
			"and the annotation cert-manager.io/inject-ca-from")},
		{"of another CA by podvet", func(c *cluster) {
			other(c)
			starts(c, "--tls=self-managed")
		}, unverified("podvet repairs that within seconds; where it does not, " +
			"its log says why it cannot patch the configurations")},
		{"one of two CAs", func(c *cluster) {
			c.setBundles(append(authority.Issue(c.t, nil, "other", -day, day).PEM(), c.ca.PEM()...))
		}, wellVerified},
		{"empty", func(c *cluster) { c.validator().ClientConfig.CABundle = nil }, []Finding{problem(
			"write the CA of the certificate into it, by the command in helm get notes",
			"webhook validate.podvet.dev has no caBundle, and the API server's own CAs as far as known here cannot "+
				`verify the certificate of pod a, issued by "CN=ca", because it comes from another CA`)}},
		{"that the certificate has expired is another matter", func(c *cluster) {
			c.served["a"] = authority.Issue(c.t, c.ca, server, -day/2, -day/4)
		}, wellVerified},
		{"no webhooks", func(c *cluster) { c.mutating, c.validating = nil, nil }, []Finding{
			unknown("see configuration", "no webhook says which CA to trust"),
		}},
		{"no certificate", func(c *cluster) { c.undialed = errBroken }, []Finding{noCertificate}},
	})
}

func TestExpiry(t *testing.T) {
	const renew = "renew it: kubectl describe certificate where cert-manager does, else write a new one into the Secret"
	const renews = "podvet renews it by itself: its log says what keeps it from that"
	// Time in these tests begins on 2000-01-01.
	wantFindings(t, "expiry", []brokenCluster{
		{"healthy", func(*cluster) {}, []Finding{
			ok("certificates and CAs are valid until 2000-04-10T00:00:00Z at least"),
		}},
		{"no certificate", func(c *cluster) { c.undialed = errBroken }, []Finding{noCertificate}},
		{"no bundle leads to a CA", func(c *cluster) {
			c.setBundles(nil)
			c.served["b"] = authority.Issue(c.t, c.ca, server, -day, 5000*day)
			c.served["a"] = authority.Issue(c.t, c.ca, server, -day, 2000*day)
		}, []Finding{ok("certificates and CAs are valid until 2005-06-23T00:00:00Z at least")}},
		{"expired", func(c *cluster) { c.served["b"] = authority.Issue(c.t, c.ca, server, -day/2, -day/4) }, []Finding{
			problem(renew, "the certificate of pod b has expired at 1999-12-31T18:00:00Z"),
		}},
		{"not valid yet", func(c *cluster) {
			c.served["a"] = authority.Issue(c.t, c.ca, server, day, 2*day)
		}, []Finding{
			problem("set the clocks right, or wait",
				"the certificate of pod a is valid only from 2000-01-02T00:00:00Z on"),
		}},
		{"not renewed", func(c *cluster) {
			c.served["a"] = authority.Issue(c.t, c.ca, server, -19*day/2, day)
		}, []Finding{warning(renew, "the certificate of pod a ends at 2000-01-02T00:00:00Z and was not renewed yet")}},
		{"still in time", func(c *cluster) {
			c.served["a"] = authority.Issue(c.t, c.ca, server, -8*day, day)
		}, []Finding{ok("certificates and CAs are valid until 2000-01-02T00:00:00Z at least")}},
		{"one for years, not renewed", func(c *cluster) {
			c.served["a"] = authority.Issue(c.t, c.ca, server, -900*day, 29*day)
		}, []Finding{warning(renew, "the certificate of pod a ends at 2000-01-30T00:00:00Z and was not renewed yet")}},
		{"one for both pods, by podvet", func(c *cluster) {
			starts(c, "--tls=self-managed")
			c.served["a"] = authority.Issue(c.t, c.ca, server, -10*day, day)
			c.served["b"] = c.served["a"]
		}, []Finding{warning(renews, "the certificate of pod a ends at 2000-01-02T00:00:00Z and was not renewed yet")}},
		{"the CA", func(c *cluster) {
			ca := authority.Issue(c.t, nil, "old", -100*day, day)
			c.setBundles(ca.PEM())
			for name := range c.served {
				c.served[name] = authority.Issue(c.t, ca, server, -day, 50*day)
			}
		}, []Finding{warning(renew,
			`the CA "CN=old" of the certificate of pod a ends at 2000-01-02T00:00:00Z and was not renewed yet`)}},
	})
}
