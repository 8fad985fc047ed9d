package node

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/authority"
)

// TestInstall has Helm 4 install, upgrade, roll back and uninstall the chart, for each way to certificates and for both
// failure policies: the kubelet runs what the chart says, and the API server asks it through the chart's Service. Pods
// are created all the time, and each of them is.
func TestInstall(t *testing.T) {
	t.Parallel()
	t.Run("selfManaged", func(t *testing.T) {
		t.Parallel()
		testInstall(t, startNode(t), installation{certificates: "{mode: selfManaged}"})
	})
	t.Run("others", func(t *testing.T) {
		t.Parallel()
		n := startNode(t) // for both, one after the other: the webhooks are the cluster's
		t.Run("existingSecret", func(t *testing.T) {
			testInstall(t, n, installation{
				certificates: "{mode: existingSecret, existingSecret: {name: webhook-tls}}",
				prepare:      bringSecret, trust: followNotes, left: []string{"secret/webhook-tls"},
			})
		})
		t.Run("certManager", func(t *testing.T) {
			testInstall(t, n, installation{
				certificates: "{mode: certManager}",
				// cert-manager keeps those.
				prepare: startCertManager, left: []string{"secret/podvet-ca", "secret/podvet-tls"},
			})
		})
	})
}

// An installation is one way to certificates.
type installation struct {
	certificates string                             // the value
	prepare      func(*testing.T, *release)         // before the installation
	trust        func(*testing.T, *release, string) // after it, with what Helm said
	left         []string                           // what uninstall leaves, as it is not the release's
}

func testInstall(t *testing.T, n *Node, i installation) {
	r, app := newRelease(t, n), namespace(t, n)
	if err := n.ImportPodvet(t.Context(), nextVersion); err != nil {
		t.Fatal(err)
	}
	if i.prepare != nil {
		i.prepare(t, r)
	}
	before := clusterWide(t, n)
	ignore := "certificates: " + i.certificates
	fail := ignore + "\npolicy: {mode: enforce}\n" + failClosed

	whileInstalling := r.stream(t, app)
	said := r.install(t, ignore)
	whileInstalling.end(t, "installation with Ignore")
	if i.trust != nil {
		i.trust(t, r, said)
	}
	first := r.awaitPods(t)
	for _, pod := range first {
		if restarts := pod.Status.ContainerStatuses[0].RestartCount; restarts != 0 {
			t.Errorf("%s was restarted %d times", pod.Name, restarts)
		}
	}
	r.awaitVetted(t, app)
	r.wantVersion(t, version)
	r.wantDoctor(t)

	whileUpgrading := r.stream(t, app)
	r.helm(t, nextVersion, fail, "upgrade", "podvet", "CHART")
	second := r.awaitPods(t, first...)
	whileUpgrading.wantAllVetted(t, "upgrade from Ignore to Fail")
	r.wantVersion(t, nextVersion)
	r.wantRefused(t, app)

	whileRestarting := r.stream(t, app)
	kubectl(t, n, "", "rollout", "restart", "-n", r.namespace, "deployment/podvet")
	third := r.awaitPods(t, second...)
	whileRestarting.wantAllVetted(t, "rolling restart with Fail")

	whileRollingBack := r.stream(t, app)
	r.helm(t, version, "", "rollback", "podvet", "1")
	r.awaitPods(t, third...)
	whileRollingBack.wantAllVetted(t, "rollback from Fail to Ignore")
	r.wantVersion(t, version)
	r.wantRights(t)
	if i.prepare == nil { // podvet writes the bundle itself
		r.wantDiagnosis(t)
	}

	whileUninstalling := r.stream(t, app)
	r.helm(t, "", "", "uninstall", "podvet")
	r.wantNothingLeft(t, before, i.left...)
	whileUninstalling.end(t, "uninstallation with Ignore")
}

func startNode(t *testing.T) *Node {
	t.Helper()
	n := start(t)
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// wantAllVetted ends the stream: not one pod was refused, and not one was created without podvet.
func (s *stream) wantAllVetted(t *testing.T, what string) {
	t.Helper()
	s.end(t, what)
	if s.vetted != s.made {
		t.Errorf("%s: %d pods were created unvetted", what, s.made-s.vetted)
	}
}

func (r *release) wantVersion(t *testing.T, want string) {
	t.Helper()
	for _, pod := range r.pods(t) {
		said := kubectl(t, r.n, "", "exec", "-n", r.namespace, pod.Name, "--", "/podvet", "version")
		if !strings.HasPrefix(said, "podvet "+want) {
			t.Errorf("%s is %s, want %s", pod.Name, said, want)
		}
	}
}

// wantRefused has the API server refuse a pod that cannot work, in podvet's words.
func (r *release) wantRefused(t *testing.T, namespace string) {
	t.Helper()
	pod := unscheduled("")
	pod.Spec.Containers[0].Ports[0].Name = "web" // the probes say http
	_, err := r.n.Client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), `admission webhook "validate.podvet.dev" denied the request`) ||
		!strings.Contains(err.Error(), "[probe-port-unresolved]") {
		t.Errorf("a pod that can never be ready: %v", err)
	}
}

// clusterWide are the objects of the cluster that a release could leave behind, with their finalizers.
func clusterWide(t *testing.T, n *Node) string {
	t.Helper()
	kinds := "mutatingwebhookconfigurations,validatingwebhookconfigurations,validatingadmissionpolicies," +
		"validatingadmissionpolicybindings,clusterroles,clusterrolebindings," +
		"customresourcedefinitions,apiservices,namespaces"
	return kubectl(t, n, "", "get", kinds,
		"-o", `jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.finalizers}{"\n"}{end}`)
}

// wantNothingLeft checks what uninstall leaves, and that pods are then created.
func (r *release) wantNothingLeft(t *testing.T, before string, but ...string) {
	t.Helper()
	if after := clusterWide(t, r.n); after != before {
		t.Errorf("before:\n%s\nafter uninstall:\n%s", before, after)
	}
	kinds := kubectl(t, r.n, "", "api-resources", "--namespaced", "--verbs=list", "-o", "name")
	kinds = strings.Join(strings.Fields(kinds), ",")
	eventually(t, func() error { // pods end in their grace period, and then the garbage collector works
		var left []string
		names := kubectl(t, r.n, "", "get", kinds, "-n", r.namespace, "-o", "name", "--ignore-not-found")
		for line := range strings.Lines(names) {
			name := strings.TrimSpace(line)
			if name == "configmap/kube-root-ca.crt" || name == "serviceaccount/default" ||
				strings.HasPrefix(name, "event") {
				continue // every namespace has those, and events end by themselves
			}
			left = append(left, name)
		}
		if !slices.Equal(left, but) {
			return fmt.Errorf("uninstall leaves %v, want %v", left, but)
		}
		return nil
	})
}

// bringSecret makes the Secret that a user brings.
func bringSecret(t *testing.T, r *release) {
	t.Helper()
	serving := authority.Issue(t, nil, "podvet."+r.namespace+".svc", -time.Hour, time.Hour)
	encode := base64.StdEncoding.EncodeToString
	kubectl(t, r.n, fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: webhook-tls}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s, ca.crt: %s}
`,
		encode(serving.PEM()), encode(serving.KeyPEM()), encode(serving.PEM())),
		"create", "-n", r.namespace, "-f", "-")
}

// followNotes runs the commands that Helm prints after the installation, from the one that reads the CA to the last
// that writes it.
func followNotes(t *testing.T, r *release, said string) {
	t.Helper()
	var script bytes.Buffer
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "  CA=") || strings.HasPrefix(line, "  echo ") {
			script.WriteString(line)
		}
	}
	if lines := bytes.Count(script.Bytes(), []byte("\n")); lines != 3 {
		t.Fatalf("Helm prints %d commands, want 3:\n%s", lines, said)
	}
	if out, err := r.n.Command(t.Context(), "sh", "-e", "-c", script.String()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// startCertManager runs cert-manager's own controllers and cainjector, and with them makes its CRDs.
func startCertManager(t *testing.T, r *release) {
	t.Helper()
	const module = "../certmanager" // which pins the version
	list := exec.Command("go", "list", "-m", "-f={{.Dir}}", "github.com/cert-manager/cert-manager")
	list.Dir = module
	dir, err := list.Output()
	if err != nil {
		t.Fatal(said(err))
	}
	build := exec.Command("go", "build", "-o", r.n.home.path("certmanager"), ".")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	crds := filepath.Join(strings.TrimSpace(string(dir)), "deploy", "crds")
	kubectl(t, r.n, "", "apply", "--server-side", "-f", crds)
	kubectl(t, r.n, "", "wait", "--for=condition=Established", inTime, "-f", crds)
	log, err := os.Create(filepath.Join(r.n.Logs, "cert-manager.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	manager := r.n.Command(t.Context(), "/run/node/certmanager", "/run/node/kubeconfig", "") // for all namespaces
	manager.Stdout, manager.Stderr = log, log
	if err := manager.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = manager.Wait() }) // the test's context has ended it
}
