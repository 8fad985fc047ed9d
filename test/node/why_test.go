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
