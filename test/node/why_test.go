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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	look := newLooker(t, ns, "why")
	for _, p := range patients {
		t.Run(p.name, func(t *testing.T) {
			eventually(t, func() error { return p.diagnose(t, look) })
			if *update {
				p.record(t, ns)
			}
		})
	}
	for _, kind := range []string{"rs", "sts", "ds", "rc", "cj"} {
		var exit *exec.ExitError
		if _, err := look.run(t, kind+"/none"); !errors.As(err, &exit) || exit.ExitCode() != 2 ||
			!strings.Contains(string(exit.Stderr), "there is no ") {
			t.Errorf("podvet why %s/none: %v", kind, err)
		}
	}
	look.wantRights(t)
}

// diagnose compares what podvet why says with what is wrong. The error is of what it does not say yet: a crowded
// machine is late with restarts.
func (p patient) diagnose(t *testing.T, l *looker) error {
	asked := cmp.Or(p.asked, p.name)
	out, err := l.run(t, asked)
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
	items := list(t, "get", "pods", "-l", "app="+p.name, "-n", ns)
	for _, kind := range []string{"deployments", "replicasets", "jobs"} {
		items = append(items, list(t, "get", kind, "--field-selector", "metadata.name="+p.name, "-n", ns)...)
	}
	names := map[string]bool{p.name: true}
	for _, item := range items {
		names[item["metadata"].(map[string]any)["name"].(string)] = true
	}
	for name := range names {
		items = append(items, list(t, "get", "events", "--field-selector", "involvedObject.name="+name, "-n", ns)...)
	}
	writeList(t, filepath.Join(recorded, p.name+".json"), items)
}

// list are the objects that kubectl gets, without what only the API server needs.
func list(t *testing.T, args ...string) []map[string]any {
	t.Helper()
	var found struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(kubectl(t, shared, "", append(args, "-o", "json")...)), &found); err != nil {
		t.Fatal(err)
	}
	for _, item := range found.Items {
		delete(item["metadata"].(map[string]any), "managedFields")
	}
	return found.Items
}

// writeList writes objects with the time.
func writeList(t *testing.T, file string, items []map[string]any) {
	t.Helper()
	text, err := json.MarshalIndent(map[string]any{"apiVersion": "v1", "kind": "List", "items": items,
		"podvetTestTime": metav1.Now().UTC().Format(time.RFC3339)}, "", " ")
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
