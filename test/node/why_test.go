package node

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/test/cluster"
)

var update = flag.Bool("update", false, "write what the pods of TestWhy looked like as the test data of podvet why")

const (
	recorded = "../../cmd/podvet/internal/why/testdata"

	sickAfter    = 30 * time.Second // some pods are deleted
	lookedAtFrom = 80 * time.Second // all have had the time to be sick: three restarts with back-off
)

// TestWhy: podvet why finds out what is wrong with pods on a node, and says nothing of those that are well.
func TestWhy(t *testing.T) {
	t.Parallel()
	share(t, manyPods)
	ns := namespace(t, shared)
	var manifests strings.Builder
	for _, p := range patients {
		text := strings.NewReplacer("IMAGE", lifeImage, "SHELL", lifeShell, "FILES", lifeFiles,
			"PROBE", proxyProbes[p.name]).Replace(p.manifest)
		manifests.WriteString(form{manifest: text}.render(p.name, ""))
	}
	kubectl(t, shared, manifests.String(), "apply", "-n", ns, "-f", "-")
	began := time.Now()
	time.Sleep(time.Until(began.Add(sickAfter)))
	for _, p := range patients {
		if p.deleted {
			kubectl(t, shared, "", "wait", "pod/"+p.name, "-n", ns, "--for=condition=Ready", inTime)
			kubectl(t, shared, "", "delete", "pod", p.name, "-n", ns, "--wait=false")
		}
	}
	t.Cleanup(func() { // or the namespace would stay
		_, _ = shared.Kubectl(t.Context(), "", "patch", "pod", "finalizer", "-n", ns, "--type=merge",
			"-p", `{"metadata":{"finalizers":null}}`)
	})
	time.Sleep(time.Until(began.Add(lookedAtFrom)))
	look := newLooker(t, ns)
	for _, p := range patients {
		t.Run(p.name, func(t *testing.T) {
			eventually(t, func() error { return p.diagnose(t, look) })
			if *update {
				p.record(t, ns)
			}
		})
	}
	look.wantRights(t)
}

// looker runs podvet why with the rights that its page names.
type looker struct {
	podvet, namespace, kubeconfig string
	role                          rbacv1.ClusterRole
}

func newLooker(t *testing.T, ns string) *looker {
	t.Helper()
	l := &looker{namespace: ns, kubeconfig: "/run/node/why.kubeconfig"}
	var err error
	if l.podvet, err = podvetCommand(); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/why.md")
	if err != nil {
		t.Fatal(err)
	}
	_, role, _ := strings.Cut(string(page), "```yaml\n")
	role, _, _ = strings.Cut(role, "```")
	if err := yaml.Unmarshal([]byte(role), &l.role); err != nil || len(l.role.Rules) == 0 {
		t.Fatalf("docs/why.md has no role: %v", err)
	}
	kubectl(t, shared, role, "apply", "-f", "-")
	kubectl(t, shared, "", "create", "serviceaccount", "why", "-n", ns)
	kubectl(t, shared, "", "create", "rolebinding", "why", "-n", ns, "--clusterrole="+l.role.Name,
		"--serviceaccount="+ns+":why")
	token := strings.TrimSpace(kubectl(t, shared, "", "create", "token", "why", "-n", ns))
	out, err := shared.Command(t.Context(), "sh", "-c", `cp $KUBECONFIG $1 && export KUBECONFIG=$1 &&
kubectl config set-credentials why --token=$2 && kubectl config set-context --current --user=why --namespace=$3`,
		"sh", l.kubeconfig, token, ns).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return l
}

// why runs podvet why. The error is nil where nothing is wrong.
func (l *looker) why(t *testing.T, asked string) (stdout []byte, err error) {
	t.Helper()
	return shared.Command(t.Context(), l.podvet, "why", asked, "-o", "json", "--kubeconfig="+l.kubeconfig).Output()
}

// wantRights compares the rights that the page names with those that were used.
func (l *looker) wantRights(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"rs", "sts", "ds", "rc", "cj"} {
		var exit *exec.ExitError
		if _, err := l.why(t, kind+"/none"); !errors.As(err, &exit) || exit.ExitCode() != 2 ||
			!strings.Contains(string(exit.Stderr), "there is no ") {
			t.Errorf("podvet why %s/none: %v", kind, err)
		}
	}
	granted, wrong, err := cluster.Rights(l.role.Rules, filepath.Join(shared.Logs, "audit.log"),
		"system:serviceaccount:"+l.namespace+":why")
	if err != nil || len(wrong) > 0 || len(granted) < 10 {
		t.Errorf("%v; of %d rights %q", err, len(granted), wrong)
	}
}

// diagnose compares what podvet why says with what is wrong. The error is of what it does not say yet: a crowded
// machine is late with restarts.
func (p patient) diagnose(t *testing.T, l *looker) error {
	asked := cmp.Or(p.asked, p.name)
	out, err := l.why(t, asked)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("podvet why %s: %v: %s", asked, err, exit.Stderr)
	}
	var said struct{ Subjects []struct{ Diagnoses []why } }
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, subject := range said.Subjects {
		for _, d := range subject.Diagnoses {
			if d.Wrong && !slices.Contains(ids, d.ID) {
				ids = append(ids, d.ID)
			}
		}
	}
	want := strings.Fields(p.first + " " + p.also)
	if said := len(ids) > 0; said != (err != nil) {
		t.Fatalf("podvet why %s: %v, and it says %q", asked, err, ids)
	}
	for _, id := range ids {
		if !slices.Contains(want, id) {
			t.Fatalf("podvet why says %q, and it is %q\n%s", ids, want, out)
		}
	}
	if !slices.Equal(ids, want) {
		return fmt.Errorf("podvet why says %q, and it is %q: %s", ids, want, out)
	}
	return nil
}

// why is a diagnosis in podvet's JSON.
type why struct {
	ID    string
	Wrong bool
}

// record writes the patient as podvet why -f reads it.
func (p patient) record(t *testing.T, ns string) {
	list := map[string]any{"apiVersion": "v1", "kind": "List"}
	var items []any
	add := func(args ...string) {
		var found struct{ Items []map[string]any }
		out := kubectl(t, shared, "", append(args, "-n", ns, "-o", "json")...)
		if err := json.Unmarshal([]byte(out), &found); err != nil {
			t.Fatal(err)
		}
		for _, item := range found.Items {
			delete(item["metadata"].(map[string]any), "managedFields")
			items = append(items, item)
		}
	}
	names := map[string]bool{p.name: true}
	add("get", "pods", "-l", "app="+p.name)
	for _, kind := range []string{"deployments", "replicasets", "jobs"} {
		add("get", kind, "--field-selector", "metadata.name="+p.name)
	}
	for _, item := range items {
		names[item.(map[string]any)["metadata"].(map[string]any)["name"].(string)] = true
	}
	for name := range names {
		add("get", "events", "--field-selector", "involvedObject.name="+name)
	}
	list["items"] = items
	list["podvetTestTime"] = metav1.Now().UTC().Format(time.RFC3339)
	text, err := json.MarshalIndent(list, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(recorded, p.name+".json"), append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("record %s: %w", p.name, err))
	}
}
