package chart

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/podvet"
)

// The API server records what podvet's ServiceAccounts ask of it.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
`

// TestServes runs podvet with the arguments of the chart's container and the ServiceAccount's rights, beside the
// installed chart: the flags are known, the rights suffice and none is too many, the metrics are there, and an
// upgrade keeps what podvet wrote.
func TestServes(t *testing.T) {
	for _, h := range helms {
		for _, mode := range []string{"existingSecret", "selfManaged"} {
			t.Run(mode+"-"+h.version, func(t *testing.T) { testServes(t, h, mode) })
		}
	}
}

// lostAndFound is what podvet makes again when someone deletes it.
var lostAndFound = map[string][]string{
	"existingSecret": {"configmap/podvet-policy-last-good"},
	"selfManaged":    {"configmap/podvet-policy-last-good", "secret/podvet-self-managed-ca"},
}

func testServes(t *testing.T, h helm, mode string) {
	ns := "serve-" + strings.ToLower(mode) + "-" + h.version
	values := func(policy string) string {
		return `
webhooks: {timeoutSeconds: 1}
certificates: {mode: ` + mode + `, existingSecret: {name: webhook-tls}}
policy: ` + policy
	}
	namespace(t, ns, "restricted")
	h.must(t, values("{}"), "install", "podvet", chartDir, "--namespace", ns)
	t.Cleanup(func() { _ = h.command(t, "", "uninstall", "podvet", "--namespace", ns, "--ignore-not-found").Run() })
	p := serve(t, ns)
	await(t, "podvet to be ready; its log is "+p.log, func() bool { return p.ready(t) })

	exposed := map[string][]string{}
	read(t, scrape(t, p.metrics), exposed)
	for metric, labels := range inCluster {
		if got, ok := exposed[metric]; !ok {
			t.Errorf("%s is not exposed", metric)
		} else if !slices.Equal(slices.Compact(slices.Sorted(slices.Values(got))), labels) {
			t.Errorf("%s has the labels %v, want %v", metric, got, labels)
		}
	}

	// One that the schema lets through: it knows nothing of what belongs together.
	h.must(t, values("{rules: {no-readiness-probe: {fix: true}}}"), "upgrade", "podvet", chartDir, "--namespace", ns)
	await(t, "a bad policy to be noticed; podvet's log is "+p.log, func() bool {
		return strings.Contains(scrape(t, p.metrics), "podvet_policy_bad 1\n") &&
			len(list(t, "events", "-n", ns, "--field-selector=involvedObject.name=podvet-policy")) > 0
	})
	h.must(t, values("{mode: enforce}"), "upgrade", "podvet", chartDir, "--namespace", ns)
	await(t, "the last good policy to be kept; podvet's log is "+p.log, func() bool {
		kept := mustKubectl(t, "", "get", "configmap", "podvet-policy-last-good", "-n", ns,
			"-o", `jsonpath={.data.policy\.yaml}`)
		return strings.Contains(kept, "mode: enforce")
	})
	if text := scrape(t, p.metrics); !strings.Contains(text, "podvet_policy_bad 0\n") {
		t.Error("with a good policy in force podvet_policy_bad is not 0")
	}
	p.review(t, "a-namespace-that-is-not-there")
	now := map[string][]string{}
	read(t, scrape(t, p.metrics), now)
	for metric, labels := range elsewhere {
		if got, ok := now[metric]; mode == "selfManaged" &&
			(!ok || !slices.Equal(slices.Compact(slices.Sorted(slices.Values(got))), labels)) {
			t.Errorf("%s has the labels %v, want %v", metric, got, labels)
		}
	}

	// Both come back, though podvet may create nothing but these two.
	for _, lost := range lostAndFound[mode] {
		mustKubectl(t, "", "delete", lost, "-n", ns)
		await(t, lost+" to come back; podvet's log is "+p.log, func() bool {
			found, err := kubectl(t, "", "get", lost, "-n", ns, "-o", "jsonpath={.data}")
			return err == nil && found != ""
		})
	}

	_, wrong, err := cluster.Rights(grantedTo(t, ns), api.AuditLog, "system:serviceaccount:"+ns+":podvet")
	if err != nil {
		t.Fatal(err)
	}
	for _, right := range wrong {
		// cert-manager's library makes a lost Secret by the request that has no name; podvet by the one that has.
		if right != "forbidden: create secrets/" {
			t.Error(right)
		}
	}

	h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	const podvets = "--field-selector=metadata.name!=kube-root-ca.crt"
	if left := list(t, "configmaps,secrets,roles,rolebindings", "-n", ns, podvets); len(left) > 0 {
		t.Errorf("beside a running podvet, uninstall leaves %v", left)
	}
	if err := p.stop(); err != nil {
		log, _ := os.ReadFile(p.log)
		t.Errorf("podvet ended with %v:\n%s", err, log)
	}
}

// A server is podvet as the chart's container runs it, but for its ports.
type server struct {
	cmd                  *exec.Cmd
	args                 []string
	port, metricsPort    int
	healthPort           int
	health, metrics, log string
}

// serve takes more flags, which win over those of the chart.
func serve(t *testing.T, ns string, more ...string) *server {
	t.Helper()
	var deployment struct {
		Spec struct{ Template struct{ Spec corev1.PodSpec } }
	}
	stored := mustKubectl(t, "", "get", "deployment", "podvet", "-n", ns, "-o", "json")
	if err := json.Unmarshal([]byte(stored), &deployment); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := certs.Local(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	port, health, metrics := freePort(t), freePort(t), freePort(t)
	args := deployment.Spec.Template.Spec.Containers[0].Args
	for i, arg := range args {
		switch flag, _, _ := strings.Cut(arg, "="); flag {
		case "--port":
			args[i] = flag + "=" + strconv.Itoa(port)
		case "--health-address":
			args[i] = fmt.Sprintf("%s=:%d", flag, health)
		case "--metrics-address":
			args[i] = fmt.Sprintf("%s=:%d", flag, metrics)
		case "--shutdown-delay":
			args[i] = flag + "=0s"
		case "--cert-dir":
			args[i] = flag + "=" + dir
		}
	}
	s := &server{args: args, port: port, metricsPort: metrics, healthPort: health, log: filepath.Join(dir, "log"),
		health:  fmt.Sprintf("http://127.0.0.1:%d", health),
		metrics: fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics)}
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.cmd = exec.Command(binary, append(args, more...)...)
	s.cmd.Env = []string{"KUBECONFIG=" + kubeconfigFor(t, ns, "podvet"), "HOME=" + dir}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := cluster.StartChild(s.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() })
	return s
}

func (s *server) stop() error {
	s.cmd.Process.Signal(syscall.SIGTERM)
	return s.cmd.Wait()
}

func (s *server) ready(t *testing.T) bool {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.Signal(0)); err != nil ||
		strings.Contains(processState(s.cmd.Process.Pid), "Z") {
		log, _ := os.ReadFile(s.log)
		t.Fatalf("podvet %s ended:\n%s", strings.Join(s.cmd.Args[1:], " "), log)
	}
	resp, err := http.Get(s.health + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// processState is Z for a program that has ended and was not waited for.
func processState(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return string(rest[:min(1, len(rest))])
}

// review has podvet judge a pod in a namespace.
func (s *server) review(t *testing.T, ns string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	if err := cluster.Admits(&client, fmt.Sprintf("https://127.0.0.1:%d/validate", s.port), ns); err != nil {
		t.Error(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := podvet.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// kubeconfigFor is for a ServiceAccount.
func kubeconfigFor(t *testing.T, ns, account string) string {
	t.Helper()
	token := strings.TrimSpace(mustKubectl(t, "", "create", "token", account, "-n", ns))
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
  contexts: [{name: c, context: {cluster: c, user: c}}],
  clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}],
  users: [{name: c, user: {token: %s}}]}`, api.Config.Host, base64.StdEncoding.EncodeToString(api.Config.CAData), token)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// grantedTo are the rules of the chart's roles.
func grantedTo(t *testing.T, ns string) []rbacv1.PolicyRule {
	t.Helper()
	var rules []rbacv1.PolicyRule
	for _, args := range [][]string{{"clusterrole", "podvet"}, {"role", "podvet", "-n", ns}} {
		var role rbacv1.Role
		stored := mustKubectl(t, "", append([]string{"get", "-o", "json"}, args...)...)
		if err := yaml.Unmarshal([]byte(stored), &role); err != nil {
			t.Fatal(err)
		}
		rules = append(rules, role.Rules...)
	}
	return rules
}
