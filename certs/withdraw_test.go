package certs

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// withdrawal is one of a cluster, and what it has told.
func (c *fakeCluster) withdrawal() (*Withdrawal, *[]string) {
	told := &[]string{}
	return &Withdrawal{Client: c.typed, Configuration: testConfiguration, SecretNamespace: testNamespace,
		SecretName: testSecret, Tell: func(line string) { *told = append(*told, line) }}, told
}

// TestWithdraw: the CA in force is replaced and leaves, and so does one that podvet did not make.
func TestWithdraw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, a := serving(t, caValidity)
		foreign := newCA(t, caValidity, nil)
		c.setBundles(t, encode(a.certificate, foreign.certificate))
		sleep(secretInterval)
		c.wantBundles(t, "before", a, foreign)
		w, told := c.withdrawal()
		ended := make(chan error, 1)
		withdraw := func(sum string) {
			go func() { ended <- w.Withdraw(t.Context(), sum) }()
			synctest.Wait()
		}
		sum := strings.ToUpper(fingerprintOf(a.certificate).String())
		withdraw(sum[:2] + ":" + sum[2:])
		b := newCA(t, caValidity, nil)
		c.rotate(t, b, r)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		c.wantBundles(t, "the CA in force", b, foreign)
		want := "the CA in force is withdrawn: podvet makes a new one|the CA in force is " +
			fingerprintOf(b.certificate).String()[:16] + ": the old one leaves the bundles in about 70 s|the CA " +
			strings.ToLower(sum) + " is in no bundle: no API server accepts its certificates"
		if got := strings.Join(*told, "|"); got != want {
			t.Errorf("it told %s", got)
		}
		withdraw(fingerprintOf(foreign.certificate).String()[:shortestPrefix])
		if err := <-ended; err != nil {
			t.Error(err)
		}
		c.wantBundles(t, "another", b)
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
		withdraw(sum) // again, when all is done
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestWithdrawErrors: each says in one line what to write.
func TestWithdrawErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		w, _ := c.withdrawal()
		sum := strings.Repeat("ab", 32)
		says(t, "no configuration", w.Withdraw(t.Context(), sum),
			"there is no webhook configuration podvet-hooks: name podvet's with --webhook-configuration")
		c.install(t, nil)
		says(t, "no Secret", w.Withdraw(t.Context(), sum), "the CA Secret podvet-system/podvet-ca does not exist: ")
		w.SecretName = ""
		says(t, "the chart's", w.Withdraw(t.Context(), sum),
			"podvet-system/podvet-hooks-self-managed-ca does not exist")
		w.SecretNamespace, w.SecretName = testNamespace, testSecret
		s, _ := c.secret()
		_, _ = s.read(t.Context()) // it makes it
		says(t, "no CA", w.Withdraw(t.Context(), sum), "there is nothing to withdraw")
		a := newCA(t, caValidity, nil)
		c.setBundles(t, encode(a.certificate))
		known := fingerprintOf(a.certificate).String()
		for _, wrong := range []string{sum, "", known[:shortestPrefix-1], known + "00"} {
			says(t, wrong, w.Withdraw(t.Context(), wrong),
				"is not the SHA-256 fingerprint of a CA in the bundles: write one of "+known[:shortestPrefix])
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		says(t, "no replica", w.Withdraw(ctx, known), "is withdrawn, and still in the bundles of podvet-hooks: ")
		allow := c.deny("get", "mutatingwebhookconfigurations")
		says(t, "no right", w.Withdraw(t.Context(), sum), "cannot be read: you need the right to get it: ")
		allow()
		c.deny("update", "secrets")
		b := newCA(t, caValidity, nil)
		c.setBundles(t, encode(b.certificate))
		says(t, "no right", w.Withdraw(t.Context(), fingerprintOf(b.certificate).String()),
			"cannot be written: you need the right to update it: ")
	})
}
