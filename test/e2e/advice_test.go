package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
	"github.com/podvet/podvet/test/randpod"
)

// advicePolicy shows every finding as a warning and repairs nothing.
const advicePolicy = `
apiVersion: podvet.dev/v1alpha1
kind: Policy
profile: strict
mode: warn
fixes: false
injectedContainers: []
`

// TestAdviceWorks: every bad fixture is accepted by the API server and drawn the words it promises; the good
// one, which is the bad one with the advice followed, is accepted too and the rule no longer finds it, and no
// look-alike is one only because the API server refuses it.
func TestAdviceWorks(t *testing.T) {
	t.Parallel()
	built := adviser{servePolicy(t, "advice", advicePolicy), env.Namespace(t, "advice")}
	before := built.server.Reviews()
	var files atomic.Int64
	t.Run("rules", func(t *testing.T) { // returns when they all have
		for _, rule := range catalogue.All.Rules() {
			if rule.Group == rules.Files {
				continue // TestUnknownFields
			}
			t.Run(rule.ID, func(t *testing.T) {
				t.Parallel()
				adviser := built
				if own, err := os.ReadFile("../../rules/catalogue/" + rule.ID + "/policy.yaml"); err == nil {
					name := "advice-" + rule.ID
					adviser.server = servePolicy(t, name, string(own)+"mode: warn\nfixes: false\n")
					adviser.namespace = env.Namespace(t, name)
				}
				n := adviser.check(t, rule)
				if adviser == built {
					files.Add(int64(n))
				}
			})
		}
	})
	if seen := int64(built.server.Reviews() - before); seen < files.Load() {
		t.Errorf("podvet saw only %d reviews of %d files", seen, files.Load())
	}
}

// TestUnknownFields: what podvet says of keys that there are not in Kubernetes. kubectl has the API server refuse them,
// by the same key, and without that they are ignored; with the advice followed the object is accepted.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "")
	create := func(file string, args ...string) (stderr string, ok bool) {
		_, stderr, ok = env.Kubectl(t, ns, "", append(args, "create", "--dry-run=server", "-f", file)...)
		return stderr, ok
	}
	key := regexp.MustCompile(`(?m)^# want: .* has no field ([^ ]+), `)
	for _, file := range fixtures(t, "unknown-field", "bad") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		refusal, ok := create(file)
		if ok {
			t.Errorf("%s is accepted", file)
		}
		wants := key.FindAllStringSubmatch(string(text), -1)
		for _, want := range wants {
			if !regexp.MustCompile(`unknown field "[^"]*\b` + regexp.QuoteMeta(want[1]) + `"`).MatchString(refusal) {
				t.Errorf("%s: %s is not why it is refused: %s", file, want[1], refusal)
			}
		}
		if len(wants) == 0 {
			t.Errorf("%s: podvet names no key", file)
		}
		if stderr, _ := create(file, "--validate=ignore"); strings.Contains(stderr, "unknown field") {
			t.Errorf("%s: the keys are not ignored: %s", file, stderr)
		}
		if stderr, ok := create(strings.Replace(file, "/bad", "/good", 1)); !ok {
			t.Errorf("%s with podvet's advice followed: %s", file, stderr)
		}
	}
}

// adviser is a podvet with a policy, and a namespace whose objects it judges.
type adviser struct {
	server    *podvet.Server
	namespace string
}

// check creates a rule's fixtures and returns how many there are.
func (a adviser) check(t *testing.T, rule *rules.Rule) int {
	t.Helper()
	bad := fixtures(t, rule.ID, "bad")
	for _, file := range bad {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var wants []string
		for line := range strings.Lines(string(text)) {
			if want, ok := strings.CutPrefix(line, "# want: "); ok {
				wants = append(wants, strings.TrimSpace(want))
			}
		}
		if diff := cmp.Diff(wants, a.findings(t, file, rule)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	silent := slices.Concat(fixtures(t, rule.ID, "good"), fixtures(t, rule.ID, "look-alike"))
	for _, file := range silent {
		if found := a.findings(t, file, rule); len(found) > 0 {
			t.Errorf("%s: %q", file, found)
		}
	}
	if len(bad) == 0 || len(silent) <= len(bad) {
		t.Errorf("%d bad fixtures, %d that must not be found", len(bad), len(silent))
	}
	return len(bad) + len(silent)
}

// findings is what a user sees of one rule when the API server accepts a file.
func (a adviser) findings(t *testing.T, file string, rule *rules.Rule) []string {
	t.Helper()
	manifest, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	warnings, err := env.Try(t.Context(), a.namespace, manifest)
	if err != nil {
		t.Errorf("the API server refuses %s: %v", file, err)
	}
	var lines []string
	for _, warning := range warnings {
		text, ok := strings.CutPrefix(warning, "podvet: ")
		if ok && strings.HasSuffix(text, "["+rule.ID+"]") {
			lines = append(lines, text)
		}
	}
	return lines
}

// TestFixesAreAccepted: the API server stores what each fixture's fix says, pods and templates alike.
func TestFixesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, rule := range catalogue.All.Rules() {
		if !rule.HasFix() {
			continue
		}
		t.Run(rule.ID, func(t *testing.T) {
			checked := 0
			text := `
apiVersion: podvet.dev/v1alpha1
kind: Policy
profile: strict
mode: warn
rules: {` + rule.ID + `: {fix: true}}
`
			if own, err := os.ReadFile("../../rules/catalogue/" + rule.ID + "/policy.yaml"); err == nil {
				text = string(own) + "mode: warn\n"
			}
			for _, other := range catalogue.All.Rules() { // only this one's
				if other.HasFix() && other != rule && other.FixByDefault {
					text = strings.Replace(text, "rules: {", "rules: {"+other.ID+": {fix: false}, ", 1)
					text = strings.Replace(text, "rules:\n", "rules:\n  "+other.ID+": {fix: false}\n", 1)
				}
			}
			p := servePolicy(t, rule.ID, text)
			ns := env.Namespace(t, rule.ID)
			for _, file := range fixtures(t, rule.ID, "bad") {
				fixedFile := strings.TrimSuffix(file, ".yaml") + ".fixed.yaml"
				if _, err := os.Stat(fixedFile); err != nil {
					continue
				}
				stored, wanted := storedPod(t, ns, readPod(t, file)), readPod(t, fixedFile)
				if !strings.Contains(stored.Annotations[rules.FixedAnnotation], rule.ID+"/") {
					t.Errorf("%s: annotation %q", file, stored.Annotations[rules.FixedAnnotation])
				}
				secondPassChangesNothing(t, p, stored)
				pod.Default(wanted)
				if diff := cmp.Diff(judged(wanted), judged(stored)); diff != "" {
					t.Errorf("%s (-fixed file +stored):\n%s", file, diff)
				}
				checked++
			}
			if checked == 0 {
				t.Error("no bad fixture has a fixed one")
			}
		})
	}
}

// TestFixesOfRandomPods: of random pods with every fix turned on, the API server accepts as many as without podvet,
// and a second pass leaves them as they are.
func TestFixesOfRandomPods(t *testing.T) {
	t.Parallel()
	const pods, label = 300, "random"
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}}
	generator := randpod.New(21)
	generator.Valid = true
	for i := range pods {
		p := generator.Pod()
		p.Name, p.GenerateName, p.Namespace, p.Labels = "", "p-", "", map[string]string{label: strconv.Itoa(i)}
		p.Annotations = nil
		list.Items = append(list.Items, *p)
	}
	create := func(ns string) map[string]*corev1.Pod { // by label; some are invalid
		text := string(env.JSON(list))
		out, said, _ := env.Kubectl(t, ns, text, "create", "--dry-run=server", "-o", "json", "-f", "-")
		accepted := map[string]*corev1.Pod{}
		for decoder := json.NewDecoder(strings.NewReader(out)); decoder.More(); {
			p := &corev1.Pod{}
			if err := decoder.Decode(p); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			accepted[p.Labels[label]] = p
		}
		return accepted
	}
	p := servePolicy(t, label, randpod.EveryFix(catalogue.All)+"mode: warn\n")
	plain, fixed := create(env.Namespace(t, "")), create(env.Namespace(t, label))
	changed := 0
	for i := range plain {
		stored := fixed[i]
		if stored == nil {
			t.Errorf("with its fixes the API server refuses %s", env.JSON(plain[i].Spec))
			continue
		}
		if stored.Annotations[rules.FixedAnnotation] != "" {
			changed++
		}
		secondPassChangesNothing(t, p, stored)
	}
	if len(plain) < pods/2 || changed < pods/4 || len(fixed) != len(plain) {
		t.Errorf("of %d pods %d are valid, %d with fixes, %d of them changed", pods, len(plain), len(fixed), changed)
	}
}

// servePolicy starts a podvet of its own with a policy and registers it under a name.
func servePolicy(t *testing.T, name, text string) *podvet.Server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := podvet.Serve(t.Context(), env.Binary, dir, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	if err := register(t.Context(), name, p, "Fail"); err != nil {
		t.Fatal(err)
	}
	return p
}

func fixtures(t *testing.T, rule, prefix string) []string {
	t.Helper()
	all, err := filepath.Glob("../../rules/catalogue/" + rule + "/" + prefix + "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(file string) bool { return strings.HasSuffix(file, ".fixed.yaml") })
}

// readPod reads a pod, or the pod that a workload's controller would make.
func readPod(t *testing.T, file string) *corev1.Pod {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(text, &kind); err != nil {
		t.Fatal(err)
	}
	obj := pod.NewObject(kind.APIVersion, kind.Kind)
	if err := yaml.UnmarshalStrict(text, obj); err != nil {
		t.Fatal(err)
	}
	subject, _ := pod.SubjectOf(obj)
	made := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: *subject.Meta.DeepCopy(),
		Spec:       *subject.Spec.DeepCopy(),
	}
	made.Name, made.GenerateName = "", "p-"
	if subject.Template {
		made.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: kind.APIVersion,
			Kind:       kind.Kind,
			Name:       obj.GetName(),
			UID:        "0f0ac04a-5a6e-4b3e-9c0e-000000000001",
			Controller: new(true),
		}}
	}
	return made
}

// storedPod creates the pod and returns it as the API server stored it.
func storedPod(t *testing.T, ns string, p *corev1.Pod) *corev1.Pod {
	t.Helper()
	client, err := kubernetes.NewForConfig(env.API.Config)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := client.CoreV1().Pods(ns).Create(t.Context(), p, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stored.TypeMeta = p.TypeMeta
	return stored
}

// judged is what fixes may change.
func judged(p *corev1.Pod) any {
	type container struct {
		Name                         string
		Liveness, Readiness, Startup *corev1.Probe
		Lifecycle                    *corev1.Lifecycle
	}
	list := []any{p.Spec.TerminationGracePeriodSeconds}
	for _, containers := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for _, c := range containers {
			list = append(list, container{c.Name, c.LivenessProbe, c.ReadinessProbe, c.StartupProbe, c.Lifecycle})
		}
	}
	return list
}
