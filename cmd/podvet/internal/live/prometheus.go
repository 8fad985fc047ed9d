package live

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// Prometheus has what kube-state-metrics said of pods, also of those that are gone.
type Prometheus struct {
	URL   string // such as http://prometheus:9090
	Since string // how far to look back, as PromQL writes it: 7d
}

// Check says what is wrong with the address or the time.
func (p Prometheus) Check() error {
	at, err := url.Parse(p.URL)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return fmt.Errorf("--prometheus %s: write a URL such as http://localhost:9090", p.URL)
	}
	if !duration.MatchString(p.Since) {
		return fmt.Errorf("--since %s: write a time such as 12h, 7d or 2w", p.Since)
	}
	return nil
}

var duration = regexp.MustCompile(`^[1-9][0-9]{0,3}[mhdw]$`)

// Owner is the controller of pods as a person names it.
type Owner = struct{ Namespace, Kind, Name string }

// Starts are the first and the last start of a container in seconds since 1970, how often it was restarted, and how
// often probes failed, by Startup and Liveness: nil where the kubelet's metrics are missing.
type Starts = struct {
	First, Last, Restarts int64
	Failed                map[string]int64
}

// past is a pod that Prometheus tells of.
type past struct {
	owner      Owner
	containers map[string]*Starts
	ready      int64 // all containers, for the first time, in seconds since 1970; 0 for never
}

// The metrics, with the labels that kube-state-metrics documents in docs/metrics/workload/pod-metrics.md and
// replicaset-metrics.md. The time of readiness is the last transition of the condition ContainersReady to true
// (its internal/store/pod.go), so the lowest of a pod is the first. Labels that a scrape adds do not matter, but it
// must keep those of kube-state-metrics (honor_labels).
const (
	started  = "kube_pod_container_state_started"
	isReady  = "kube_pod_status_container_ready_time"
	restarts = "kube_pod_container_status_restarts_total"
	podOwner = "kube_pod_owner"
	setOwner = "kube_replicaset_owner"
	// The kubelet's own, of its page /metrics/probes (K pkg/kubelet/prober/prober_manager.go, worker.go).
	probes = "prober_probe_total"
)

// sample is a value with the labels that tell which.
type sample struct {
	labels map[string]string
	value  int64
}

// pods hands on the pods of that time, one by one.
func (p Prometheus) pods(
	ctx context.Context, namespace string, now time.Time, hand func(uid string, gone *past),
) error {
	within := ""
	if namespace != "" {
		within = "namespace=" + strconv.Quote(namespace)
	}
	pods := map[string]*past{}
	each := func(which, function, metric, by string, take func(*past, sample)) error {
		return p.query(ctx, fmt.Sprintf("%s by (namespace, uid, %s) (%s_over_time(%s{%s}[%s]))",
			which, by, function, metric, within, p.Since), now, func(s sample) {
			gone := pods[s.labels["uid"]]
			if gone == nil {
				gone = &past{owner: Owner{Namespace: s.labels["namespace"]}, containers: map[string]*Starts{}}
				pods[s.labels["uid"]] = gone
			}
			take(gone, s)
		})
	}
	in := func(gone *past, s sample) *Starts {
		name := s.labels["container"]
		if gone.containers[name] == nil {
			gone.containers[name] = &Starts{}
		}
		return gone.containers[name]
	}
	for _, q := range []struct {
		which, function, metric, by string
		take                        func(*past, sample)
	}{
		{"min", "min", started, "container", func(gone *past, s sample) { in(gone, s).First = s.value }},
		{"max", "max", started, "container", func(gone *past, s sample) { in(gone, s).Last = s.value }},
		{"max", "max", restarts, "container", func(gone *past, s sample) { in(gone, s).Restarts = s.value }},
		{"min", "min", isReady, "pod", func(gone *past, s sample) { gone.ready = s.value }},
		{"max", "last", podOwner, "pod, owner_kind, owner_name, owner_is_controller", func(gone *past, s sample) {
			if s.labels["owner_is_controller"] == "true" {
				gone.owner.Kind, gone.owner.Name = s.labels["owner_kind"], s.labels["owner_name"]
			}
		}},
	} {
		if err := each(q.which, q.function, q.metric, q.by, q.take); err != nil {
			return err
		}
	}
	if err := p.failures(ctx, within, now, pods); err != nil {
		return err
	}
	sets, err := p.ownersOfSets(ctx, within, now)
	if err != nil {
		return err
	}
	for uid, gone := range pods {
		if owner, owned := sets[gone.owner]; owned {
			gone.owner = owner
		}
		hand(uid, gone)
	}
	return nil
}

// failures adds how often the probes of pods failed.
func (p Prometheus) failures(ctx context.Context, within string, now time.Time, pods map[string]*past) error {
	if within != "" {
		within += ","
	}
	return p.query(ctx, fmt.Sprintf(
		`max by (pod_uid, container, probe_type) (max_over_time(%s{%sresult="failed",probe_type!="Readiness"}[%s]))`,
		probes, within, p.Since), now, func(s sample) {
		gone := pods[s.labels["pod_uid"]]
		if gone == nil || gone.containers[s.labels["container"]] == nil {
			return
		}
		starts := gone.containers[s.labels["container"]]
		if starts.Failed == nil {
			starts.Failed = map[string]int64{}
		}
		starts.Failed[s.labels["probe_type"]] = s.value
	})
}

// ownersOfSets are the owners of ReplicaSets, by namespace and name.
func (p Prometheus) ownersOfSets(ctx context.Context, within string, now time.Time) (map[Owner]Owner, error) {
	sets := map[Owner]Owner{}
	return sets, p.query(ctx, fmt.Sprintf(
		"max by (namespace, replicaset, owner_kind, owner_name, owner_is_controller) (last_over_time(%s{%s}[%s]))",
		setOwner, within, p.Since), now, func(s sample) {
		if s.labels["owner_is_controller"] == "true" {
			ns := s.labels["namespace"]
			set := Owner{ns, "ReplicaSet", s.labels["replicaset"]}
			sets[set] = Owner{ns, s.labels["owner_kind"], s.labels["owner_name"]}
		}
	})
}

const (
	longestQuery  = time.Minute
	longestAnswer = 256 << 20 // of which one series is held at a time
)

// query hands on the samples of an instant query (prometheus.io/docs/prometheus/latest/querying/api).
func (p Prometheus) query(ctx context.Context, query string, now time.Time, hand func(sample)) error {
	ctx, stop := context.WithTimeout(ctx, longestQuery)
	defer stop()
	form := url.Values{"query": {query}, "time": {strconv.FormatInt(now.Unix(), 10)},
		"timeout": {strconv.Itoa(int(longestQuery.Seconds())) + "s"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(p.URL, "/")+"/api/v1/query",
		strings.NewReader(form.Encode()))
	if err != nil {
		return console.Own("the address is not a URL")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	switch {
	case answer.StatusCode == http.StatusUnprocessableEntity, answer.StatusCode == http.StatusServiceUnavailable:
		return console.Own(fmt.Sprintf("it could not work out the query (HTTP status %d): write a shorter --since",
			answer.StatusCode))
	case answer.StatusCode != http.StatusOK:
		return console.Own(fmt.Sprintf("the answer was HTTP status %d", answer.StatusCode))
	}
	limited := &io.LimitedReader{R: answer.Body, N: longestAnswer}
	switch err := samples(json.NewDecoder(limited), hand); {
	case limited.N <= 0:
		return console.Own(fmt.Sprintf("the answer has more than %d MiB: write -n or a shorter --since",
			longestAnswer>>20))
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return console.Own("the answer is not that of a Prometheus")
	}
	return nil
}

// samples reads {"data": {"result": [...]}}, series by series.
func samples(in *json.Decoder, hand func(sample)) error {
	for _, name := range []string{"data", "result"} {
		if err := enter(in, name); err != nil {
			return err
		}
	}
	if _, err := in.Token(); err != nil { // [
		return err
	}
	for in.More() {
		var one struct {
			Metric map[string]string `json:"metric"`
			Value  [2]any            `json:"value"`
		}
		if err := in.Decode(&one); err != nil {
			return err
		}
		text, _ := one.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		hand(sample{one.Metric, int64(value)})
	}
	return nil
}

// enter goes to the value of a key of the object that comes.
func enter(in *json.Decoder, key string) error {
	if start, err := in.Token(); err != nil || start != json.Delim('{') {
		return console.Own("no object")
	}
	for in.More() {
		name, err := in.Token()
		if err != nil || name == key {
			return err
		}
		var other json.RawMessage
		if err := in.Decode(&other); err != nil {
			return err
		}
	}
	return console.Own("no " + key)
}
