package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// seenWithin is how soon podvet must know that a watch no longer follows, with a little for scraping it.
const seenWithin = 31 * time.Second

// follows waits until a replica says whether it follows something.
func (r *replica) follows(t *testing.T, watched, want string, limit time.Duration) {
	t.Helper()
	start := time.Now()
	metric := fmt.Sprintf("podvet_watch_follows{watched=%q}", watched)
	if !podvet.Await(t.Context(), limit, func() bool { return r.metric(t, metric) == want }) {
		log, _ := os.ReadFile(r.Log)
		t.Fatalf("%s is %q after %v, want %s: %s", metric, r.metric(t, metric), limit, want, log)
	}
	t.Logf("%s is %s after %v", metric, want, time.Since(start).Round(time.Second))
}

// TestWatchesWithoutRights: rights that are taken from a running podvet are missed within 30 s, although its watches
// stay open, and said once. What was known stays in force, and reviews that need what is not known are not judged.
func TestWatchesWithoutRights(t *testing.T) {
	t.Parallel()
	const ns = "watches-rights"
	r := startReplica(t, env.PolicyNamespace(t, ns, ""), ns)
	r.awaitReady(t, 30*time.Second)
	env.Must(t, ns, configMap(ns, policyHeader+"namespaceModes: false\n"), "create", "-f", "-")
	for _, watched := range []string{"configmaps/policy", "configmaps/policy-last-good", "namespaces"} {
		r.follows(t, watched, "1", 10*time.Second)
	}
	roles, _ := env.Must(t, ns, "", "get", "rolebinding", "podvet", "-o", "yaml")
	cluster, _ := env.Must(t, ns, "", "get", "clusterrolebinding", "podvet-"+ns, "-o", "yaml")
	env.Must(t, ns, "", "delete", "rolebinding", "podvet")
	env.Must(t, ns, "", "delete", "clusterrolebinding", "podvet-"+ns)
	r.follows(t, "configmaps/policy", "0", seenWithin)
	r.follows(t, "namespaces", "0", seenWithin)
	if _, err := podvet.Fetch(r.Ready); err != nil {
		t.Errorf("it is not ready, although it has a policy: %v", err)
	}
	// Where the policy does not depend on labels they are not asked for.
	lookups := func() string {
		return r.metric(t, `podvet_namespace_lookups_total{result="failed"}`)
	}
	if answer, err := r.review(t.Context(), "invented"); err != nil || !answer.Allowed || lookups() != "" {
		t.Errorf("%+v, %v, %q lookups", answer, err, lookups())
	}
	time.Sleep(30 * time.Second)
	log, err := os.ReadFile(r.Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"configmaps/policy", "configmaps/policy-last-good", "namespaces"} {
		line := fmt.Sprintf(`"msg":"no longer followed: what podvet knows of it may be old","what":%q,`+
			`"reason":"podvet has no right to watch it"}`, what)
		if n := strings.Count(string(log), line); n != 1 {
			t.Errorf("said %d times that %s is not followed:\n%s", n, what, log)
		}
	}
	if n := strings.Count(string(log), "\n"); n > 20 {
		t.Errorf("%d lines:\n%s", n, log)
	}
	env.Must(t, ns, roles, "create", "-f", "-")
	env.Must(t, ns, cluster, "create", "-f", "-")
	for _, watched := range []string{"configmaps/policy", "configmaps/policy-last-good", "namespaces"} {
		r.follows(t, watched, "1", 2*time.Minute)
	}
}

// TestLookupsWithoutAnswer: a namespace that podvet cannot ask about is not judged as one without labels. It is left to
// the failurePolicy.
func TestLookupsWithoutAnswer(t *testing.T) {
	t.Parallel()
	const ns = "lookups-cut"
	way := newProxy(t)
	r := startReplica(t, env.PolicyNamespace(t, ns, way.address), ns)
	env.Must(t, ns, configMap(ns, policyHeader+"profile: strict\n"), "create", "-f", "-")
	r.awaitReady(t, 30*time.Second)
	if answer, err := r.review(t.Context(), "no-such-namespace"); err != nil {
		t.Errorf("one that is absent: %+v, %v", answer, err)
	}
	way.cutOff()
	_, err := r.review(t.Context(), "not-seen-yet")
	const says = "HTTP 503: podvet: the labels of the namespace are not known: the API server "
	if err == nil || !strings.HasPrefix(err.Error(), says) {
		t.Errorf("one that nobody tells about: %v", err)
	}
	if _, err := r.review(t.Context(), "default"); err != nil {
		t.Errorf("one that is known: %v", err)
	}
	if got := r.metric(t, `podvet_namespace_lookups_total{result="failed"}`); got != "1" {
		t.Errorf("%q failed lookups", got)
	}
	way.cut.Store(false)

	// Whoever invents names makes the API server work no more than a little.
	refused := 0
	for i := range 300 {
		if _, err := r.review(t.Context(), fmt.Sprintf("invented-%d", i)); err != nil {
			refused++
		}
	}
	if got := r.metric(t, `podvet_namespace_lookups_total{result="limited"}`); refused == 0 || got == "" {
		t.Errorf("%d of 300 refused, %q limited", refused, got)
	}
	if _, err := r.review(t.Context(), "default"); err != nil {
		t.Errorf("one that is known: %v", err)
	}
}

// TestWatchesOfStoppedAPIServer: an API server that is stopped, or hangs, is missed within 30 s, and followed again
// when it is back.
func TestWatchesOfStoppedAPIServer(t *testing.T) {
	t.Parallel()
	api, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Stop() })
	p, err := podvet.ServeInCluster(t.Context(), env.Binary, t.TempDir(), api.Kubeconfig, "default/policy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	r := &replica{Server: p}
	r.awaitReady(t, time.Minute)
	for what, fault := range map[string]struct{ cause, remove func() error }{
		"stopped": {
			func() error { api.StopAPIServer(); return nil },
			func() error { return api.StartAPIServer(t.Context()) },
		},
		"hangs": {
			func() error { return api.SignalAPIServer(syscall.SIGSTOP) },
			func() error { return api.SignalAPIServer(syscall.SIGCONT) },
		},
	} {
		for _, watched := range []string{"namespaces", "configmaps/policy"} {
			r.follows(t, watched, "1", 10*time.Second)
		}
		if err := fault.cause(); err != nil {
			t.Fatal(err)
		}
		missed := time.Now().Add(seenWithin) // each, whenever it was followed again
		for _, watched := range []string{"namespaces", "configmaps/policy"} {
			r.follows(t, watched, "0", time.Until(missed))
		}
		if _, err := podvet.Fetch(r.Ready); err != nil {
			t.Errorf("%s: it is not ready, although it has a policy: %v", what, err)
		}
		if err := fault.remove(); err != nil {
			t.Fatal(err)
		}
		for _, watched := range []string{"namespaces", "configmaps/policy"} {
			r.follows(t, watched, "1", 2*time.Minute)
		}
	}
}
