package e2e

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// TestFailurePolicyIsTheOneSwitch: whatever keeps podvet from judging, the pod is admitted with Ignore and
// refused with Fail, and never the other way round.
func TestFailurePolicyIsTheOneSwitch(t *testing.T) {
	const plain = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: app, image: i}]}}"
	panics := func(where string) string {
		return strings.Replace(plain, "{name: p}", "{name: p, annotations: {podvet.dev/panic: "+where+"}}", 1)
	}
	for _, fault := range []struct {
		name     string
		versions string         // admissionReviewVersions
		signal   syscall.Signal // to podvet, once it is registered
		pod      string
		says     string // what the API server says with Fail
	}{
		{name: "panic in mutate", pod: panics("mutate"),
			says: `failed calling webhook "mutate.podvet.dev": failed to call webhook: an error on the server ` +
				`("podvet: internal error, the log has the details")`},
		{name: "panic in validate", pod: panics("validate"),
			says: `failed calling webhook "validate.podvet.dev": failed to call webhook: an error on the server ` +
				`("podvet: internal error, the log has the details")`},
		{name: "stopped", pod: plain, signal: syscall.SIGTERM, says: "connection refused"},
		{name: "too late", pod: plain, signal: syscall.SIGSTOP, says: "context deadline exceeded"},
		{name: "unreadable", pod: plain, versions: "v1beta1", says: "the server rejected our request"},
	} {
		for _, failurePolicy := range []string{"Ignore", "Fail"} {
			t.Run(fault.name+" with "+failurePolicy, func(t *testing.T) {
				t.Parallel()
				label := strings.ToLower(strings.ReplaceAll(fault.name, " ", "-") + "-" + failurePolicy)
				p, err := podvet.Serve(t.Context(), env.Binary, t.TempDir(), "")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(p.Kill)
				if err := register(t.Context(), label, p, failurePolicy); err != nil {
					t.Fatal(err)
				}
				ns := env.Namespace(t, label)
				if fault.versions != "" || fault.signal == syscall.SIGSTOP {
					r := podvet.Registration{Name: "podvet-" + label, URL: p.URL, CA: p.CA,
						FailurePolicy: failurePolicy, Timeout: 1, Selector: label, Versions: fault.versions}
					if err := podvet.Register(t.Context(), env.API, r); err != nil {
						t.Fatal(err)
					}
				}
				if fault.signal != 0 {
					if err := p.Process.Signal(fault.signal); err != nil {
						t.Fatal(err)
					}
				}
				// Until the API server follows the changed configuration and the stopped podvet is gone, pods are
				// judged as before: this one is admitted then. What must come in the end comes and stays.
				create := func() (string, bool) {
					_, stderr, ok := env.Kubectl(t, ns, fault.pod, "create", "--dry-run=server", "-f", "-")
					return stderr, ok
				}
				settled := func() bool {
					stderr, ok := create()
					if failurePolicy == "Fail" {
						return !ok && strings.Contains(stderr, fault.says)
					}
					return ok && (fault.name == "panic in mutate" || !strings.Contains(stderr, "no-readiness-probe"))
				}
				if !podvet.Await(t.Context(), 30*time.Second, settled) {
					stderr, ok := create()
					t.Fatalf("admitted %v: %q", ok, stderr)
				}
				stderr, ok := create()
				if admitted := failurePolicy == "Ignore"; ok != admitted {
					t.Errorf("admitted %v with %s: %q", ok, failurePolicy, stderr)
				}
				if failurePolicy == "Ignore" { // for real
					env.Must(t, ns, fault.pod, "create", "-f", "-")
					getPod(t, ns, "p")
				}
				if strings.HasPrefix(fault.name, "panic") {
					stillServes(t, p, ns)
				}
			})
		}
	}
}

// stillServes: after a panic podvet judges the next pod, and has counted and logged the one.
func stillServes(t *testing.T, p *podvet.Server, ns string) {
	t.Helper()
	_, stderr, ok := env.Kubectl(t, ns, badPod, "create", "-f", "-")
	if ok || !strings.Contains(stderr, refusal) {
		t.Errorf("after a panic: %q", stderr)
	}
	resp, err := http.Get(p.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil || !regexp.MustCompile(`(?m)^podvet_panics_total [1-9]`).Match(metrics) {
		t.Errorf("no panic is counted (%v)", err)
	}
	log, err := os.ReadFile(p.Log)
	if err != nil || !strings.Contains(string(log), "asked to by an annotation") {
		t.Errorf("the log does not say: %s (%v)", log, err)
	}
}

// TestInvalidPods: what the API server refuses is its own to say, in its own words, alone.
func TestInvalidPods(t *testing.T) {
	t.Parallel()
	ns := env.Namespace(t, "main")
	for name, c := range map[string]struct{ container, says string }{
		"no handler": {"livenessProbe: {}", "must specify a handler type"},
		"negative": {"livenessProbe: {tcpSocket: {port: 80}, periodSeconds: -1}",
			"must be greater than or equal to 0"},
		"control characters": {`env: [], livenessProbe: {exec: {command: [x]}}, name: "a\nb"`,
			"a lowercase RFC 1123 label"},
	} {
		manifest := `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - {image: i, ` + c.container + `}
`
		if !strings.Contains(c.container, "name:") {
			manifest = strings.Replace(manifest, "{image: i", "{name: app, image: i", 1)
		}
		_, stderr, ok := env.Kubectl(t, ns, manifest, "create", "-f", "-")
		if ok || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "podvet") || len(warnings(stderr)) > 0 {
			t.Errorf("%s: %q", name, stderr)
		}
	}
}
