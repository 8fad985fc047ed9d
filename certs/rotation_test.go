package certs

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestStartsDuringRotation: a replica that starts when the bundle was just written waits for what is left.
func TestStartsDuringRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, _ := serving(t, caValidity)
		sleep(time.Minute)
		b := newCA(t, caValidity, nil)
		c.rotate(t, b, r)
		sleep(2 * time.Second)
		late := c.serve(t, b)
		says(t, "late", late.Ready(), "ready in 4s") // a second more, for the time of the write is cut to one
		sleep(4 * time.Second)
		if err := late.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// TestRotation: both CAs are published, the old leaf is served until every API server has the new one, and what is not
// in force any more is forgotten.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, a := serving(t, caValidity)
		old := r.wantServed(t, "before", a)
		sleep(time.Minute)
		b := newCA(t, caValidity, nil)
		c.rotate(t, b, r)
		c.wantBundles(t, "rotated", b, a)
		rotated := time.Now()
		sleep(settleTime - time.Millisecond)
		if leaf := r.wantServed(t, "at first", a); !leaf.Equal(old) {
			t.Error("the leaf before is another")
		}
		all := gather(t, r.metrics)
		if len(all) != 4 || all[caSeries(a.certificate)] == 0 || all[caSeries(b.certificate)] == 0 {
			t.Errorf("metrics at first: %v", all)
		}
		sleep(time.Millisecond)
		r.wantServed(t, "then", b)
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
		if at := gather(t, r.metrics)["certificate_rotation_timestamp_seconds"]; at != rotated.Add(settleTime).Unix() {
			t.Errorf("rotated at %d", at)
		}
		third := newCA(t, caValidity, nil)
		c.rotate(t, third, r)
		settle()
		r.wantServed(t, "third", third)
		all = gather(t, r.metrics)
		if all[caSeries(a.certificate)] != 0 || all[caSeries(third.certificate)] == 0 {
			t.Errorf("metrics of the third: %v", all)
		}
		if n := r.log.count(`level=INFO msg="certificate in use"`); n != 3 {
			t.Errorf("%d certificates in use were logged", n)
		}
	})
}

// TestWatchIsBehind: a watch that was cut tells of the bundles before the rotation. What was read since counts.
func TestWatchIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, _ := serving(t, caValidity)
		store := r.publisher.informers[0].GetStore()
		before, _, err := store.GetByKey(testConfiguration)
		if err != nil {
			t.Fatal(err)
		}
		b := newCA(t, caValidity, nil)
		c.rotate(t, b, r)
		settle()
		r.wantServed(t, "rotated", b)
		if err := store.Update(before); err != nil {
			t.Fatal(err)
		}
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// TestRenewals: leaf certificates are replaced in time, the CA stays, and those of the past are forgotten.
func TestRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, ca := serving(t, caValidity)
		writes := c.applies()
		seen := map[string]bool{}
		for range 30 {
			leaf := r.wantServed(t, "renewed", ca)
			if time.Until(leaf.NotAfter) < leafValidity/4 {
				t.Errorf("%v are left", time.Until(leaf.NotAfter))
			}
			seen[string(leaf.Raw)] = true
			sleep(leafValidity / 7)
		}
		if len(seen) < 5 || len(seen) > 8 {
			t.Errorf("%d certificates", len(seen))
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := len(r.signed); n > 2 {
			t.Errorf("it remembers %d", n)
		}
		if n := c.applies() - writes; n != 0 {
			t.Errorf("%d writes of bundles", n)
		}
	})
}

// TestOldLeafEnds: the old leaf is preferred as long as it is good, and that is not to its last second.
func TestOldLeafEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, ca := serving(t, caValidity)
		old := r.wantServed(t, "first", ca)
		r.library.load(nil) // it cannot be renewed until just before its end
		sleep(time.Until(old.NotAfter.Add(-3 * time.Second)))
		c.rotate(t, ca, r)
		sleep(time.Until(old.NotAfter.Add(-expiryMargin)))
		if leaf := r.wantServed(t, "at its end", ca); !leaf.Equal(old) {
			t.Error("the old leaf is no longer served although it is good")
		}
		sleep(time.Millisecond)
		if leaf := r.wantServed(t, "after it", ca); leaf.Equal(old) {
			t.Error("the old leaf is served to the end")
		}
	})
}

// TestOldLeafUnverified: the new leaf does not wait where the bundles no longer verify the old one.
func TestOldLeafUnverified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, a := serving(t, caValidity)
		b := newCA(t, caValidity, nil)
		c.rotate(t, b, r)
		r.wantServed(t, "both", a)
		c.deny("patch", "*")
		c.setBundles(t, encode(b.certificate))
		synctest.Wait()
		r.wantServed(t, "the new one alone", b)
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// TestUnpublishable: as long as the new CA cannot be published the old leaf stays, and the replica is ready: it is the
// bundle that decides. That is logged once by each who meets it.
func TestUnpublishable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, a := serving(t, caValidity)
		const line = `level=ERROR msg="no new certificate" error="the CA bundle cannot be published: `
		for round := range 2 {
			allow := c.deny("patch", "*")
			b := newCA(t, caValidity, nil)
			c.rotate(t, b, r)
			sleep(3500 * time.Millisecond)
			if n := r.log.count(line); n != round {
				t.Errorf("round %d: logged %d times after four attempts", round, n)
			}
			sleep(time.Minute)
			r.wantServed(t, "unpublished", a)
			if err := r.Ready(); err != nil {
				t.Error(err)
			}
			if n := r.log.count(line); n != round+1 {
				t.Errorf("round %d: logged %d times", round, n)
			}
			if n := r.log.count(`msg="the CA bundle is not published"`); n != round+1 {
				t.Errorf("round %d: the publisher logged %d times", round, n)
			}
			allow()
			settle()
			r.wantServed(t, "published", b)
			a = b
		}
	})
}

// TestExpired: when no new leaf can be had, the old one ends, and the reason is told.
func TestExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, ca := serving(t, caValidity)
		leaf := r.wantServed(t, "good", ca)
		r.library.load(nil)
		synctest.Wait()
		sleep(time.Until(leaf.NotAfter))
		r.wantServed(t, "in its last second", ca)
		sleep(time.Second)
		_, err := r.GetCertificate(nil)
		says(t, "expired", err, "the serving certificate expired at "+leaf.NotAfter.UTC().Format(time.RFC3339)+
			": the CA in the Secret podvet-system/podvet-ca is not loaded yet: "+
			"allow podvet to list and watch that Secret: no CA is loaded")
		says(t, "expired", r.Ready(), "the serving certificate expired at ")
		c.rotate(t, ca, r)
		sleep(time.Second)
		r.wantServed(t, "healed", ca)
		sleep(clockMargin)
		if err := r.Ready(); err != nil {
			t.Errorf("with a bundle that is old: %v", err)
		}
	})
}

// TestExpiredCAs: a CA is replaced in time, and leaves the bundles when it expires.
func TestExpiredCAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, a := serving(t, 30*time.Minute)
		sleep(20 * time.Minute)
		b := newCA(t, caValidity, nil)
		c.rotate(t, b, r)
		settle()
		sleep(time.Until(a.certificate.NotAfter) - time.Second)
		c.wantBundles(t, "before", b, a)
		sleep(3 * time.Second)
		c.wantBundles(t, "after", b)
		r.wantServed(t, "after", b)
		if err := r.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// TestWithdrawn: once the Secret holds another CA and no leaf of the old one can be in use, who takes that out of the
// bundles does not find it there again. Before, it stays.
func TestWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, a := serving(t, caValidity)
		b := newCA(t, caValidity, nil)
		c.rotate(t, b, r)
		c.setBundles(t, encode(b.certificate))
		sleep(3 * time.Second)
		c.wantBundles(t, "too early", a, b)
		settle()
		r.wantServed(t, "rotated", b)
		c.rotate(t, b, r) // the next leaf, of the same CA
		settle()
		c.rotate(t, b, r) // which forgets the leaf before
		settle()
		for range 2 { // the first may be met half done: what one configuration still carries is put into the other
			c.setBundles(t, encode(b.certificate))
			synctest.Wait() // the publisher pauses now
		}
		sleep(time.Minute)
		c.wantBundles(t, "in time", b)
	})
}
