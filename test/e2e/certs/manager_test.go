package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"

	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// startCertManager builds cert-manager's controllers and starts them for a namespace.
func startCertManager(t *testing.T, ns string) {
	t.Helper()
	command := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = "../../certmanager"
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, said.Bytes())
		}
		return out
	}
	program := filepath.Join(t.TempDir(), "certmanager")
	command("build", "-o", program, ".")
	module := command("list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager")
	crds, err := filepath.Glob(string(bytes.TrimSpace(module)) + "/deploy/crds/cert-manager.io_*.yaml")
	if err != nil || len(crds) == 0 {
		t.Fatalf("no CRDs: %v", err)
	}
	for _, file := range crds {
		env.Must(t, "", "", "apply", "--server-side", "-f", file)
	}
	env.Must(t, "", "", "wait", "--for=condition=Established", "--timeout=60s", "crd", "certificates.cert-manager.io",
		"certificaterequests.cert-manager.io", "issuers.cert-manager.io")

	log := &logBuffer{}
	cmd := exec.Command(program, env.API.Kubeconfig, ns)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cluster.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("log of cert-manager: %s", log)
		}
	})
}

// renew has cert-manager reissue a Certificate, by the condition that `cmctl renew` sets, and returns its new Secret.
func (s *site) renew(t *testing.T, name string) *corev1.Secret {
	t.Helper()
	client, err := dynamic.NewForConfig(env.API.Config)
	if err != nil {
		t.Fatal(err)
	}
	resource := schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1", Resource: "certificates"}
	certificates := client.Resource(resource).Namespace(s.namespace)
	secrets := s.admin.CoreV1().Secrets(s.namespace)
	before, err := secrets.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	issuing := func(c *unstructured.Unstructured) ([]any, bool) {
		conditions, _, _ := unstructured.NestedSlice(c.Object, "status", "conditions")
		for _, condition := range conditions {
			if m := condition.(map[string]any); m["type"] == "Issuing" && m["status"] == "True" {
				return conditions, true
			}
		}
		return conditions, false
	}
	// Its last reissue is over before another is asked for: else the two are one.
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		c, err := certificates.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		_, busy := issuing(c)
		return !busy
	}) {
		t.Fatalf("the Certificate %s is still being issued", name)
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		c, err := certificates.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _ := issuing(c)
		conditions = append(conditions, map[string]any{
			"type":               "Issuing",
			"status":             "True",
			"reason":             "ManuallyTriggered",
			"message":            "Certificate re-issuance manually triggered",
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		})
		if err := unstructured.SetNestedSlice(c.Object, conditions, "status", "conditions"); err != nil {
			return err
		}
		_, err = certificates.UpdateStatus(t.Context(), c, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		t.Fatalf("renewing %s: %v", name, err)
	}
	var after *corev1.Secret
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		after, err = secrets.Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && !bytes.Equal(after.Data["tls.crt"], before.Data["tls.crt"])
	}) {
		t.Fatalf("cert-manager did not reissue %s", name)
	}
	return after
}

// TestCertManagerUnderLoad: two processes with certificates from files, which cert-manager's own controllers reissue
// and the test mounts as the kubelet does; the cainjector publishes the CA. No creation fails.
func TestCertManagerUnderLoad(t *testing.T) {
	t.Parallel()
	cas, leafs := 2, 8
	if *long {
		cas, leafs = 20, 100
	}
	s := newSite(t, false)
	kubeconfig := env.PolicyNamespace(t, s.namespace, "")
	s.apply(t, s.manifest(t, "testdata/published.yaml"))
	startCertManager(t, s.namespace)
	env.Must(t, "", s.manifest(t, "testdata/certmanager.yaml"), "apply", "-f", "-")
	env.Must(t, s.namespace, "", "wait", "--for=condition=Ready", "--timeout=60s",
		"certificate", "podvet-ca", "podvet-tls")

	svc := &service{}
	s.vetted(t, svc.open(t))
	env.Must(t, "", "", "annotate", "mutatingwebhookconfiguration,validatingwebhookconfiguration", s.configuration,
		"cert-manager.io/inject-ca-from="+s.namespace+"/podvet-tls")
	var mounts []*mount
	var replicas []*podvet.Server
	for range 2 {
		m := s.mountSecret(t, "podvet-tls")
		p := s.process(t, kubeconfig, "--tls", "files", "--cert-dir", m.dir, "--webhook-configuration", s.configuration)
		svc.add(p)
		mounts, replicas = append(mounts, m), append(replicas, p)
	}
	time.Sleep(lag) // the replicas found the bundles good, and the API server follows
	l := s.load(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	moving := sync.WaitGroup{}
	moving.Go(func() { s.reconnect(ctx, t, svc) })
	c := s.call(t, handshake(replicas...)...)

	start := inUse(t, replicas...)
	for i := range leafs {
		if i%(leafs/cas) == 0 {
			s.renew(t, "podvet-ca") // changes nothing until a leaf is signed by it
		}
		ca, _ := tls.X509KeyPair(s.secretData(t, "podvet-ca"))
		secret := s.renew(t, "podvet-tls")
		leaf, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
		if err != nil {
			t.Fatal(err)
		}
		if err := leaf.Leaf.CheckSignatureFrom(ca.Leaf); err != nil {
			t.Errorf("leaf %d is not of the newest CA: %v", i, err)
		}
		for _, m := range mounts {
			if !podvet.Await(t.Context(), 30*time.Second, func() bool { return m.holds(secret.ResourceVersion) }) {
				t.Fatal("not mounted")
			}
		}
		for _, p := range replicas {
			if !podvet.Await(t.Context(), 30*time.Second, func() bool { return serves(t, p, leaf.Leaf) }) {
				t.Fatalf("%s does not serve leaf %d", p.Address(), i)
			}
		}
	}
	l.check(t)
	stop()
	moving.Wait()
	awaitReady(t, replicas...)
	if reviews := replicas[0].Reviews() + replicas[1].Reviews(); int64(reviews) < 2*l.created.Load() {
		t.Errorf("%d pods and only %d reviews", l.created.Load(), reviews)
	}
	t.Logf("%d pods created, over %d connections; %d CAs and %d leaf certificates by cert-manager, "+
		"%d times a replica changed its certificate",
		l.created.Load(), svc.connections, cas, leafs, inUse(t, replicas...)-start)
	c.check(t, false)

	// A bundle that does not verify what is served is said by /readyz.
	env.Must(t, "", "", "annotate", "mutatingwebhookconfiguration", s.configuration, "cert-manager.io/inject-ca-from-")
	env.Must(t, "", "", "patch", "mutatingwebhookconfiguration", s.configuration, "--type=json", "-p",
		fmt.Sprintf(`[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": %s}]`,
			env.JSON(newCA(t, time.Hour).PEM())))
	for _, p := range replicas {
		if !podvet.Await(t.Context(), 10*time.Second, func() bool {
			_, err := podvet.Fetch(p.Ready)
			return err != nil && strings.Contains(err.Error(),
				"the CA bundle of webhook mutate.podvet.dev (1 certificates) does not verify the certificate")
		}) {
			_, err := podvet.Fetch(p.Ready)
			t.Errorf("another CA is published, and it says %v", err)
		}
	}
}

// secretData is the certificate and the key in a Secret.
func (s *site) secretData(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	secret, err := s.admin.CoreV1().Secrets(s.namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret.Data["tls.crt"], secret.Data["tls.key"]
}

// serves tells whether a replica serves a leaf.
func serves(t *testing.T, p *podvet.Server, leaf *x509.Certificate) bool {
	t.Helper()
	conn, err := tls.Dial("tcp", p.Address(), &tls.Config{InsecureSkipVerify: true}) // compared with the leaf
	if err != nil {
		return false
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Equal(leaf)
}
