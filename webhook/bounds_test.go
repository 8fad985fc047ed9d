package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"
)

const megabyte = 1 << 20

// counting is how much was written, and the longest piece of it.
type counting struct {
	bytes.Buffer
	longest int
}

func (c *counting) Write(text []byte) (int, error) {
	c.longest = max(c.longest, len(text))
	return c.Buffer.Write(text)
}

// TestNothingIsEchoedWithoutABound: whatever a caller sends, what podvet answers, logs and has the API server record
// stays short, and holds nothing that changes how the rest is shown.
func TestNothingIsEchoedWithoutABound(t *testing.T) {
	// Each as long as a body may be once it is written as JSON, and longer once it is quoted.
	controls := strings.Repeat("\x7f", 6*megabyte) // quoted as four characters
	letters := strings.Repeat("x", 6*megabyte)
	turned := "a\u202eb\u2066c\u200fd"
	pod := func(edit func(pod, container map[string]any)) []byte {
		container := map[string]any{"name": "app", "image": "i"}
		pod := map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p"}}
		edit(pod, container)
		if pod["spec"] == nil {
			pod["spec"] = map[string]any{"containers": []any{container}}
		}
		text, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	review := func(kind, name, namespace, uid string, object []byte) []byte {
		return fmt.Appendf(nil, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":%s,`+
			`"kind":{"version":"v1","kind":%s},"name":%s,"namespace":%s,"operation":"CREATE","object":%s}}`,
			quoted(uid), quoted(kind), quoted(name), quoted(namespace), object)
	}
	plain := pod(func(_, _ map[string]any) {})
	for name, attack := range map[string]struct {
		body        []byte
		contentType string
	}{
		"kind of the envelope":  {body: fmt.Appendf(nil, `{"apiVersion":"v1","kind":%s}`, quoted(controls))},
		"version of the review": {body: fmt.Appendf(nil, `{"apiVersion":%s,"kind":"k"}`, quoted(letters))},
		"Content-Type":          {body: plain, contentType: "a/" + letters},
		"uid":                   {body: review("Pod", "p", "n", letters, plain)},
		"kind":                  {body: review(controls, "p", "n", "u", []byte("{}"))},
		"kind, with a fault":    {body: review("Pod", letters, controls[:1000], "u", []byte(`1`))},
		"name":                  {body: review("Pod", letters, "n", "u", plain)},
		"namespace":             {body: review("Pod", "p", letters, "u", plain)},
		"turned":                {body: review("Pod", turned, turned, turned, []byte(`1`))},
		"a key":                 {body: fmt.Appendf(nil, `{"request":{"uid":"u","object":{%s:{},"x"`, quoted(letters))},
		"a value that is no map": {body: review("Pod", "p", "n", "u", pod(func(pod, _ map[string]any) {
			pod["metadata"] = map[string]any{"name": "p", "labels": map[string]any{letters: 1}}
		}))},
		"a container's name": {body: review("Pod", "p", "n", "u", pod(func(_, c map[string]any) {
			c["name"] = letters
		}))},
		"a container's name, turned": {body: review("Pod", "p", "n", "u", pod(func(_, c map[string]any) {
			c["name"] = turned + controls[:100]
			c["readinessProbe"] = map[string]any{"exec": map[string]any{"command": []any{turned}}}
		}))},
		"many containers' names": {body: review("Pod", "p", "n", "u", pod(func(pod, _ map[string]any) {
			var all []any
			for range 90 {
				all = append(all, map[string]any{"name": letters[:60_000], "image": "i"})
			}
			pod["spec"] = map[string]any{"containers": all}
		}))},
		"a port's name": {body: review("Pod", "p", "n", "u", pod(func(_, c map[string]any) {
			c["livenessProbe"] = map[string]any{"httpGet": map[string]any{"port": letters}}
		}))},
		"generateName": {body: review("Pod", "", "n", "u", pod(func(pod, _ map[string]any) {
			pod["metadata"] = map[string]any{"generateName": letters}
		}))},
		"an owner's kind": {body: review("Pod", "p", "n", "u", pod(func(pod, _ map[string]any) {
			pod["metadata"] = map[string]any{"name": "p", "ownerReferences": []any{
				map[string]any{"apiVersion": "v1", "kind": letters, "name": turned, "controller": true}}}
		}))},
	} {
		for _, path := range []string{"/mutate", "/validate", "/validate-policy"} {
			h := newTestHandler(t, "mode: warn")
			var log counting
			h.log = slog.New(slog.NewJSONHandler(&log, nil))
			r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(attack.body))
			r.Header.Set("Content-Type", "application/json")
			if attack.contentType != "" {
				r.Header.Set("Content-Type", attack.contentType)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			answer, _ := io.ReadAll(w.Body)
			t.Logf("%s %s: HTTP %d, %d bytes answered, %d logged, the longest line %d", path, name, w.Code,
				len(answer), log.Len(), log.longest)
			if len(answer) > 64<<10 || log.longest > 32<<10 {
				t.Errorf("%s %s: %d bytes answered, %d in one line logged", path, name, len(answer), log.longest)
			}
			for what, text := range map[string]string{"answer": string(answer), "log": log.String()} {
				if at := strings.IndexFunc(text, turns); at >= 0 {
					t.Errorf("%s %s: the %s has %q", path, name, what, text[max(at-20, 0):min(at+20, len(text))])
				}
			}
		}
	}
}

func quoted(text string) []byte {
	written, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return written
}

func turns(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }

// TestFixedIsClean: what an earlier pass is said to have fixed is recorded as it may be shown.
func TestFixedIsClean(t *testing.T) {
	turned := strings.Replace(badPod, "metadata: {", "metadata: {annotations: {podvet.dev/fixed: \"a\\u202eb\"}, ", 1)
	answer := ask(t, newTestHandler(t, ""), "/mutate", reviewOf(t, turned))
	if !bytes.Contains(answer.Patch, []byte(`podvet.dev~1fixed","value":"ab,exec-probe-short-timeout/app,`)) {
		t.Errorf("%s", answer.Patch)
	}
}

// TestPolicyMistakesAreBounded: a refusal of a policy lists mistakes, not all of a megabyte of them.
func TestPolicyMistakesAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("apiVersion: podvet.dev/v1alpha1\nkind: Policy\n")
	fmt.Fprintf(&text, "mode: \"a\\u202eb\"\nprofile: %s\n", strings.Repeat("y", 300_000))
	for i := range 20_000 {
		fmt.Fprintf(&text, "key%d: 1\n", i)
	}
	object := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p"},"data":{"policy.yaml":%s}}`,
		quoted(text.String()))
	w := post(newTestHandler(t, ""), "/validate-policy", reviewOf(t, object))
	t.Logf("%d bytes", w.Body.Len())
	if said := w.Body.String(); w.Code != http.StatusOK || len(said) > 64<<10 || strings.ContainsFunc(said, turns) {
		t.Errorf("HTTP %d, %d bytes: %.300s", w.Code, len(said), said)
	}
}

// TestInventedNamespaces: names that nobody has a namespace of take no place in the metrics, and namespaces that are
// gone leave theirs to others.
func TestInventedNamespaces(t *testing.T) {
	h := newTestHandler(t, "")
	there := map[string]bool{"shop": true}
	cluster := noCluster
	cluster.NamespaceKnown = func(name string) bool { return there[name] }
	h.InCluster(cluster)
	in := func(namespace string) {
		ask(t, h, "/validate", reviewOf(t, badPod, func(r *admissionv1.AdmissionRequest) { r.Namespace = namespace }))
	}
	for i := range maxNamespaces + 10 {
		in(fmt.Sprint("invented-", i))
	}
	in("shop")
	count := func(namespace string) float64 {
		return testutil.ToFloat64(h.metrics.findings.WithLabelValues(namespace, "probe-port-unresolved", "deny",
			"enforce", "pod"))
	}
	if got := count("shop"); got != 1 {
		t.Errorf("%v findings of shop: the invented names have taken its place", got)
	}
	if got := count(otherNamespaces); got != maxNamespaces+10 {
		t.Errorf("%v findings elsewhere", got)
	}

	for i := range maxNamespaces {
		name := fmt.Sprint("gone-", i)
		there[name] = true
		in(name)
		there[name] = false
	}
	there["new"] = true
	in("new")
	if got := count("new"); got != 1 {
		t.Errorf("%v findings of new: those that are gone have kept its place", got)
	}
	if n := testutil.CollectAndCount(h.metrics.findings); n > 100 {
		t.Errorf("%d series are left", n)
	}
}
