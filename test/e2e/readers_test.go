package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// rightsToAsk are what the chart adds with metrics.requireToken.
const rightsToAsk = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NAMESPACE-asks}
rules:
- {apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}
- {apiGroups: [authorization.k8s.io], resources: [subjectaccessreviews], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAMESPACE-asks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAMESPACE-asks}
subjects: [{kind: ServiceAccount, name: podvet, namespace: NAMESPACE}]
`

const rightToRead = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: NAMESPACE-reads}
rules: [{nonResourceURLs: [/metrics], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: NAMESPACE-reads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: NAMESPACE-reads}
subjects: [{kind: ServiceAccount, name: reader, namespace: NAMESPACE}]
`

// TestMetricsNeedToken: with --metrics-authorization only a token whose holder may get /metrics reads them, over TLS.
// Tokens that nobody knows do not become a question to the API server each, and do not shut out a reader.
func TestMetricsNeedToken(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "")
	kubeconfig := env.PolicyNamespace(t, ns, "")
	p, err := podvet.ServeInCluster(t.Context(), env.Binary, t.TempDir(), kubeconfig, ns+"/policy",
		"--metrics-authorization")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	client := &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	read := func(token string) (status int, page string) {
		t.Helper()
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet,
			strings.Replace(p.Metrics, "http:", "https:", 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	await := func(what, token string, want int) {
		t.Helper()
		var status int
		if !podvet.Await(t.Context(), time.Minute, func() bool { status, _ = read(token); return status == want }) {
			t.Errorf("%s: HTTP %d, want %d", what, status, want)
		}
	}
	token := func(account string) string {
		t.Helper()
		env.Must(t, ns, "", "create", "serviceaccount", account)
		text, _ := env.Must(t, ns, "", "create", "token", account)
		return strings.TrimSpace(text)
	}
	reader, other := token("reader"), token("other")
	await("no token", "", http.StatusUnauthorized)
	await("podvet may not ask", reader, http.StatusServiceUnavailable)
	env.Must(t, ns, strings.ReplaceAll(rightsToAsk, "NAMESPACE", ns), "apply", "-f", "-")
	await("no token of this cluster", "x.y.z", http.StatusUnauthorized)
	await("no right", reader, http.StatusForbidden)
	env.Must(t, ns, strings.ReplaceAll(rightToRead, "NAMESPACE", ns), "apply", "-f", "-")
	await("the right", reader, http.StatusOK)
	if _, page := read(reader); !strings.Contains(page, "podvet_reviews_total") {
		t.Errorf("no metrics: %.200s", page)
	}
	await("another's token", other, http.StatusForbidden)
	refused := 0
	for i := range 200 {
		if status, _ := read(fmt.Sprint("guess-", i)); status == http.StatusTooManyRequests {
			refused++
		}
		if status, _ := read(reader); status != http.StatusOK {
			t.Fatalf("the reader gets HTTP %d after %d guesses", status, i)
		}
	}
	if refused < 100 {
		t.Errorf("%d of 200 guesses became questions to the API server", 200-refused)
	}
}
