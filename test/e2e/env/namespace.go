package env

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/podvet/podvet/test/podvet"
)

// NamespaceManifest is a namespace with the label of a registration; "" for one that nobody vets.
func NamespaceManifest(name, label string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %s, labels: {podvet-test: %q}}
`, name, label)
}

var (
	namespaces atomic.Int32
	watch      = sync.OnceValue(func() error { return podvet.Watch(context.Background(), tag) })
)

// Namespace makes a namespace with the label of a registration; "" for one that nobody vets.
func Namespace(t *testing.T, label string) string {
	t.Helper()
	if err := watch(); err != nil { // not in TestMain, which comes before go notes what a test looks at
		t.Fatal(err)
	}
	name := fmt.Sprintf("test-%d", namespaces.Add(1))
	client, err := kubernetes.NewForConfig(API.Config) // kubectl would take a quarter of a second for each look
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"podvet-test": label}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// Without it no pod can be created; kube-controller-manager makes it.
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		_, err := client.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	}) {
		t.Fatalf("namespace %s has no default ServiceAccount", name)
	}
	return name
}

//go:embed testdata/policy.yaml
var policyRights string

// PolicyNamespace makes a namespace with podvet's ServiceAccount, which may follow its policy there and nothing more.
// It returns a kubeconfig of that account which talks to the API server at an address, "" for its own.
func PolicyNamespace(t *testing.T, ns, address string) (kubeconfig string) {
	t.Helper()
	Must(t, ns, strings.ReplaceAll(policyRights, "NAMESPACE", ns), "apply", "-f", "-")
	return Kubeconfig(t, ns, "podvet", address)
}

// Kubeconfig is one of a ServiceAccount. It talks to the API server at an address, "" for its own.
func Kubeconfig(t *testing.T, ns, account, address string) string {
	t.Helper()
	token, _ := Must(t, ns, "", "create", "token", account, "--duration=1h")
	if address == "" {
		address = API.Config.Host
	}
	ca := API.Config.CAData
	if ca == nil {
		var err error
		if ca, err = os.ReadFile(API.Config.CAFile); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`
apiVersion: v1
kind: Config
current-context: c
contexts:
- {name: c, context: {cluster: c, user: u}}
clusters:
- {name: c, cluster: {server: %q, certificate-authority-data: %s}}
users:
- {name: u, user: {token: %q}}
`, address, JSON(ca), strings.TrimSpace(token))
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
