package soak

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// A model is what podvet may have answered, given what was done to it.
type model struct {
	windows  []window
	written  []*written
	policies map[string]int // the number of each good policy, by its hash
	loaded   []*policy.Policy
	last     time.Time
	verdicts map[string]verdict
}

type verdict struct {
	denied          bool
	fixed, findings string
}

func newModel(t *testing.T, s *storm) *model {
	t.Helper()
	m := &model{windows: s.windows, written: s.written, policies: map[string]int{}, verdicts: map[string]verdict{},
		loaded: make([]*policy.Policy, len(s.written)), last: time.Now()}
	for i, w := range s.written {
		if w.kind != goodPolicy {
			continue
		}
		p, err := policy.Load(catalogue.All, "policy.yaml", []byte(w.text), w.start)
		if err != nil {
			t.Fatal(err)
		}
		m.policies[p.Hash], m.loaded[i] = i, p
	}
	return m
}

const (
	followLimit  = 5 * time.Second  // until a replica judges by a policy: two seconds, and some for a busy machine
	backoffLimit = 40 * time.Second // until a client tries again whose watch failed: client-go waits for 30 s at most
)

// followed is when a replica of a slot must have followed a policy at the latest, -1 for any slot.
func (m *model) followed(i, slot int) time.Time {
	w := m.written[i]
	// A bad one or none that came soon after may be all that a replica ever saw.
	if i+1 < len(m.written) && m.written[i+1].kind != goodPolicy {
		return m.last
	}
	limit := w.end.Add(followLimit)
	for _, f := range m.windows {
		away := f.kind == apiServer || f.kind == etcd || f.kind == starved || f.kind == stalled
		mine := slot < 0 || f.replica == slot || f.replica == 2
		switch f.kind {
		case conflict, gone, tooMany, broken, cut, slow, stopped, terminated, killed:
			away = mine
		}
		if until := f.to.Add(backoffLimit); away && f.from.Before(limit) && f.to.After(w.start) && until.After(limit) {
			limit = until
		}
	}
	return limit
}

// mayBeInForce tells whether a replica may judge by a policy at some time of an interval.
func (m *model) mayBeInForce(i, slot int, from, to time.Time) bool {
	if m.written[i].start.After(to) {
		return false
	}
	for later := i + 1; later < len(m.written); later++ {
		if m.written[later].kind == goodPolicy && m.followed(later, slot).Before(from) {
			return false
		}
	}
	return true
}

// verdict is Vet's.
func (m *model) verdict(s *shape, mutatedBy, validatedBy int) verdict {
	key := fmt.Sprint(s.name, mutatedBy, validatedBy)
	if v, ok := m.verdicts[key]; ok {
		return v
	}
	object := s.pod.DeepCopy()
	object.Namespace, object.Name = work, "p"
	subject, _ := pod.Read(object)
	labels := map[string]string{"kubernetes.io/metadata.name": work}
	repair := rules.Fix(subject, m.loaded[mutatedBy].For(subject, labels).Plan)
	v := verdict{}
	var names []string
	for _, f := range repair.Fixed {
		names = append(names, f.String())
	}
	if v.fixed = strings.Join(names[:min(100, len(names))], ","); !repair.Applied && v.fixed != "" {
		v.fixed = "would fix " + v.fixed
	}
	if len(names) > 100 {
		v.fixed += fmt.Sprintf(",%d more", len(names)-100)
	}
	findings := rules.Judge(repair.Subject, m.loaded[validatedBy].For(repair.Subject, labels).Plan)
	slices.SortStableFunc(findings, func(a, b rules.Finding) int { return int(b.Level) - int(a.Level) })
	names = nil
	for _, f := range findings {
		v.denied = v.denied || f.Level == rules.Deny
		place := f.Level.String() + " " + f.Rule.ID + "/" + f.Container
		if f.Exempt != nil {
			place += " (" + f.Exempt.String() + ")"
		}
		names = append(names, place)
	}
	v.findings = strings.Join(names[:min(100, len(names))], ",")
	if len(names) > 100 {
		v.findings += fmt.Sprintf(",%d more", len(names)-100)
	}
	m.verdicts[key] = v
	return v
}

func denied(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "denied the request") &&
		strings.Contains(err.Error(), `"validate.podvet.dev"`)
}

var (
	late  = regexp.MustCompile(`deadline exceeded|[Tt]imeout|timed out|too long|request canceled`)
	ended = regexp.MustCompile(`EOF|connection refused|connection reset|broken pipe|GOAWAY|connection error|` +
		`client connection|closed`)
	unverified = regexp.MustCompile(`x509|certificate|tls:`)
)

// excuse is the fault for which a creation may have failed, "" for none.
func (m *model) excuse(c *creation) string {
	text := c.err.Error()
	if unverified.MatchString(text) {
		return ""
	}
	calling := strings.Contains(text, "failed calling webhook")
	for _, f := range m.windows {
		var until time.Duration
		var matches bool
		switch f.kind {
		case apiServer, etcd:
			until, matches = 5*time.Second, true
		case killed:
			until, matches = time.Second, calling && (ended.MatchString(text) || late.MatchString(text))
		case stopped, starved, stalled:
			until, matches = 4*time.Second, late.MatchString(text)
		}
		if matches && c.start.Before(f.to.Add(until)) && c.end.After(f.from) {
			return f.kind
		}
	}
	return ""
}

// check compares a creation with the model. It returns the fault that excuses its failure, and else what is wrong.
func (m *model) check(c *creation, validatedOn *replica) (excuse, wrong string) {
	if c.err != nil && !denied(c.err) {
		if excuse = m.excuse(c); excuse == "" {
			wrong = "it failed: " + c.err.Error()
		}
		return excuse, wrong
	}
	if c.audit.validatedBy == "" && c.audit.mutatedBy == "" {
		if c.audit.code == 0 { // an API server that is killed writes no more
			return "", ""
		}
		return "", "it was not judged"
	}
	slot := -1
	if validatedOn != nil {
		slot = validatedOn.slot
	}
	by := [2]int{}
	for i, hash := range []string{c.audit.mutatedBy, c.audit.validatedBy} {
		n, known := m.policies[hash]
		if !known {
			return "", fmt.Sprintf("it was judged by the policy %q, which nobody wrote", hash)
		}
		if i == 0 {
			slot = -1
		}
		if !m.mayBeInForce(n, slot, c.start, c.end) {
			return "", fmt.Sprintf("it was judged by policy %d, which was not in force", n)
		}
		by[i] = n
	}
	want := m.verdict(c.shape, by[0], by[1])
	got := verdict{c.err != nil, c.audit.fixed, c.audit.findings}
	if got != want {
		return "", fmt.Sprintf("its verdict by the policies %d and %d is %+v, and Vet's is %+v", by[0], by[1],
			got, want)
	}
	if c.err == nil && !strings.HasPrefix(c.audit.fixed, "would fix") && (c.fixed == "") != (c.audit.fixed == "") {
		return "", fmt.Sprintf("the pod says that it was fixed by %q, the audit log %q", c.fixed, c.audit.fixed)
	}
	return "", ""
}

// register is a policy that only goes forward. A write of one that is older than what is there changes nothing.
var register = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		if write, is := input.(int); is {
			return true, max(state.(int), write)
		}
		return state == output, state
	},
}

// forward has porcupine judge whether each replica's policies went forward, each to one that was written by then. It
// tries all orders, so of the creations by one policy it gets the first to end and the last to start: a policy that is
// in force for both, and does not come back, is for all. Policies that nobody met there are left out.
func (m *model) forward(r *replica, reads []*creation) error {
	first, last := map[int]*creation{}, map[int]*creation{}
	for _, c := range reads {
		by := m.by(c)
		if first[by] == nil || c.end.Before(first[by].end) {
			first[by] = c
		}
		if last[by] == nil || c.start.After(last[by].start) {
			last[by] = c
		}
	}
	var history []porcupine.Operation
	for by := range first {
		for _, c := range []*creation{first[by], last[by]} {
			history = append(history, porcupine.Operation{Input: nil, Output: by, Call: c.start.UnixNano(),
				Return: c.end.UnixNano()})
		}
	}
	for i, w := range m.written {
		if i > 0 && first[i] != nil {
			history = append(history, porcupine.Operation{Input: i, Call: w.start.UnixNano(),
				Return: m.followed(i, r.slot).UnixNano()})
		}
	}
	if result := porcupine.CheckOperationsTimeout(register, history, time.Minute); result != porcupine.Ok {
		return fmt.Errorf("the policies of replica %d: porcupine says %s of %d creations; its log is %s", r.id, result,
			len(reads), r.Log)
	}
	return nil
}

// by is the number of the policy by which a creation was judged.
func (m *model) by(c *creation) int { return m.policies[c.audit.validatedBy] }

// lag is how long it took until the last creation by an older policy than one that was written, over all.
func (m *model) lags(reads map[*replica][]*creation) map[int]time.Duration {
	lags := map[int]time.Duration{}
	for i, w := range m.written {
		if w.kind != goodPolicy || i == 0 {
			continue
		}
		for _, list := range reads {
			for _, c := range list {
				if m.by(c) < i && c.start.After(w.end) {
					lags[i] = max(lags[i], c.start.Sub(w.end))
				}
			}
		}
	}
	return lags
}

// quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
