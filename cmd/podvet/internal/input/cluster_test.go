package input

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/custom"
)

// server is an API server that serves Pods and ReplicaSets alone, so that only their lists are asked for.
type server struct {
	*http.ServeMux
	t *testing.T
}

func newServer(t *testing.T) server {
	s := server{http.NewServeMux(), t}
	s.answer("/apis", metav1.APIGroupList{Groups: []metav1.APIGroup{{Name: "apps",
		Versions:         []metav1.GroupVersionForDiscovery{{Version: "v1beta9"}, {Version: "v1"}},
		PreferredVersion: metav1.GroupVersionForDiscovery{Version: "v1beta9"}}}})
	s.answer("/api/v1", metav1.APIResourceList{APIResources: []metav1.APIResource{
		{Name: "pods/eviction", Kind: "Pod", Namespaced: true, Verbs: metav1.Verbs{"list"}},
		{Name: "pods", Kind: "Pod", Namespaced: true, Verbs: metav1.Verbs{"get", "list"}},
		{Name: "replicationcontrollers", Kind: "ReplicationController", Verbs: metav1.Verbs{"get"}}}})
	s.answer("/apis/apps/v1", metav1.APIResourceList{APIResources: []metav1.APIResource{
		{Name: "replicasets", Kind: "ReplicaSet", Namespaced: true, Verbs: metav1.Verbs{"list"}}}})
	s.says("/api/v1/namespaces", http.StatusOK, `{"kind":"NamespaceList","metadata":{},"items":[
		{"metadata":{"name":"shop","labels":{"team":"a"},"managedFields":[{}]}}]}`)
	s.says("/apis/apps/v1/replicasets", http.StatusOK, `{"items":null}`)
	return s
}

func (s server) answer(path string, with any) {
	text, err := json.Marshal(with)
	if err != nil {
		s.t.Fatal(err)
	}
	s.says(path, http.StatusOK, string(text))
}

func (s server) says(path string, status int, text string) {
	s.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { write(w, status, text) })
}

func write(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// failed is an API server's answer to a request that failed.
func failed(status int, reason metav1.StatusReason, message string) string {
	text, _ := json.Marshal(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status: metav1.StatusFailure, Code: int32(status), Reason: reason, Message: message})
	return string(text)
}

// read is what is handed on of a cluster: chunks by their file, with their text, then what is skipped, and problems.
func (s server) read(namespace string) (chunks []stream.Chunk, said []string, found manifest.Namespaces) {
	s.t.Helper()
	web := httptest.NewServer(s)
	defer web.Close()
	client := kubernetes.NewForConfigOrDie(&rest.Config{Host: web.URL, QPS: -1})
	c, found, err := ReadCluster(s.t.Context(), client.CoreV1().RESTClient(), namespace)
	if err != nil {
		return nil, []string{err.Error()}, found
	}
	c.Objects(s.t.Context(), nil, vet.Input{
		Chunk:   func(chunk stream.Chunk) { chunks = append(chunks, chunk) },
		Skipped: func(file, kind, reason string) { said = append(said, file+" "+kind+" "+reason) },
		Problem: func(p manifest.Problem) { said = append(said, p.Error()) },
	})
	return chunks, said, found
}

// pods are a page of a list, from one pod to the one before another.
func pods(from, to int, next string) string {
	list := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf(`{"metadata":{"name":"p%d","namespace":"shop","managedFields":[{"f":"x"}],`+
			`"labels":{"managedFields":"x"}},"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Failed"}}`, i))
	}
	return fmt.Sprintf(`{"kind":"PodList","apiVersion":"v1","metadata":{"continue":%q},"items":[%s]}`,
		next, strings.Join(list, ","))
}

func names(chunks []stream.Chunk) (list []string) {
	for _, c := range chunks {
		list = append(list, c.File)
	}
	return list
}

const namespaceSkipped = "Namespace/shop Namespace not a workload"

// TestPages: a list is read page by page, and what is handed on of an object is what rules are about.
func TestPages(t *testing.T) {
	s := newServer(t)
	s.HandleFunc("GET /api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
		if got := r.FormValue("limit"); got != strconv.Itoa(pageSize) {
			t.Errorf("limit %q", got)
		}
		switch r.FormValue("continue") {
		case "":
			write(w, http.StatusOK, pods(0, 2, "second"))
		case "second":
			write(w, http.StatusOK, pods(2, 3, ""))
		}
	})
	chunks, said, found := s.read("")
	if want := []string{"Pod/shop/p0", "Pod/shop/p1", "Pod/shop/p2"}; !slices.Equal(names(chunks), want) {
		t.Errorf("%q", names(chunks))
	}
	if !slices.Equal(said, []string{namespaceSkipped}) || found.Labels("shop")["team"] != "a" {
		t.Errorf("%q, labels %v", said, found.Labels("shop"))
	}
	docs, problems := manifest.Parse(chunks[0])
	if len(docs) != 1 || len(problems) > 0 || docs[0].Title() != "Pod p0" || docs[0].Line != 0 ||
		docs[0].Namespace() != "shop" || docs[0].Object == nil {
		t.Fatalf("%+v, %v", docs, problems)
	}
	if text := string(chunks[0].Text); text != `{"metadata":{"namespace":"shop","name":"p0",`+
		`"labels":{"managedFields":"x"}},"spec":{"containers":[{"name":"c"}]}}` {
		t.Errorf("%s", text)
	}
}

// TestExpired: a list that the API server no longer knows is read again, and each object is handed on once.
func TestExpired(t *testing.T) {
	for _, c := range []struct {
		expires int // times
		want    []string
	}{
		{1, []string{namespaceSkipped}},
		{maxRestarts + 1, []string{namespaceSkipped, "pods: cannot be listed because the answer was HTTP status 410. " +
			"They are missing from the counts."}},
	} {
		s := newServer(t)
		asked := 0
		s.HandleFunc("GET /api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("continue") == "" {
				write(w, http.StatusOK, pods(0, 2, "second"))
				return
			}
			if asked++; asked <= c.expires {
				write(w, http.StatusGone, failed(http.StatusGone, metav1.StatusReasonExpired, "too old"))
				return
			}
			write(w, http.StatusOK, pods(1, 4, ""))
		})
		chunks, said, _ := s.read("")
		want := []string{"Pod/shop/p0", "Pod/shop/p1", "Pod/shop/p2", "Pod/shop/p3"}
		if c.expires > maxRestarts {
			want = want[:2]
		}
		if !slices.Equal(names(chunks), want) || !slices.Equal(said, c.want) {
			t.Errorf("%d: %q, %q", c.expires, names(chunks), said)
		}
	}
}

// TestUnreadable: what a server answers in place of a list is said in other words than its own.
func TestUnreadable(t *testing.T) {
	const missing = ". They are missing from the counts."
	for text, want := range map[string]string{
		`{"kind":"PodList","items":[{"metadata":{"name":"p0","namespace":"shop"}},{"meta`: "the connection was cut",
		`<html>` + "\x1b[31m":                    "the answer is not what an API server sends",
		`["\u001b[31m"]`:                         "the answer is not what an API server sends",
		`{"kind":"Status"}`:                      "the answer is not what an API server sends",
		`{"items":[{"metadata":"\u001b[31m"}]}`:  "the answer is not what an API server sends",
		`{"items":["\u001b[31m"]}`:               "the answer is not what an API server sends",
		`{"metadata":{"continue":3},"items":[]}`: "the answer is not what an API server sends",
	} {
		s := newServer(t)
		s.says("/api/v1/pods", http.StatusOK, text)
		if _, said, _ := s.read(""); !slices.Equal(said,
			[]string{namespaceSkipped, "pods: cannot be listed because " + want + missing}) {
			t.Errorf("%q: %q", text, said)
		}
	}
	for status, want := range map[int]string{
		http.StatusForbidden: "you may not list pods at the cluster scope",
		http.StatusTeapot:    "the answer was HTTP status 418",
	} {
		s := newServer(t)
		s.says("/api/v1/pods", status, failed(status, metav1.StatusReasonUnknown, "\x1b[31m"+
			`User "me" cannot list resource "pods" in API group "" at the cluster scope`))
		if status == http.StatusTeapot {
			s = newServer(t)
			s.says("/api/v1/pods", status, "\x1b[31m")
		}
		if _, said, _ := s.read(""); !slices.Equal(said,
			[]string{namespaceSkipped, "pods: cannot be listed because " + want + missing}) {
			t.Errorf("%d: %q", status, said)
		}
	}
}

// TestUndiscovered: without discovery, and without the right to see namespaces, there is a line each.
func TestUndiscovered(t *testing.T) {
	s := server{http.NewServeMux(), t}
	s.says("/apis", http.StatusServiceUnavailable, "\x1b[31m")
	s.says("/api/v1/namespaces", http.StatusForbidden, failed(http.StatusForbidden, metav1.StatusReasonForbidden,
		`User "me" cannot list resource "namespaces" in API group "" at the cluster scope`))
	if _, said, _ := s.read(""); !slices.Equal(said, []string{
		"namespaces: cannot be listed because you may not list namespaces at the cluster scope. " +
			"Policies cannot tell them by their labels.",
		"/apis: cannot be read because what answers there is starting, or has too much to do. " +
			"The kinds in it are missing from the counts."}) {
		t.Errorf("%q", said)
	}
}

// TestOneNamespace: nothing outside of it is asked for, and one that does not exist is a mistake.
func TestOneNamespace(t *testing.T) {
	s := newServer(t)
	s.says("/api/v1/namespaces/shop", http.StatusOK, `{"metadata":{"name":"shop","labels":{"team":"b"}}}`)
	s.says("/api/v1/namespaces/shop/pods", http.StatusOK, pods(0, 1, ""))
	s.says("/apis/apps/v1/namespaces/shop/replicasets", http.StatusOK, `{"items":[]}`)
	chunks, said, found := s.read("shop")
	if !slices.Equal(names(chunks), []string{"Pod/shop/p0"}) || !slices.Equal(said, []string{namespaceSkipped}) ||
		found.Labels("shop")["team"] != "b" {
		t.Errorf("%q, %q, %v", names(chunks), said, found.Labels("shop"))
	}
	s.says("/api/v1/namespaces/nowhere", http.StatusNotFound,
		failed(http.StatusNotFound, metav1.StatusReasonNotFound, ""))
	if _, said, _ := s.read("nowhere"); !slices.Equal(said,
		[]string{`there is no namespace "nowhere": kubectl get namespaces lists them`}) {
		t.Errorf("%q", said)
	}
}

// TestOldReplicaSets are those that an owner has scaled to 0; one that is on its own is a workload like others.
func TestOldReplicaSets(t *testing.T) {
	s := newServer(t)
	const set = `{"metadata":{"name":%q,"namespace":"shop","ownerReferences":[%s]},"spec":{"replicas":%d}}`
	const owner = `{"apiVersion":"apps/v1","kind":"Deployment","name":"web","controller":true}`
	mux := server{http.NewServeMux(), t}
	mux.Handle("/", s)
	mux.says("/apis/apps/v1/replicasets", http.StatusOK, `{"items":[`+strings.Join([]string{
		fmt.Sprintf(set, "old", owner, 0), fmt.Sprintf(set, "now", owner, 1), fmt.Sprintf(set, "alone", "", 0),
		fmt.Sprintf(set, "kept", `{"kind":"ConfigMap","name":"x"}`, 0)}, ",")+`]}`)
	mux.says("/api/v1/pods", http.StatusOK, `{"items":[]}`)
	chunks, said, _ := mux.read("")
	if want := []string{"ReplicaSet/shop/now", "ReplicaSet/shop/alone", "ReplicaSet/shop/kept"}; !slices.Equal(
		names(chunks), want) {
		t.Errorf("%q", names(chunks))
	}
	want := []string{namespaceSkipped, "ReplicaSet/shop/old ReplicaSet old, scaled to 0"}
	if !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
}

// TestServed: a kind is listed in a version that is wanted and served, the preferred one where any is wanted.
func TestServed(t *testing.T) {
	s := server{http.NewServeMux(), t}
	group := metav1.APIGroup{Name: "example.com", Versions: []metav1.GroupVersionForDiscovery{
		{Version: "v1alpha1"}, {Version: "v1"}}, PreferredVersion: metav1.GroupVersionForDiscovery{Version: "v1"}}
	s.answer("/apis", metav1.APIGroupList{Groups: []metav1.APIGroup{group}})
	for _, version := range []string{"v1alpha1", "v1"} {
		s.answer("/apis/example.com/"+version, metav1.APIResourceList{APIResources: []metav1.APIResource{
			{Name: "shops", Kind: "Shop", Namespaced: true, Verbs: metav1.Verbs{"list"}}}})
	}
	web := httptest.NewServer(s)
	defer web.Close()
	c := api{kubernetes.NewForConfigOrDie(&rest.Config{Host: web.URL}).CoreV1().RESTClient()}
	for _, test := range []struct {
		versions []string
		want     string
	}{
		{nil, "example.com/v1"}, {[]string{"v1alpha1"}, "example.com/v1alpha1"}, {[]string{"v2"}, ""},
	} {
		found := c.served(t.Context(), []wanted{{"example.com", "Shop", test.versions},
			{"example.com", "Shop", test.versions}, {"gone.example", "Shop", nil}},
			func(what string, err error) { t.Errorf("%s: %v", what, err) })
		if len(found) > 1 || (len(found) == 1) != (test.want != "") || len(found) == 1 &&
			found[0].apiVersion != test.want {
			t.Errorf("%v: %+v, want %q", test.versions, found, test.want)
		}
	}
}

// TestWantedKinds: custom resources are listed before the pods, and no version that Kubernetes has no longer. Those of
// a policy are listed in the version that it names, also where the table has the kind.
func TestWantedKinds(t *testing.T) {
	list := wantedKinds([]custom.Entry{{APIVersion: "example.com/v1", Kind: "Shop"},
		{APIVersion: "argoproj.io/v2", Kind: "Rollout"}})
	has := func(group, kind string) bool {
		return slices.ContainsFunc(list, func(w wanted) bool { return w.group == group && w.kind == kind })
	}
	if !has("argoproj.io", "Rollout") || !has("ray.io", "RayCluster") || !has("apps", "Deployment") {
		t.Errorf("%v", list)
	}
	if has("extensions", "Deployment") || list[len(list)-1].kind != "Pod" {
		t.Errorf("%v", list)
	}
	first := func(kind string) []string {
		return list[slices.IndexFunc(list, func(w wanted) bool { return w.kind == kind })].versions
	}
	if !has("example.com", "Shop") || !slices.Equal(first("Shop"), []string{"v1"}) ||
		!slices.Equal(first("Rollout"), []string{"v2"}) {
		t.Errorf("%v", list)
	}
}
