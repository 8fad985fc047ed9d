package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clientfake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
)

const (
	testNamespace     = "podvet-system"
	testServer        = "podvet.podvet-system.svc"
	testConfiguration = "podvet-hooks"
	testSecret        = "podvet-ca"
)

// A fakeCluster is client-go's two fakes over the one store that supports server-side apply, which is the typed one's.
// What they lack is the resourceVersion, and with it conflicts: those are made here, for webhook configurations.
type fakeCluster struct {
	typed   *clientfake.Clientset
	dynamic *dynamicfake.FakeDynamicClient
	store   clienttesting.ReactionFunc

	meanwhile func() // called before each apply, nil for nothing
}

func newFakeCluster(t *testing.T) *fakeCluster {
	t.Helper()
	c := &fakeCluster{typed: clientfake.NewClientset()}
	c.store = clienttesting.ObjectReaction(c.typed.Tracker())
	c.dynamic = c.another()
	return c
}

// another is a dynamic client over the same store. One that is used while another waits for an answer has to be.
func (c *fakeCluster) another() *dynamicfake.FakeDynamicClient {
	client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(scheme.Scheme, nil)
	client.PrependReactor("*", "*", c.store)
	client.PrependReactor("patch", "*", c.apply)
	client.PrependWatchReactor("*", c.watch)
	return client
}

// apply refuses a version that is not the stored one, and counts it up.
func (c *fakeCluster) apply(action clienttesting.Action) (bool, runtime.Object, error) {
	patch := action.(clienttesting.PatchActionImpl)
	if c.meanwhile != nil {
		c.meanwhile()
	}
	var applied unstructured.Unstructured
	if err := json.Unmarshal(patch.Patch, &applied.Object); err != nil {
		return true, nil, err
	}
	object, err := c.typed.Tracker().Get(patch.Resource, "", patch.Name)
	if err != nil {
		return true, nil, err
	}
	stored, err := meta.Accessor(object)
	if err != nil {
		return true, nil, err
	}
	if applied.GetResourceVersion() != stored.GetResourceVersion() {
		err := errors.New("it was modified")
		return true, nil, apierrors.NewConflict(patch.Resource.GroupResource(), patch.Name, err)
	}
	applied.SetResourceVersion(next(stored.GetResourceVersion()))
	if patch.Patch, err = json.Marshal(applied.Object); err != nil {
		return true, nil, err
	}
	return c.store(patch)
}

// watch tells of the store's objects in the dynamic client's form.
func (c *fakeCluster) watch(action clienttesting.Action) (bool, watch.Interface, error) {
	options := action.(clienttesting.WatchActionImpl).ListOptions
	typed, err := c.typed.Tracker().Watch(action.GetResource(), action.GetNamespace(), options)
	if err != nil {
		return true, nil, err
	}
	return true, drained{watch.Filter(typed, func(e watch.Event) (watch.Event, bool) {
		u := &unstructured.Unstructured{}
		if err := scheme.Scheme.Convert(e.Object, u, nil); err != nil {
			panic(err)
		}
		e.Object = u
		return e, true
	})}, nil
}

// drained reads on after Stop: a filtered watch that nobody reads waits without end with an event in its hand.
type drained struct{ watch.Interface }

func (d drained) Stop() {
	d.Interface.Stop()
	go func() {
		for range d.ResultChan() {
		}
	}()
}

// next is the resourceVersion after another.
func next(version string) string {
	n, _ := strconv.Atoi(version)
	return strconv.Itoa(n + 1)
}

// deny makes both clients refuse a verb on a resource until allow is called.
func (c *fakeCluster) deny(verb, resource string) (allow func()) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no right"))
	return c.fail(verb, resource, forbidden)
}

// fail makes both clients answer a verb on a resource with an error until heal is called.
func (c *fakeCluster) fail(verb, resource string, err error) (heal func()) {
	over := atomic.Bool{}
	fail := func(clienttesting.Action) (bool, runtime.Object, error) { return !over.Load(), nil, err }
	react(&c.typed.Fake, verb, resource, fail)
	react(&c.dynamic.Fake, verb, resource, fail)
	return func() { over.Store(true) }
}

// react puts a reaction before the others of a client, which may be in use.
func react(client *clienttesting.Fake, verb, resource string, reaction clienttesting.ReactionFunc) {
	client.Lock()
	defer client.Unlock()
	client.PrependReactor(verb, resource, reaction)
}

// install makes the two configurations as Helm does, without a CA bundle. The mutating one has one webhook, the
// validating one two. Those webhooks call a service, or the url that is given.
func (c *fakeCluster) install(t *testing.T, url *string) {
	t.Helper()
	object := metav1.ObjectMeta{Name: testConfiguration, ResourceVersion: "1"}
	config := admissionv1.WebhookClientConfig{URL: url}
	if url == nil {
		config.Service = &admissionv1.ServiceReference{Namespace: testNamespace, Name: "podvet"}
	}
	helm := metav1.CreateOptions{FieldManager: "helm"}
	client := c.typed.AdmissionregistrationV1()
	_, err := client.MutatingWebhookConfigurations().Create(t.Context(), &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: object,
		Webhooks: []admissionv1.MutatingWebhook{
			{Name: "mutate.podvet.dev", ClientConfig: config, FailurePolicy: new(admissionv1.Ignore)},
		},
	}, helm)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ValidatingWebhookConfigurations().Create(t.Context(), &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: object,
		Webhooks: []admissionv1.ValidatingWebhook{
			{Name: "validate.podvet.dev", ClientConfig: config, FailurePolicy: new(admissionv1.Ignore)},
			{Name: "policy.podvet.dev", ClientConfig: config, FailurePolicy: new(admissionv1.Ignore)},
		},
	}, helm)
	if err != nil {
		t.Fatal(err)
	}
}

// configurations are the two as the API server has them.
func (c *fakeCluster) configurations(t *testing.T) (
	*admissionv1.MutatingWebhookConfiguration, *admissionv1.ValidatingWebhookConfiguration) {
	t.Helper()
	client := c.typed.AdmissionregistrationV1()
	m, err := client.MutatingWebhookConfigurations().Get(t.Context(), testConfiguration, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := client.ValidatingWebhookConfigurations().Get(t.Context(), testConfiguration, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m, v
}

// setBundles is somebody else's write of the CA bundle of each webhook.
func (c *fakeCluster) setBundles(t *testing.T, bundle []byte) {
	t.Helper()
	m, v := c.configurations(t)
	for i := range m.Webhooks {
		m.Webhooks[i].ClientConfig.CABundle = bundle
	}
	for i := range v.Webhooks {
		v.Webhooks[i].ClientConfig.CABundle = bundle
	}
	m.ResourceVersion, v.ResourceVersion = next(m.ResourceVersion), next(v.ResourceVersion)
	client, somebody := c.typed.AdmissionregistrationV1(), metav1.UpdateOptions{FieldManager: "somebody"}
	if _, err := client.MutatingWebhookConfigurations().Update(t.Context(), m, somebody); err != nil {
		t.Fatal(err)
	}
	if _, err := client.ValidatingWebhookConfigurations().Update(t.Context(), v, somebody); err != nil {
		t.Fatal(err)
	}
}

// wantBundles checks that each webhook carries just these CAs, in this order.
func (c *fakeCluster) wantBundles(t *testing.T, when string, want ...*testCA) {
	t.Helper()
	m, v := c.configurations(t)
	configs := []admissionv1.WebhookClientConfig{
		m.Webhooks[0].ClientConfig, v.Webhooks[0].ClientConfig, v.Webhooks[1].ClientConfig}
	var text []byte
	for _, ca := range want {
		text = append(text, encode(ca.certificate)...)
	}
	for i, config := range configs {
		if !bytes.Equal(config.CABundle, text) {
			t.Errorf("%s: webhook %d carries %d certificates, not the %d wanted or in another order",
				when, i, len(certificates(config.CABundle)), len(want))
		}
	}
}

// setCA writes a CA into the Secret, as the library does.
func (c *fakeCluster) setCA(t *testing.T, ca *testCA) {
	t.Helper()
	secrets := c.typed.CoreV1().Secrets(testNamespace)
	secret, err := secrets.Get(t.Context(), testSecret, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret.Data = map[string][]byte{corev1.TLSCertKey: encode(ca.certificate)}
	if _, err := secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A testCA signs.
type testCA struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newCA is a CA that is valid for some time from now, below another or, for nil, below none.
func newCA(t *testing.T, validity time.Duration, above *testCA) *testCA {
	t.Helper()
	return newNamedCA(t, "CA "+rand.Text(), validity, above)
}

// newNamedCA is newCA with a name.
func newNamedCA(t *testing.T, name string, validity time.Duration, above *testCA) *testCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &testCA{key: key}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, PublicKey: key.Public(),
		IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if above == nil {
		above = &testCA{template, key}
	}
	if ca.certificate, err = above.sign(template, validity); err != nil {
		t.Fatal(err)
	}
	return ca
}

func (ca *testCA) sign(template *x509.Certificate, validity time.Duration) (*x509.Certificate, error) {
	template.SerialNumber, template.BasicConstraintsValid = serial(), true
	template.NotBefore, template.NotAfter = time.Now(), time.Now().Add(validity)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, template.PublicKey, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// A fakeAuthority is the library's part: it signs with the CA that it was last given, and tells of another.
type fakeAuthority struct {
	leafDuration time.Duration
	runErr       error // that Run returns at once

	mu      sync.Mutex
	ca      *testCA // nil while none is loaded
	rotated []chan<- struct{}
}

func (a *fakeAuthority) Run(ctx context.Context) error {
	if a.runErr != nil {
		return a.runErr
	}
	<-ctx.Done()
	return nil
}

func (a *fakeAuthority) WatchRotation(ch chan<- struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rotated = append(a.rotated, ch)
}

func (a *fakeAuthority) StopWatchingRotation(ch chan<- struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rotated = slices.DeleteFunc(a.rotated, func(c chan<- struct{}) bool { return c == ch })
}

func (a *fakeAuthority) Sign(template *x509.Certificate) (*x509.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ca == nil {
		return nil, errors.New("no CA is loaded")
	}
	return a.ca.sign(template, a.leafDuration)
}

// load gives it another CA, nil for none.
func (a *fakeAuthority) load(ca *testCA) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ca = ca
	for _, ch := range a.rotated {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// A testLog is what was logged, one record a line.
type testLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *testLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// count is how many records hold words.
func (l *testLog) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}

// says checks an error's words. It must be one line.
func says(t *testing.T, when string, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: it says %v, not %q", when, err, w)
		}
	}
}
