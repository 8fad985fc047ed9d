package live

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/stream"
)

func TestOwnerOf(t *testing.T) {
	controller := true
	for _, c := range []struct{ kind, name, label, hash, want string }{
		{"", "", "", "", "Pod/p"},
		{"ReplicaSet", "web-5d4f", deploymentHash, "5d4f", "Deployment/web"},
		{"ReplicaSet", "web-5d4f", rolloutHash, "5d4f", "Rollout/web"},
		{"ReplicaSet", "web-5d4f", "app", "web", "ReplicaSet/web-5d4f"},
		{"Job", "nightly-29381750", "", "", "CronJob/nightly"},
		{"Job", "import-2024", "", "", "Job/import-2024"},
		{"StatefulSet", "db", "", "", "StatefulSet/db"},
	} {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: map[string]string{c.label: c.hash}}}
		if c.kind != "" {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: c.kind, Name: c.name, Controller: &controller}}
		}
		kind, name := OwnerOf(p)
		if got := kind + "/" + name; got != c.want {
			t.Errorf("pod of %s %s: got %s, want %s", c.kind, c.name, got, c.want)
		}
		named, err := ParseName(c.want)
		if err != nil || !named.Owns(p) {
			t.Errorf("%s: %v, and owns the pod: %t", c.want, err, named.Owns(p))
		}
	}
}

func TestParseName(t *testing.T) {
	for text, want := range map[string]Named{
		"web": {"Pod", "web"}, "pod/web": {"Pod", "web"}, "po/web": {"Pod", "web"}, "deploy/web": {"Deployment", "web"},
		"deployments.apps/web": {"Deployment", "web"}, "STS/db": {"StatefulSet", "db"}, "cj/n": {"CronJob", "n"},
		"rollouts/web": {"rollouts", "web"},
	} {
		if got, err := ParseName(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "/web", "deploy/", "a/b/c"} {
		if got, err := ParseName(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestRead(t *testing.T) {
	var found Objects
	var problems []string
	Read("pods", strings.NewReader(`{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}},
{"apiVersion":"v1","kind":"Event","metadata":{"name":"e"},"message":"old","count":3},
{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"n"},"note":"new","deprecatedCount":4,
 "regarding":{"name":"a"},"series":{"count":7,"lastObservedTime":"2026-01-01T00:00:00.000000Z"}},
{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"}},
{"apiVersion":"v1","kind":"Service","metadata":{"name":"web"}}]}
`), &found, func(p stream.Problem) { problems = append(problems, p.Error()) })
	Read("more", strings.NewReader(`apiVersion: v1
kind: PodList
items:
- {metadata: {name: b}}
---
kind: Pod
apiVersion: v1
metadata: {name: c}
status: {phase: {}}
---
a: b
`), &found, func(p stream.Problem) { problems = append(problems, p.Error()) })
	var names []string
	for _, p := range found.Pods {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "a b" {
		t.Errorf("pods %s", got)
	}
	if len(found.Events) != 2 || found.Events[0].Message != "old" || found.Events[1].Message != "new" ||
		found.Events[1].InvolvedObject.Name != "a" || found.Events[1].Count != 4 || found.Events[1].Series.Count != 7 {
		t.Errorf("events %+v", found.Events)
	}
	if len(found.Workloads) != 1 || found.Workloads[0].GetName() != "web" {
		t.Errorf("workloads %v", found.Workloads)
	}
	want := "more:5: is not a valid Pod: write what kubectl get -o json prints\n" +
		"more:10: is not a Kubernetes object: write what kubectl get -o json prints"
	if got := strings.Join(problems, "\n"); got != want {
		t.Errorf("problems\n%s\nwant\n%s", got, want)
	}
}
