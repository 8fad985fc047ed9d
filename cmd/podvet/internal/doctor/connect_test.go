package doctor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const statusObject = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"%s","code":%d,"message":%q}`

// apiServer answers what Connect asks for, and stands in for the pods behind the API server's proxy.
func apiServer(t *testing.T, version int) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(code int, reason, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = fmt.Fprintf(w, statusObject, reason, code, message)
		}
	}
	mux.HandleFunc("/version", answer(version, http.StatusText(version), "no"))
	const proxied = "/api/v1/namespaces/podvet/pods/http:a:8080/proxy/"
	mux.HandleFunc(proxied+"metrics", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a page")
	})
	mux.HandleFunc(proxied+"readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "no certificate")
	})
	mux.HandleFunc(proxied+"forbidden", answer(http.StatusForbidden, "Forbidden", "you may not"))
	mux.HandleFunc(proxied+"slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("POST /api/v1/namespaces/default/pods", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Warning", `299 - "failed calling webhook"`)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"Pod","apiVersion":"v1"}`)
	})
	mux.HandleFunc("/api/v1/namespaces/podvet/pods/a/portforward",
		answer(http.StatusForbidden, "Forbidden", `cannot create resource "pods/portforward"`))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

var podA = &corev1.Pod{
	ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "podvet"}, Status: corev1.PodStatus{PodIP: "127.0.0.1"},
}

func TestConnect(t *testing.T) {
	for code, want := range map[int]string{
		http.StatusOK: "",
		// Who may not ask for the version may have all the rights that doctor needs.
		http.StatusForbidden:    "",
		http.StatusUnauthorized: "the API server HOST does not know you: log in, or choose another user with --context",
		http.StatusInternalServerError: "the API server HOST cannot be used because the answer was HTTP status 500: " +
			"see that the cluster runs, or choose another with --context",
	} {
		s := apiServer(t, code)
		_, err := Connect(t.Context(), &rest.Config{Host: s.URL}, true)
		got := ""
		if err != nil {
			got = strings.ReplaceAll(err.Error(), s.URL, "HOST")
		}
		if got != want {
			t.Errorf("%d: %q, want %q", code, got, want)
		}
	}
	broken := &rest.Config{Host: "https://127.0.0.1", TLSClientConfig: rest.TLSClientConfig{CAFile: "/nowhere"}}
	if _, err := Connect(t.Context(), broken, true); err == nil ||
		err.Error() != "the kubeconfig cannot be used because the file /nowhere cannot be read: "+
			"write --kubeconfig or --context, or set KUBECONFIG" {
		t.Errorf("%v", err)
	}
}

func TestPage(t *testing.T) {
	cluster, err := Connect(t.Context(), &rest.Config{Host: apiServer(t, http.StatusOK).URL}, true)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][2]string{
		"metrics":   {"a page", ""},
		"readyz":    {"", "503 Service Unavailable no certificate"},
		"forbidden": {"", "you may not"},
	} {
		page, err := cluster.Page(t.Context(), podA, 8080, path)
		if page != want[0] || err == nil != (want[1] == "") || err != nil && err.Error() != want[1] {
			t.Errorf("%s: %q, %v", path, page, err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	r := &replica{Pod: podA}
	if _, err := (&installation{Cluster: cluster}).page(ctx, r, 8080, "slow"); err == nil || !r.silent {
		t.Errorf("%v of a replica that does not answer in time", err)
	}
}

func TestWarnings(t *testing.T) {
	cluster, err := Connect(t.Context(), &rest.Config{Host: apiServer(t, http.StatusOK).URL}, true)
	if err != nil {
		t.Fatal(err)
	}
	if said := cluster.Warnings(); len(said) > 0 {
		t.Errorf("%q", said)
	}
	_, err = cluster.Client.CoreV1().Pods("default").Create(t.Context(), neverMade(), metav1.CreateOptions{})
	if said := cluster.Warnings(); err != nil || !slices.Equal(said, []string{"failed calling webhook"}) {
		t.Errorf("%v, %q", err, said)
	}
}

func TestDial(t *testing.T) {
	s := apiServer(t, http.StatusOK)
	_, text, _ := net.SplitHostPort(s.Listener.Addr().String())
	port, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := Connect(t.Context(), &rest.Config{Host: s.URL}, true)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := direct.Dial(t.Context(), podA, int32(port))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()

	forwarded, err := Connect(t.Context(), &rest.Config{Host: s.URL}, false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = forwarded.Dial(t.Context(), podA, 9443)
	if err == nil || !strings.Contains(err.Error(), `cannot create resource "pods/portforward"`) {
		t.Errorf("port-forward ended with %v", err)
	}
}
