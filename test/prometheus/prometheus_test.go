package prometheus_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
)

// built builds a command and returns its path.
func built(t *testing.T, name, folder string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", append([]string{"build", "-o", path}, args...)...)
	build.Dir = folder
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// point is one sample of a series.
type point struct {
	at     time.Time
	value  float64
	labels labels.Labels
}

// history is what a Prometheus has stored.
type history []point

// series adds samples each minute for a while. The names and labels are those that kube-state-metrics documents in
// docs/metrics/workload/pod-metrics.md and replicaset-metrics.md, and of the kubelet those in
// kubernetes.io/docs/reference/instrumentation/metrics, with those that a scrape adds.
func (h *history) series(from, to time.Time, value int64, metric string, pairs ...string) {
	all := labels.FromStrings(append([]string{"__name__", metric, "job", "kube-state-metrics",
		"instance", "10.0.0.1:8080"}, pairs...)...)
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		*h = append(*h, point{at, float64(value), all})
	}
}

// pod adds what kube-state-metrics says of a pod of a ReplicaSet that lives for ten minutes. Its container starts at
// some times, and all is Ready at others.
func (h *history) pod(set, name string, starts, readies []time.Time) {
	uid := "uid-" + name
	pod := []string{"namespace", "shop", "pod", name, "uid", uid}
	end := starts[len(starts)-1].Add(10 * time.Minute)
	h.series(starts[0], end, 1, "kube_pod_owner", append(pod, "owner_kind", "ReplicaSet", "owner_name", set,
		"owner_is_controller", "true")...)
	for i, start := range starts {
		until := end
		if i+1 < len(starts) {
			until = starts[i+1]
		}
		h.series(start, until, start.Unix(), "kube_pod_container_state_started", append(pod, "container", "app")...)
		h.series(start, until, int64(i), "kube_pod_container_status_restarts_total", append(pod, "container", "app")...)
	}
	for i, ready := range readies {
		until := end
		if i+1 < len(readies) {
			until = readies[i+1]
		}
		h.series(ready, until, ready.Unix(), "kube_pod_status_container_ready_time", pod...)
	}
}

// failures adds what a kubelet says of the livenessProbe of a pod.
func (h *history) failures(name string, from time.Time, count int64) {
	h.series(from, from.Add(10*time.Minute), count, "prober_probe_total", "namespace", "shop", "pod", name,
		"pod_uid", "uid-"+name, "container", "app", "probe_type", "Liveness", "result", "failed")
}

// write writes the history as Prometheus does.
func (h history) write(t *testing.T, folder string) {
	t.Helper()
	db, err := tsdb.Open(folder, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(h, func(a, b point) int { return a.at.Compare(b.at) })
	appender := db.Appender(t.Context())
	for _, p := range h {
		if _, err := appender.Append(0, p.labels, p.at.UnixMilli(), p.value); err != nil {
			t.Fatal(err)
		}
	}
	if err := appender.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// start starts a Prometheus on loopback and returns its URL.
func start(t *testing.T, data string, flags ...string) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := built(t, "prometheus", ".", "-tags", "remove_all_sd", "github.com/prometheus/prometheus/cmd/prometheus")
	run := exec.Command(binary, append([]string{"--config.file=" + config, "--storage.tsdb.path=" + data,
		"--web.listen-address=" + address}, flags...)...)
	var log bytes.Buffer
	run.Stdout, run.Stderr = &log, &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
	})
	url := "http://" + address
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		answer, err := http.Get(url + "/-/ready")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return url
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no Prometheus within 30 s: %s", log.Bytes())
		}
	}
}

// present is the pod of the Deployment that there is now: the others are gone.
const present = `apiVersion: v1
kind: Pod
metadata: {name: web-2-now, namespace: shop, uid: uid-web-2-now, labels: {pod-template-hash: "2"},
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-2, controller: true}]}
spec:
  containers:
  - name: app
    image: x
    ports: [{containerPort: 80}]
    livenessProbe: {httpGet: {path: /healthz, port: 80}, periodSeconds: 5}
    readinessProbe: {httpGet: {path: /ready, port: 80}, periodSeconds: 2}
status:
  conditions:
  - {type: ContainersReady, status: "True", lastTransitionTime: "2026-01-01T00:00:20Z"}
  containerStatuses:
  - {name: app, ready: true, state: {running: {startedAt: "2026-01-01T00:00:00Z"}}}
`

type report struct {
	Containers []struct {
		Starts, Killed                              int
		LeftOut                                     struct{ ReadyAgain, WithAnother int }
		MedianSeconds, LongestSeconds, NeedsSeconds int
		Advice                                      []struct{ Field string }
	}
}

// TestPrometheus: recommend learns from a Prometheus how the pods that are gone started: first Ready counts and not
// Ready again, one that was killed took longer, and one that is there is not counted twice.
func TestPrometheus(t *testing.T) {
	var h history
	began := time.Now().Add(-20 * time.Hour).Truncate(time.Second)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 30 {
		// The older half belongs to an older ReplicaSet.
		set := fmt.Sprintf("web-%d", 1+i/15)
		at := began.Add(time.Duration(i) * 30 * time.Minute)
		boot := time.Duration(10+r.IntN(5)) * time.Second
		readies := []time.Time{at.Add(boot)}
		if i%10 == 3 { // it flaps after five minutes
			readies = append(readies, at.Add(5*time.Minute))
		}
		h.pod(set, fmt.Sprintf("%s-%d", set, i), []time.Time{at}, readies)
	}
	killed := began.Add(16 * time.Hour) // by the livenessProbe after 12 s, and then Ready after 8
	h.pod("web-2", "web-2-killed", []time.Time{killed, killed.Add(12 * time.Second)},
		[]time.Time{killed.Add(20 * time.Second)})
	// The kubelet counted: this one was killed three times, and that one crashed, for too few of its probes failed.
	thrice := began.Add(17 * time.Hour)
	h.pod("web-2", "web-2-thrice", []time.Time{thrice, thrice.Add(12 * time.Second), thrice.Add(25 * time.Second),
		thrice.Add(40 * time.Second)}, []time.Time{thrice.Add(50 * time.Second)})
	h.failures("web-2-thrice", thrice, 9)
	crashed := began.Add(18 * time.Hour)
	h.pod("web-2", "web-2-crashed", []time.Time{crashed, crashed.Add(12 * time.Second)},
		[]time.Time{crashed.Add(20 * time.Second)})
	h.failures("web-2-crashed", crashed, 1)
	h.pod("web-2", "web-2-now", []time.Time{began}, []time.Time{began.Add(20 * time.Second)})
	h.pod("other-1", "other-1-a", []time.Time{began}, []time.Time{began.Add(50 * time.Second)})
	for set, owner := range map[string]string{"web-1": "web", "web-2": "web", "other-1": "other"} {
		h.series(began, began.Add(18*time.Hour), 1, "kube_replicaset_owner", "namespace", "shop", "replicaset", set,
			"owner_kind", "Deployment", "owner_name", owner, "owner_is_controller", "true")
	}
	data := t.TempDir()
	h.write(t, data)
	url := start(t, data)
	podvet := built(t, "podvet", "../..", "./cmd/podvet")
	pods := filepath.Join(t.TempDir(), "pods.yaml")
	if err := os.WriteFile(pods, []byte(present), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (out, said string, err error) {
		command := exec.Command(podvet, append([]string{"recommend", "-f", pods, "-o", "json"}, args...)...)
		var stdout, stderr bytes.Buffer
		command.Stdout, command.Stderr = &stdout, &stderr
		err = command.Run()
		return stdout.String(), stderr.String(), err
	}

	out, said, err := run("--prometheus", url)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	var found report
	if err := json.Unmarshal([]byte(out), &found); err != nil || len(found.Containers) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	web := found.Containers[0]
	if web.Starts != 38 || web.Killed != 4 || web.LeftOut.ReadyAgain != 0 || web.LongestSeconds > 21 ||
		web.MedianSeconds < 9 || web.MedianSeconds > 14 ||
		len(web.Advice) != 1 || web.Advice[0].Field != "startupProbe" {
		t.Errorf("%+v", web)
	}

	// Only a part of the time, and a namespace without pods.
	if out, _, err = run("--prometheus", url, "--since", "5h"); err != nil || strings.Contains(out, `"starts": 38`) {
		t.Errorf("%v: %s", err, out)
	}
	for address, want := range map[string]string{
		"http://127.0.0.1:1": "Prometheus: cannot be asked because nothing listens there",
		url + "/nowhere":     "Prometheus: cannot be asked because the answer was HTTP status 404",
		"localhost:9090":     "--prometheus localhost:9090: write a URL such as http://localhost:9090",
	} {
		if _, said, err := run("--prometheus", address); err == nil || !strings.Contains(said, want) {
			t.Errorf("%s: %v: %s, want %s", address, err, said, want)
		}
	}
}
