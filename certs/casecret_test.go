package certs

import (
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// secret is the CA Secret of a cluster, and its log.
func (c *fakeCluster) secret() (*caSecret, *testLog) {
	log := &testLog{}
	return &caSecret{
		client: c.typed.CoreV1().Secrets(testNamespace), namespace: testNamespace, name: testSecret, log: log.logger(),
		marks: metav1.ObjectMeta{
			Labels:      map[string]string{"app.kubernetes.io/managed-by": "Helm"},
			Annotations: map[string]string{"a": "b"},
		},
	}, log
}

var secretResource = schema.GroupResource{Resource: "secrets"}

const (
	noSecret = "the CA Secret does not exist: allow podvet to create and patch the Secret podvet-system/podvet-ca, " +
		"or create an empty one of that name: "
	emptySecret = "the CA Secret podvet-system/podvet-ca holds no certificate in tls.crt, " +
		"and podvet did not replace it yet: allow podvet to update that Secret"
	unreadableSecret = "the CA Secret podvet-system/podvet-ca cannot be read: "
)

// TestCASecret: a missing Secret is made with its marks, and the CA is the first certificate in it.
func TestCASecret(t *testing.T) {
	c := newFakeCluster(t)
	s, log := c.secret()
	_, err := s.read(t.Context())
	says(t, "missing", err, emptySecret)
	made, err := s.client.Get(t.Context(), testSecret, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(made.Labels, s.marks.Labels) || !maps.Equal(made.Annotations, s.marks.Annotations) {
		t.Errorf("marks %v %v", made.Labels, made.Annotations)
	}
	if len(made.ManagedFields) != 1 || made.ManagedFields[0].Manager != FieldManager {
		t.Errorf("owned by %v", made.ManagedFields)
	}
	const line = `level=WARN msg="the CA's Secret was missing and is made again" secret=podvet-system/podvet-ca`
	if n := log.count(line); n != 1 {
		t.Errorf("logged %d times", n)
	}
	ca := newCA(t, time.Hour, nil)
	c.setCA(t, ca)
	if got, err := s.read(t.Context()); err != nil || !got.ca.Equal(ca.certificate) || got.since.IsZero() {
		t.Errorf("%v %v", got, err)
	}
	made.Data = map[string][]byte{"tls.crt": []byte("garbage")}
	if _, err := s.client.Update(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.read(t.Context())
	says(t, "garbage", err, emptySecret)
	if n := log.count("\n"); n != 1 {
		t.Errorf("%d lines logged", n)
	}
}

// TestCASecretErrors: each names the Secret and what to do.
func TestCASecretErrors(t *testing.T) {
	for what, c := range map[string]struct {
		verb  string
		err   error
		words []string
		none  bool // it is errNoSecret
	}{
		"create": {"patch", apierrors.NewForbidden(secretResource, "", errors.New("no right")),
			[]string{noSecret, "no right"}, true},
		"get": {"get", apierrors.NewForbidden(secretResource, "", errors.New("no right")),
			[]string{unreadableSecret + "allow podvet to get, list, watch and update that Secret: ", "no right"},
			false},
		"down": {"get", errors.New("boom"), []string{unreadableSecret + "boom"}, false},
	} {
		cluster := newFakeCluster(t)
		s, log := cluster.secret()
		cluster.fail(c.verb, "secrets", c.err)
		_, err := s.read(t.Context())
		says(t, what, err, c.words...)
		if errors.Is(err, errNoSecret) != c.none || !errors.Is(err, c.err) {
			t.Errorf("%s: it is another error", what)
		}
		if n := log.count("\n"); n != 0 {
			t.Errorf("%s: %d lines logged", what, n)
		}
	}
}

// TestKeepSecret: who deletes the Secret gets it back. Where that fails it is logged once while it lasts.
func TestKeepSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t)
		s, log := c.secret()
		done := make(chan struct{})
		go func() { defer close(done); s.keep(t.Context(), func(storedCA) {}) }()
		t.Cleanup(func() { <-done })
		exists := func() bool {
			_, err := s.client.Get(t.Context(), testSecret, metav1.GetOptions{})
			return err == nil
		}
		remove := func() {
			time.Sleep(time.Second)
			if err := s.client.Delete(t.Context(), testSecret, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if !exists() {
			t.Fatal("it is not made at once")
		}
		for round := range 2 {
			allow := c.deny("patch", "secrets")
			remove()
			time.Sleep(5 * secretInterval)
			if n := log.count(`level=ERROR msg="the CA is not stored" error="` + noSecret); n != round+1 || exists() {
				t.Errorf("round %d: logged %d times", round, n)
			}
			allow()
			time.Sleep(secretInterval)
			if !exists() {
				t.Errorf("round %d: it is not made again", round)
			}
		}
		before := log.count("\n")
		c.deny("get", "secrets")
		time.Sleep(5 * secretInterval)
		if n := log.count("\n") - before; n != 0 {
			t.Errorf("%d lines about what Sign tells", n)
		}
	})
}
