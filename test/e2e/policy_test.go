package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

const policyHeader = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"

// hashOf is that of a good policy in a cluster.
func hashOf(t *testing.T, text string) string {
	t.Helper()
	p, _, err := policy.LoadShared(catalogue.All, "test", []byte(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p.Hash
}

func configMap(ns, text string) string {
	cm := corev1.ConfigMap{Data: map[string]string{"policy.yaml": text}}
	cm.APIVersion, cm.Kind, cm.Name, cm.Namespace = "v1", "ConfigMap", "policy", ns
	return string(env.JSON(cm))
}

// TestPolicyIsNeverLost: whatever happens to the ConfigMap and to the API server, all replicas go on judging by the
// last good policy, and no review fails.
func TestPolicyIsNeverLost(t *testing.T) {
	t.Parallel()
	const ns = "policy-kept"
	way := newProxy(t)
	kubeconfig := env.PolicyNamespace(t, ns, way.address)
	replicas := []*replica{startReplica(t, kubeconfig, ns), startReplica(t, kubeconfig, ns)}
	for _, r := range replicas {
		r.awaitReady(t, 30*time.Second)
	}
	stream(t, replicas)

	// inForce waits until all replicas judge by a policy; 2 s is what a change may take, but for one of 1 MiB, which
	// all replicas compile on the cores of one machine.
	limit := slow * 2 * time.Second
	inForce := func(what, hash, source string) {
		t.Helper()
		start := time.Now()
		for i, r := range replicas {
			if !podvet.Await(t.Context(), time.Until(start.Add(limit)), func() bool {
				return r.judgesBy(t.Context()) == hash &&
					r.metric(t, fmt.Sprintf("podvet_policy_info{hash=%q,source=%q}", hash, source)) == "1"
			}) {
				text, _ := podvet.Fetch(r.Metrics)
				t.Fatalf("%s: replica %d judges by %s, want %s from %s: %s", what, i, r.judgesBy(t.Context()), hash,
					source, grep(text, "podvet_policy"))
			}
		}
		t.Logf("%s: in force on %d replicas after %d ms", what, len(replicas), time.Since(start).Milliseconds())
	}
	write := func(text string) {
		t.Helper()
		env.Must(t, ns, configMap(ns, text), "replace", "-f", "-")
	}
	lastGood := func(want string) {
		t.Helper()
		if !podvet.Await(t.Context(), 30*time.Second, func() bool {
			out, _, ok := env.Kubectl(t, ns, "", "get", "configmap", "policy-last-good", "-o", "json")
			var cm corev1.ConfigMap
			return ok && json.Unmarshal([]byte(out), &cm) == nil && cm.Data["policy.yaml"] == want
		}) {
			t.Fatal("the last good policy is not kept")
		}
	}

	inForce("never existed", policy.Default(catalogue.All).Hash, "default")
	first := policyHeader + "profile: strict\n"
	env.Must(t, ns, configMap(ns, first), "create", "-f", "-")
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
		if log, _ := os.ReadFile(r.Log); bytes.Count(log, []byte("the policy is bad")) != 1 ||
			!bytes.Contains(log, []byte(`policy.yaml:3: profil: unknown key (did you mean profile?)`)) {
			t.Errorf("replica %d logs %s", i, grep(string(log), "policy"))
		}
		if _, err := podvet.Fetch(r.Ready); err != nil {
			t.Errorf("replica %d is not ready: %v", i, err)
		}
	}
	var events []corev1.Event
	if !podvet.Await(t.Context(), slow*10*time.Second, func() bool {
		events = env.List[corev1.EventList](t, ns, "events",
			metav1.ListOptions{FieldSelector: "involvedObject.name=policy,reason=PolicyNotUsed"}).Items
		return len(events) > 0
	}) {
		t.Fatal("no Event on the ConfigMap")
	}
	const says = "policy.yaml:3: profil: unknown key (did you mean profile?)"
	if len(events) != 1 || !strings.HasPrefix(events[0].Message, says) {
		t.Errorf("%d Events, the first says %s", len(events), events[0].Message)
	}
	replicas = append(replicas, startReplica(t, kubeconfig, ns))
	replicas[2].awaitReady(t, 30*time.Second)
	inForce("a replica started while it is bad", hashOf(t, second), "last-good")

	write(bomb)
	inForce("a bomb", hashOf(t, second), "last-good")
	write("")
	inForce("an emptied key", hashOf(t, second), "last-good")
	env.Must(t, ns, "{apiVersion: v1, kind: ConfigMap, metadata: {name: policy}}", "replace", "-f", "-")
	inForce("no key", hashOf(t, second), "last-good")
	env.Must(t, ns, "", "delete", "configmap", "policy")
	inForce("deleted", hashOf(t, second), "last-good")
	replicas = append(replicas, startReplica(t, kubeconfig, ns))
	replicas[3].awaitReady(t, 30*time.Second)
	inForce("a replica started while it is gone", hashOf(t, second), "last-good")

	large := largePolicy()
	limit = slow * 20 * time.Second
	env.Must(t, ns, configMap(ns, large), "create", "-f", "-")
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
		if _, err := podvet.Fetch(r.Ready); err != nil {
			t.Errorf("replica %d without the API server is not ready: %v", i, err)
		}
	}
	way.cut.Store(false)
	start := time.Now()
	for i, r := range replicas { // a watch is tried again after a while that grows to 30 s and more
		if !podvet.Await(t.Context(), 90*time.Second,
			func() bool { return r.judgesBy(t.Context()) == hashOf(t, first) }) {
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
		fmt.Fprintf(&text, `- name: team-%[1]d
  match: {namespaces: ["team-%[1]d-*"]}
  rules: {startup-budget-too-long: {params: {maxSeconds: %[2]d}}}
`, i, i+1)
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
	r := startReplica(t, env.PolicyNamespace(t, ns, ""), ns)
	r.awaitReady(t, 30*time.Second)
	env.Must(t, ns, fmt.Sprintf(`
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
`, ns, r.URL, env.JSON(r.CA)), "apply", "-f", "-")
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		_, _, ok := env.Kubectl(t, ns, configMap(ns, "x"), "create", "--dry-run=server", "-f", "-")
		return !ok
	}) {
		t.Fatal("the API server does not ask podvet about the policy")
	}

	bad := configMap(ns, policyHeader+"profil: strict\nscopes: [{match: {kinds: [Deploymnet]}}]\n")
	_, stderr, ok := env.Kubectl(t, ns, bad, "apply", "-f", "-")
	for _, want := range []string{
		"policy.yaml:3: profil: unknown key (did you mean profile?)",
		`policy.yaml:4: scopes[0].match.kinds[0]: is "Deploymnet", which is not a kind (did you mean Deployment?)`,
	} {
		if ok || !strings.Contains(stderr, want) {
			t.Errorf("a bad policy: %v %s", ok, stderr)
		}
	}
	soon := time.Now().Add(5 * 24 * time.Hour).UTC().Format(time.DateOnly)
	_, stderr = env.Must(t, ns, configMap(ns, policyHeader+`
rules: {bare-pod: {level: audit}, rule-of-tomorrow: {level: warn}}
scopes:
- {name: typo, match: {namespaces: [paymnets]}, rules: {bare-pod: {level: audit}}}
- {name: labels, match: {namespaceSelector: {matchLabels: {team: nobody}}}, fixes: false}
exemptions:
- {rules: [bare-pod], reason: r, expires: 2020-01-01}
- {rules: [bare-pod], reason: r, expires: `+soon+`}
`), "apply", "-f", "-")
	for _, want := range []string{
		"policy.yaml:6: scopes[0].rules.bare-pod.level: audit is already its level for everyone: remove this",
		"policy.yaml:4: rules.rule-of-tomorrow: there is no such rule: podvet rules lists them",
		"policy.yaml:6: scopes[0].match.namespaces: paymnets matches no namespace of this cluster: " +
			"is that a typing mistake?",
		"policy.yaml:7: scopes[1].match.namespaceSelector: team=nobody matches no namespace of this cluster: " +
			"is that a typing mistake?",
		"policy.yaml:9: exemptions[0].expires: expired on 2020-01-01, so its findings are warnings now: " +
			"remove the exemption, or write a later day",
		"policy.yaml:10: exemptions[1].expires: expires on " + soon + ": from that day its findings are warnings",
	} {
		if !strings.Contains(stderr, "Warning: podvet: "+want+"\n") {
			t.Errorf("no warning %s in\n%s", want, stderr)
		}
	}
	// Any other ConfigMap is nobody's business.
	env.Must(t, ns, strings.ReplaceAll(configMap(ns, "x"), `"policy"`, `"other"`), "apply", "-f", "-")
	if !podvet.Await(t.Context(), 5*time.Second,
		func() bool { return r.metric(t, "podvet_policy_expired_exemptions") == "1" }) {
		t.Errorf("%s expired exemptions", r.metric(t, "podvet_policy_expired_exemptions"))
	}
}

// TestNamespaceModes: the label of a namespace decides as soon as it is there, also for a pod that comes with its
// namespace.
func TestNamespaceModes(t *testing.T) {
	t.Parallel()
	const ns = "policy-modes"
	r := startReplica(t, env.PolicyNamespace(t, ns, ""), ns)
	env.Must(t, ns, configMap(ns, policyHeader+`
profile: strict
scopes: [{match: {namespaceSelector: {matchLabels: {team: quiet}}}, mode: warn}]
`), "create", "-f", "-")
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		answer, err := r.review(t.Context(), "default")
		return err == nil && !answer.Allowed
	}) {
		t.Fatal("the strict policy is not in force")
	}
	// The review may come before podvet has heard of the namespace.
	for i := range 20 {
		name := fmt.Sprintf("policy-modes-%d", i)
		quiet := fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {team: quiet}}}", name)
		env.Must(t, "default", quiet, "create", "-f", "-")
		answer, err := r.review(t.Context(), name)
		if err != nil || !answer.Allowed || len(answer.Warnings) == 0 {
			t.Fatalf("%s: %+v, %v", name, answer, err)
		}
	}
	env.Must(t, "default", "", "label", "namespace", "policy-modes-0", "podvet.dev/mode=off")
	if !podvet.Await(t.Context(), 2*time.Second, func() bool {
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
	kubeconfig := env.PolicyNamespace(t, ns, "")
	env.Must(t, ns, "", "delete", "rolebinding", "podvet")
	r := startReplica(t, kubeconfig, ns)
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		_, err := podvet.Fetch(r.Ready)
		const says = "503 Service Unavailable: the ConfigMap policy-denied/policy cannot be read: "
		const which = `User "system:serviceaccount:policy-denied:podvet" cannot list resource "configmaps"`
		return err != nil && strings.HasPrefix(err.Error(), says) && strings.Contains(err.Error(), which)
	}) {
		_, err := podvet.Fetch(r.Ready)
		t.Errorf("not ready because of %v", err)
	}
	if _, err := r.review(t.Context(), "x"); err == nil ||
		!strings.Contains(err.Error(), "HTTP 503: podvet: no policy could be read yet") {
		t.Errorf("a review: %v", err)
	}
	env.Must(t, ns, `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: podvet}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: podvet}
subjects: [{kind: ServiceAccount, name: podvet, namespace: `+ns+`}]
`, "create", "-f", "-")
	r.awaitReady(t, 90*time.Second)
}
