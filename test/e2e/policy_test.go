package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/policy"
)

const policyHeader = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"

// replica is a podvet that follows the ConfigMap policy of a namespace, with the rights of a ServiceAccount that has
// nothing more.
type replica struct {
	*Podvet
	client *http.Client
}

// policyNamespace makes a namespace with podvet's ServiceAccount and returns a kubeconfig for it that talks to the API
// server at an address, "" for its own.
func policyNamespace(t *testing.T, ns, address string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	must(t, ns, strings.ReplaceAll(string(text), "NAMESPACE", ns), "apply", "-f", "-")
	token, _ := must(t, ns, "", "create", "token", "podvet", "--duration=1h")
	if address == "" {
		address = api.Config.Host
	}
	ca := api.Config.CAData
	if ca == nil {
		if ca, err = os.ReadFile(api.Config.CAFile); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],
"clusters":[{"name":"c","cluster":{"server":%q,"certificate-authority-data":%s}}],"users":[{"name":"u","user":{"token":%q}}]}`,
		address, asJSON(ca), strings.TrimSpace(token))
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func asJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // bytes, text and maps of them
	}
	return text
}

func startReplica(t *testing.T, kubeconfig, ns string) *replica {
	t.Helper()
	p, err := ServeInCluster(t.Context(), binary, t.TempDir(), kubeconfig, ns+"/policy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA)
	return &replica{p, &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}}
}

func (r *replica) awaitReady(t *testing.T, limit time.Duration) {
	t.Helper()
	if !Await(t.Context(), limit, func() bool { _, err := fetch(r.Ready); return err == nil }) {
		_, err := fetch(r.Ready)
		t.Fatalf("not ready: %v", err)
	}
}

// review asks about a bare pod without probes in a namespace.
func (r *replica) review(ctx context.Context, ns string) (*admissionv1.AdmissionResponse, error) {
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},
"name":"p","namespace":%q,"operation":"CREATE","dryRun":true,"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":%q},
"spec":{"containers":[{"name":"app","image":"i","ports":[{"containerPort":80}]}]}}}}`, ns, ns)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/validate", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var answer admissionv1.AdmissionReview
	if resp.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil || answer.Response == nil {
		return nil, fmt.Errorf("HTTP %d: %s", resp.StatusCode, text)
	}
	return answer.Response, nil
}

// judgesBy tells the hash of the policy that a review is judged by.
func (r *replica) judgesBy(ctx context.Context) string {
	answer, err := r.review(ctx, "x")
	if err != nil {
		return err.Error()
	}
	return answer.AuditAnnotations["policy"]
}

func (r *replica) metric(t *testing.T, name string) string {
	t.Helper()
	text, err := fetch(r.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	if match := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(text); match != nil {
		return match[1]
	}
	return ""
}

// hashOf is that of a good policy in a cluster.
func hashOf(t *testing.T, text string) string {
	t.Helper()
	p, _, err := policy.LoadShared("test", []byte(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p.Hash
}

func configMap(ns, text string) string {
	cm := corev1.ConfigMap{Data: map[string]string{"policy.yaml": text}}
	cm.APIVersion, cm.Kind, cm.Name, cm.Namespace = "v1", "ConfigMap", "policy", ns
	return string(asJSON(cm))
}

// proxy is a way to the API server that can be cut.
type proxy struct {
	address string
	cut     atomic.Bool
	mu      sync.Mutex
	open    []net.Conn
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	target, err := url.Parse(api.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	p := &proxy{address: "https://" + listener.Addr().String()}
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			p.connect(in, target.Host)
		}
	}()
	return p
}

func (p *proxy) connect(in net.Conn, host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := net.Dial("tcp", host)
	if err != nil || p.cut.Load() {
		_ = in.Close()
		return
	}
	p.open = append(p.open, in, out)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
		}()
	}
}

// cutOff ends all connections and takes no more until cut is false again.
func (p *proxy) cutOff() {
	p.cut.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.open = nil
}

// stream asks all replicas without a pause until the test ends, and counts what fails.
func stream(t *testing.T, replicas []*replica) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Int64
	var wg sync.WaitGroup
	for _, r := range replicas {
		for range 2 {
			wg.Go(func() {
				for ctx.Err() == nil {
					asked.Add(1)
					if _, err := r.review(ctx, "x"); err != nil && ctx.Err() == nil {
						t.Errorf("a review failed: %v", err)
					}
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
	}
	t.Cleanup(func() {
		stop()
		wg.Wait()
		t.Logf("%d reviews", asked.Load())
		if asked.Load() < 1000 {
			t.Errorf("%d reviews are no constant stream", asked.Load())
		}
	})
}

// TestPolicyIsNeverLost: whatever happens to the ConfigMap and to the API server, all replicas go on judging by the
// last good policy, and no review fails.
func TestPolicyIsNeverLost(t *testing.T) {
	t.Parallel()
	const ns = "policy-kept"
	way := newProxy(t)
	kubeconfig := policyNamespace(t, ns, way.address)
	replicas := []*replica{startReplica(t, kubeconfig, ns), startReplica(t, kubeconfig, ns)}
	for _, r := range replicas {
		r.awaitReady(t, 30*time.Second)
	}
	stream(t, replicas)

	// inForce waits until all replicas judge by a policy; 2 s is what a change may take, but for one of 1 MiB, which all
	// replicas compile on the cores of one machine.
	limit := 2 * time.Second
	inForce := func(what, hash, source string) {
		t.Helper()
		start := time.Now()
		for i, r := range replicas {
			if !Await(t.Context(), time.Until(start.Add(limit)), func() bool {
				return r.judgesBy(t.Context()) == hash && r.metric(t, fmt.Sprintf("podvet_policy_info{hash=%q,source=%q}", hash, source)) == "1"
			}) {
				text, _ := fetch(r.Metrics)
				t.Fatalf("%s: replica %d judges by %s, want %s from %s: %s", what, i, r.judgesBy(t.Context()), hash, source, grep(text, "podvet_policy"))
			}
		}
		t.Logf("%s: in force on %d replicas after %d ms", what, len(replicas), time.Since(start).Milliseconds())
	}
	write := func(text string) {
		t.Helper()
		must(t, ns, configMap(ns, text), "replace", "-f", "-")
	}
	lastGood := func(want string) {
		t.Helper()
		if !Await(t.Context(), 10*time.Second, func() bool {
			out, _, ok := kubectl(t, ns, "", "get", "configmap", "policy-last-good", "-o", "json")
			var cm corev1.ConfigMap
			return ok && json.Unmarshal([]byte(out), &cm) == nil && cm.Data["policy.yaml"] == want
		}) {
			t.Fatal("the last good policy is not kept")
		}
	}

	inForce("never existed", policy.Default().Hash, "default")
	first := policyHeader + "profile: strict\n"
	must(t, ns, configMap(ns, first), "create", "-f", "-")
	inForce("the first", hashOf(t, first), "configmap")
	second := policyHeader + "profile: minimal\nrules: {rule-of-tomorrow: {level: deny}}\n" // of a newer replica
	write(second)
	inForce("the second", hashOf(t, second), "configmap")
	lastGood(second)

	write(policyHeader + "profil: strict\nmode: on\n")
	inForce("a bad one", hashOf(t, second), "last-good")
	for i, r := range replicas {
		if got := r.metric(t, `podvet_policy_reload_total{result="bad"}`); got != "1" {
			t.Errorf("replica %d counts %s bad policies", i, got)
		}
		if log, _ := os.ReadFile(r.Log); bytes.Count(log, []byte("the policy is bad")) != 1 || !bytes.Contains(log, []byte(`policy.yaml:3: profil: unknown key (did you mean profile?)`)) {
			t.Errorf("replica %d logs %s", i, grep(string(log), "policy"))
		}
		if _, err := fetch(r.Ready); err != nil {
			t.Errorf("replica %d is not ready: %v", i, err)
		}
	}
	var events []corev1.Event
	if !Await(t.Context(), 10*time.Second, func() bool {
		events = get[corev1.EventList](t, ns, "events", "--field-selector", "involvedObject.name=policy,reason=PolicyNotUsed").Items
		return len(events) > 0
	}) {
		t.Fatal("no Event on the ConfigMap")
	}
	if len(events) != 1 || !strings.HasPrefix(events[0].Message, "policy.yaml:3: profil: unknown key (did you mean profile?)") {
		t.Errorf("%d Events, the first says %s", len(events), events[0].Message)
	}
	replicas = append(replicas, startReplica(t, kubeconfig, ns))
	replicas[2].awaitReady(t, 30*time.Second)
	inForce("a replica started while it is bad", hashOf(t, second), "last-good")

	write(bomb)
	inForce("a bomb", hashOf(t, second), "last-good")
	write("")
	inForce("an emptied key", hashOf(t, second), "last-good")
	must(t, ns, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"policy","namespace":"`+ns+`"}}`, "replace", "-f", "-")
	inForce("no key", hashOf(t, second), "last-good")
	must(t, ns, "", "delete", "configmap", "policy")
	inForce("deleted", hashOf(t, second), "last-good")
	replicas = append(replicas, startReplica(t, kubeconfig, ns))
	replicas[3].awaitReady(t, 30*time.Second)
	inForce("a replica started while it is gone", hashOf(t, second), "last-good")

	large := largePolicy()
	limit = 20 * time.Second
	must(t, ns, configMap(ns, large), "create", "-f", "-")
	inForce(fmt.Sprintf("one of %d bytes", len(large)), hashOf(t, large), "configmap")
	lastGood(large)
	write(large + "profil: strict\n")
	inForce("a large one that is bad", hashOf(t, large), "last-good")

	way.cutOff()
	write(first) // nobody hears of it
	time.Sleep(time.Minute)
	for i, r := range replicas {
		if got := r.judgesBy(t.Context()); got != hashOf(t, large) {
			t.Errorf("replica %d without the API server judges by %s", i, got)
		}
		if _, err := fetch(r.Ready); err != nil {
			t.Errorf("replica %d without the API server is not ready: %v", i, err)
		}
	}
	way.cut.Store(false)
	start := time.Now()
	for i, r := range replicas { // a watch is tried again after a while that grows to 30 s and more
		if !Await(t.Context(), 90*time.Second, func() bool { return r.judgesBy(t.Context()) == hashOf(t, first) }) {
			t.Errorf("replica %d did not hear of the policy after the API server came back", i)
		}
	}
	t.Logf("the API server is back: in force after %v", time.Since(start).Round(time.Second))
	lastGood(first)
}

const bomb = policyHeader + `a: &a [x,x,x,x,x,x,x,x,x,x]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]
d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]
e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]
f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]
g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]
injectedContainers: [*g,*g,*g,*g,*g,*g,*g,*g,*g,*g]
`

// largePolicy is nearly as long as a ConfigMap may be.
func largePolicy() string {
	var text strings.Builder
	text.WriteString(policyHeader + "scopes:\n")
	for i := 0; text.Len() < 1<<20-20_000; i++ {
		fmt.Fprintf(&text, "- name: team-%d\n  match: {namespaces: [\"team-%d-*\"]}\n  rules: {startup-budget-too-long: {params: {maxSeconds: %d}}}\n", i, i, i+1)
	}
	return text.String()
}

func grep(text, word string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) && !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

// TestPolicyIsVetted at kubectl apply.
func TestPolicyIsVetted(t *testing.T) {
	t.Parallel()
	const ns = "policy-vetted"
	r := startReplica(t, policyNamespace(t, ns, ""), ns)
	r.awaitReady(t, 30*time.Second)
	must(t, ns, fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: podvet-policy-vetted}
webhooks:
- name: validate-policy.podvet.dev
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [CREATE, UPDATE]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
  matchConditions: [{name: policy, expression: "object.metadata.name == 'policy'"}]
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: {url: "%s/validate-policy", caBundle: %s}
`, ns, r.URL, asJSON(r.CA)), "apply", "-f", "-")
	if !Await(t.Context(), 30*time.Second, func() bool {
		_, _, ok := kubectl(t, ns, configMap(ns, "x"), "create", "--dry-run=server", "-f", "-")
		return !ok
	}) {
		t.Fatal("the API server does not ask podvet about the policy")
	}

	_, stderr, ok := kubectl(t, ns, configMap(ns, policyHeader+"profil: strict\nscopes: [{match: {kinds: [Deploymnet]}}]\n"), "apply", "-f", "-")
	for _, want := range []string{"policy.yaml:3: profil: unknown key (did you mean profile?)", `policy.yaml:4: scopes[0].match.kinds[0]: is "Deploymnet", no kind (did you mean Deployment?)`} {
		if ok || !strings.Contains(stderr, want) {
			t.Errorf("a bad policy: %v %s", ok, stderr)
		}
	}
	soon := time.Now().Add(5 * 24 * time.Hour).UTC().Format(time.DateOnly)
	_, stderr = must(t, ns, configMap(ns, policyHeader+`rules: {bare-pod: {level: audit}, rule-of-tomorrow: {level: warn}}
scopes: [{name: typo, match: {namespaces: [paymnets]}, rules: {bare-pod: {level: audit}}}, {name: labels, match: {namespaceSelector: {matchLabels: {team: nobody}}}, fixes: false}]
exemptions: [{rules: [bare-pod], reason: r, expires: 2020-01-01}, {rules: [bare-pod], reason: r, expires: `+soon+`}]
`), "apply", "-f", "-")
	for _, want := range []string{
		"policy.yaml:4: scopes[0].rules.bare-pod.level: audit is already its level for everyone: remove this",
		"policy.yaml:3: rules.rule-of-tomorrow: there is no such rule: podvet rules lists them",
		"policy.yaml:4: scopes[0].match.namespaces: paymnets: no namespace of this cluster is meant: is that a typing mistake?",
		"policy.yaml:4: scopes[1].match.namespaceSelector: team=nobody: no namespace of this cluster is meant: is that a typing mistake?",
		"policy.yaml:5: exemptions[0].expires: has expired on 2020-01-01: its findings are warnings now: remove the exemption, or write a later day",
		"policy.yaml:5: exemptions[1].expires: expires on " + soon + ": from that day its findings are warnings",
	} {
		if !strings.Contains(stderr, "Warning: "+want+"\n") {
			t.Errorf("no warning %s in\n%s", want, stderr)
		}
	}
	// Any other ConfigMap is nobody's business.
	must(t, ns, strings.ReplaceAll(configMap(ns, "x"), `"policy"`, `"other"`), "apply", "-f", "-")
	if !Await(t.Context(), 5*time.Second, func() bool { return r.metric(t, "podvet_policy_expired_exemptions") == "1" }) {
		t.Errorf("%s expired exemptions", r.metric(t, "podvet_policy_expired_exemptions"))
	}
}

// TestNamespaceModes: the label of a namespace decides as soon as it is there, also for a pod that comes with its
// namespace.
func TestNamespaceModes(t *testing.T) {
	t.Parallel()
	const ns = "policy-modes"
	r := startReplica(t, policyNamespace(t, ns, ""), ns)
	must(t, ns, configMap(ns, policyHeader+"profile: strict\nscopes: [{match: {namespaceSelector: {matchLabels: {team: quiet}}}, mode: warn}]\n"), "create", "-f", "-")
	if !Await(t.Context(), 30*time.Second, func() bool {
		answer, err := r.review(t.Context(), "default")
		return err == nil && !answer.Allowed
	}) {
		t.Fatal("the strict policy is not in force")
	}
	// The review may come before podvet has heard of the namespace.
	for i := range 20 {
		name := fmt.Sprintf("policy-modes-%d", i)
		must(t, "default", fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {team: quiet}}}", name), "create", "-f", "-")
		answer, err := r.review(t.Context(), name)
		if err != nil || !answer.Allowed || len(answer.Warnings) == 0 {
			t.Fatalf("%s: %+v, %v", name, answer, err)
		}
	}
	must(t, "default", "", "label", "namespace", "policy-modes-0", "podvet.dev/mode=off")
	if !Await(t.Context(), 2*time.Second, func() bool {
		answer, err := r.review(t.Context(), "policy-modes-0")
		return err == nil && len(answer.Warnings) == 0
	}) {
		t.Error("the label is not seen")
	}
	if answer, err := r.review(t.Context(), "no-such-namespace"); err != nil || answer.Allowed {
		t.Errorf("a namespace that does not exist: %+v, %v", answer, err)
	}
	if got := r.metric(t, `podvet_namespace_lookups_total{result="absent"}`); got != "1" {
		t.Errorf("%q lookups of the absent one", got)
	}
}

// TestPolicyWithoutRights: a replica that cannot read its policy says which right it lacks, is not ready, and leaves
// the pods to failurePolicy.
func TestPolicyWithoutRights(t *testing.T) {
	t.Parallel()
	const ns = "policy-denied"
	kubeconfig := policyNamespace(t, ns, "")
	must(t, ns, "", "delete", "rolebinding", "podvet")
	r := startReplica(t, kubeconfig, ns)
	if !Await(t.Context(), 30*time.Second, func() bool {
		_, err := fetch(r.Ready)
		return err != nil && strings.HasPrefix(err.Error(), "503 Service Unavailable: the ConfigMap policy-denied/policy cannot be read: ") &&
			strings.Contains(err.Error(), `User "system:serviceaccount:policy-denied:podvet" cannot list resource "configmaps"`)
	}) {
		_, err := fetch(r.Ready)
		t.Errorf("not ready because of %v", err)
	}
	if _, err := r.review(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "HTTP 503: podvet: no policy could be read yet") {
		t.Errorf("a review: %v", err)
	}
	must(t, ns, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"podvet"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"podvet"},"subjects":[{"kind":"ServiceAccount","name":"podvet","namespace":"`+ns+`"}]}`, "create", "-f", "-")
	r.awaitReady(t, 90*time.Second)
}
