package certs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
)

// TestRepair: an emptied bundle is filled again at once, by a watch. The field is taken from whoever emptied it.
func TestRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		p, log := c.publisher(t)
		p.run(t)
		c.setBundles(t, append([]byte("untidy\n"), encode(newCA(t, time.Second, nil).certificate)...))
		time.Sleep(10 * time.Second)
		if n := c.applies(); n != 0 {
			t.Fatalf("%d writes before a CA is in force", n)
		}
		ca := newCA(t, time.Hour, nil)
		if _, err := p.Publish(t.Context(), ca.certificate); err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string][]byte{"emptied": nil, "placeholder": []byte("\n")} {
			afterTick := time.Now().Truncate(repairInterval).Add(10*repairInterval + repairInterval/10)
			time.Sleep(time.Until(afterTick))
			c.setBundles(t, text)
			time.Sleep(2 * repairPause) // before the next tick
			c.wantBundles(t, what, ca)
		}
		if got, err := p.Published(); err != nil || len(got) != 3 || len(got[2].Certificates()) != 1 {
			t.Errorf("it knows of %v %v", got, err)
		}
		if n := log.count("\n"); n != 0 {
			t.Errorf("%d lines logged", n)
		}
	})
}

// TestRepairExpired: an expired CA leaves the bundles when it expires. The last one stays, expired or not: without a
// bundle the API server would trust every CA that its machine does.
func TestRepairExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		p, _ := c.publisher(t)
		p.run(t)
		short, long := newCA(t, time.Minute, nil), newCA(t, 10*time.Minute, nil)
		for _, ca := range []*testCA{short, long} {
			if _, err := p.Publish(t.Context(), ca.certificate); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Until(short.certificate.NotAfter) - time.Second)
		c.wantBundles(t, "before", long, short)
		time.Sleep(3 * time.Second)
		c.wantBundles(t, "after", long)
		time.Sleep(10 * time.Minute)
		c.wantBundles(t, "all expired", long)
		c.setBundles(t, nil)
		before := c.applies()
		time.Sleep(10 * time.Second)
		if c.applies() != before {
			t.Error("an expired CA is published")
		}
	})
}

// TestRepairLogs: what stops a repair is logged once while it lasts, and again when it comes back.
func TestRepairLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		p, log := c.publisher(t)
		p.run(t)
		ca := newCA(t, time.Hour, nil)
		if _, err := p.Publish(t.Context(), ca.certificate); err != nil {
			t.Fatal(err)
		}
		const line = `msg="the CA bundle is not published" error="the CA bundle cannot be published: `
		for round := range 2 {
			allow := c.deny("patch", "*")
			c.setBundles(t, nil)
			time.Sleep(20 * time.Second)
			if n := log.count(line); n != round+1 {
				t.Errorf("round %d: logged %d times", round, n)
			}
			allow()
			time.Sleep(2 * time.Second)
			c.wantBundles(t, "allowed", ca)
		}
	})
}

// TestStopsQuietly: what fails because podvet is being stopped is not logged.
func TestStopsQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		p, log := c.publisher(t)
		p.run(t)
		if _, err := p.Publish(t.Context(), newCA(t, time.Hour, nil).certificate); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // t.Context has just ended
			time.Sleep(time.Second)
			if n := log.count("\n"); n != 0 {
				t.Errorf("%d lines logged", n)
			}
		})
		blocked := make(chan struct{})
		react(&c.dynamic.Fake, "patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			<-blocked
			return true, nil, errors.New("cut off")
		})
		c.setBundles(t, nil)
		synctest.Wait()
		t.Cleanup(func() { close(blocked) })
	})
}

// TestWatch: list and watch name the configuration, so that a right can; what stops them is said, and logged once.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		c.install(t, nil)
		p, log := c.publisher(t)
		_, err := p.Published()
		says(t, "before", err, "the MutatingWebhookConfiguration podvet-hooks has not been read yet")
		allow := c.deny("list", "validatingwebhookconfigurations")
		p.run(t)
		time.Sleep(2 * time.Minute)
		_, err = p.Published()
		says(t, "forbidden", err, "the ValidatingWebhookConfiguration podvet-hooks cannot be watched: ", "no right")
		if n := log.count(`level=WARN msg="a webhook configuration cannot be watched" name=podvet-hooks`); n != 1 {
			t.Errorf("logged %d times", n)
		}
		allow()
		time.Sleep(2 * time.Minute) // the library waits longer each time
		if got, err := p.Published(); err != nil || len(got) != 3 {
			t.Errorf("allowed: %v %v", got, err)
		}
		for _, action := range c.dynamic.Actions() {
			var fields string
			switch action := action.(type) {
			case clienttesting.ListActionImpl:
				fields = action.ListOptions.FieldSelector
			case clienttesting.WatchActionImpl:
				fields = action.ListOptions.FieldSelector
			default:
				continue
			}
			if fields != "metadata.name=podvet-hooks" {
				t.Errorf("%s selects %q", action.GetVerb(), fields)
			}
		}
	})
}

// TestWatchEnds: that a watch ends now and then is its nature.
func TestWatchEnds(t *testing.T) {
	c := newFakeCluster(t)
	p, log := c.publisher(t)
	for _, err := range []error{
		io.EOF, fmt.Errorf("reading: %w", io.EOF), apierrors.NewResourceExpired("too old"),
		apierrors.NewGenericServerResponse(http.StatusGone, "get", schema.GroupResource{}, "", "gone", 0, true),
	} {
		p.watchFailed(err)
		if p.watching.err != nil || log.count("\n") != 0 {
			t.Errorf("%v is trouble", err)
		}
	}
	p.watchFailed(errors.New("boom"))
	if _, err := p.Published(); err == nil || !strings.HasSuffix(err.Error(), "cannot be watched: boom") {
		t.Errorf("%v", err)
	}
}
