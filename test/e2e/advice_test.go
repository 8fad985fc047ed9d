package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
)

// advicePolicy shows every finding as a warning and repairs nothing. Its parameters are those of the
// policies in the rules' folders.
const advicePolicy = `
apiVersion: podvet.dev/v1alpha1
kind: Policy
profile: strict
mode: warn
fixes: false
injectedContainers: []
rules:
  restart-policy-not-allowed: {params: {allowed: {Pod: [Always], Job: [Never], CronJob: [Never], Workflow: [OnFailure, Never]}}}
`

// TestAdviceWorks: every bad fixture is accepted by the API server and drawn the words it promises; the good
// one, which is the bad one with the advice followed, is accepted too and the rule no longer finds it.
func TestAdviceWorks(t *testing.T) {
	t.Parallel()
	p := servePolicy(t, "advice", advicePolicy)
	ns := namespace(t, "advice")
	create := func(t *testing.T, file string) []string {
		t.Helper()
		_, stderr, ok := kubectl(t, ns, "", "create", "--dry-run=server", "-f", file)
		if !ok {
			t.Fatalf("the API server refuses %s: %s", file, stderr)
		}
		var lines []string
		for line := range strings.Lines(stderr) {
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), "Warning: "); ok {
				lines = append(lines, text)
			}
		}
		return lines
	}
	before := p.Reviews()
	files := 0
	for _, rule := range rules.Catalogue() {
		t.Run(rule.ID, func(t *testing.T) {
			for _, file := range fixtures(t, rule.ID, "bad") {
				files++
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				of := func(lines []string) []string {
					return slices.DeleteFunc(lines, func(line string) bool { return !strings.HasSuffix(line, "["+rule.ID+"]") })
				}
				var wants []string
				for line := range strings.Lines(string(text)) {
					if want, ok := strings.CutPrefix(line, "# want: "); ok {
						wants = append(wants, strings.TrimSpace(want))
					}
				}
				if diff := cmp.Diff(wants, of(create(t, file))); diff != "" {
					t.Errorf("%s (-want +got):\n%s", file, diff)
				}
				good := strings.Replace(file, "/bad", "/good", 1)
				if lines := of(create(t, good)); len(lines) > 0 {
					t.Errorf("%s: %q", good, lines)
				}
			}
		})
	}
	if seen := p.Reviews() - before; seen < 2*files {
		t.Errorf("podvet saw only %d reviews of %d files", seen, 2*files)
	}
}

// TestFixesAreAccepted: the API server stores what each fixture's fix says, pods and templates alike.
func TestFixesAreAccepted(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, rule := range rules.Catalogue() {
		if !rule.HasFix() {
			continue
		}
		t.Run(rule.ID, func(t *testing.T) {
			text := "apiVersion: podvet.dev/v1alpha1\nkind: Policy\nprofile: strict\nmode: warn\nrules: {" + rule.ID + ": {fix: true}}\n"
			if own, err := os.ReadFile("../../rules/catalogue/" + rule.ID + "/policy.yaml"); err == nil {
				text = string(own) + "mode: warn\n"
			}
			for _, other := range rules.Catalogue() { // only this one's
				if other.HasFix() && other != rule && other.FixByDefault {
					text = strings.Replace(text, "rules: {", "rules: {"+other.ID+": {fix: false}, ", 1)
					text = strings.Replace(text, "rules:\n", "rules:\n  "+other.ID+": {fix: false}\n", 1)
				}
			}
			p := servePolicy(t, rule.ID, text)
			ns := namespace(t, rule.ID)
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
				rules.Default(wanted)
				if diff := cmp.Diff(judged(wanted), judged(stored)); diff != "" {
					t.Errorf("%s (-fixed file +stored):\n%s", file, diff)
				}
				checked++
			}
		})
	}
	if checked < 5 {
		t.Errorf("only %d fixtures", checked)
	}
}

// servePolicy starts a podvet of its own with a policy and registers it under a name.
func servePolicy(t *testing.T, name, text string) *Podvet {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Serve(t.Context(), binary, dir, file)
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
	obj := rules.NewObject(kind.APIVersion, kind.Kind)
	if err := yaml.UnmarshalStrict(text, obj); err != nil {
		t.Fatal(err)
	}
	subject, _ := rules.SubjectOf(obj)
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: *subject.Meta.DeepCopy(), Spec: *subject.Spec.DeepCopy()}
	pod.Name, pod.GenerateName = "", "p-"
	if subject.Template {
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: kind.APIVersion, Kind: kind.Kind, Name: obj.GetName(), UID: "0f0ac04a-5a6e-4b3e-9c0e-000000000001", Controller: new(true)}}
	}
	return pod
}

// storedPod creates the pod and returns it as the API server stored it.
func storedPod(t *testing.T, ns string, p *corev1.Pod) *corev1.Pod {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := must(t, ns, string(text), "create", "-o", "json", "-f", "-")
	stored := &corev1.Pod{}
	if err := json.Unmarshal([]byte(out), stored); err != nil {
		t.Fatal(err)
	}
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
