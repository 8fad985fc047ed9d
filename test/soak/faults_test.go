package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podvet/podvet/test/cluster"
)

// A window is when something was the matter.
type window struct {
	kind    string
	replica int // 2 for both
	from    time.Time
	to      time.Time
}

// A storm is what happens to a site, and a record of it.
type storm struct {
	*site
	load *load

	mu       sync.Mutex
	windows  []window
	written  []*written
	refused  int // bad policies
	problems []string
}

// A written is a policy that somebody wrote.
type written struct {
	kind       string // goodPolicy, badPolicy or noPolicy
	text       string
	start, end time.Time
}

func (s *storm) record(kind string, replica int, from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.windows = append(s.windows, window{kind: kind, replica: replica, from: from, to: time.Now()})
}

func (s *storm) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// follow does the actions of a track, one after the other.
func (s *storm) follow(ctx context.Context, t *testing.T, start time.Time, actions []action) {
	for _, a := range actions {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(start.Add(a.At))):
		}
		from := time.Now()
		t.Logf("%6.1fs %v", from.Sub(start).Seconds(), a)
		s.do(context.WithoutCancel(ctx), t, a, from) // to its end
		if a.Kind != killed {                        // it is over once the endpoints have changed
			s.record(a.Kind, a.Replica, from)
		}
	}
}

func (s *storm) do(ctx context.Context, t *testing.T, a action, from time.Time) {
	switch a.Kind {
	case rolling:
		for slot := range s.proxies {
			s.replace(ctx, t, slot)
		}
	case terminated:
		s.signal(a.Replica, syscall.SIGTERM)
		s.again(ctx, t, a, time.Time{})
	case killed:
		s.signal(a.Replica, syscall.SIGKILL)
		s.again(ctx, t, a, from)
	case stopped:
		s.signal(a.Replica, syscall.SIGSTOP)
		time.Sleep(a.For)
		s.signal(a.Replica, syscall.SIGCONT)
		r, _ := s.in(a.Replica)
		s.must(s.awaitEndpoint(ctx, r))
	case starved:
		s.starve(a.For)
	case burst:
		s.load.times.Store(8)
		time.Sleep(a.For / 2)
		s.load.times.Store(1)
	case apiServer:
		s.must(s.api.Restart(ctx, s.api.Binaries.APIServer))
	case etcd:
		s.must(s.api.Restart(ctx, s.api.Binaries.Etcd))
	case conflict, gone, tooMany, broken, cut, slow:
		for slot, p := range s.proxies {
			if a.Replica == slot || a.Replica == 2 {
				p.set(&a)
				defer p.set(nil)
			}
		}
		time.Sleep(a.For)
	case goodPolicy, badPolicy, noPolicy:
		s.writePolicy(ctx, a)
	case caEmptied, caDeleted:
		s.rotate(ctx, a)
	}
}

func (s *storm) must(err error) {
	if err != nil {
		s.problem("%v", err)
	}
}

func (s *storm) signal(slot int, signal syscall.Signal) {
	r, _ := s.in(slot)
	if signal == syscall.SIGTERM || signal == syscall.SIGKILL {
		r.wanted.Store(true)
	}
	r.tell("%v", signal)
	s.must(r.Process.Signal(signal))
}

// again starts a replica in the place of one that ends, as the kubelet does.
func (s *storm) again(ctx context.Context, t *testing.T, a action, killedAt time.Time) {
	old, ended := s.in(a.Replica)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		s.problem("replica %d does not end", old.id)
	}
	for s.service.has(old) {
		time.Sleep(10 * time.Millisecond)
	}
	if !killedAt.IsZero() {
		s.record(a.Kind, a.Replica, killedAt)
	}
	r, err := s.start(ctx, t, a.Replica)
	if err == nil {
		err = s.awaitEndpoint(ctx, r)
	}
	s.must(err)
}

// replace is what a Deployment does with maxSurge: another replica first, then no new connections, then SIGTERM.
func (s *storm) replace(ctx context.Context, t *testing.T, slot int) {
	old, ended := s.in(slot)
	r, err := s.start(ctx, t, slot)
	if err == nil {
		err = s.awaitEndpoint(ctx, r)
	}
	s.must(err)
	old.retired.Store(true)
	s.service.set(old, false)
	time.Sleep(2 * time.Second) // the chart's preStop
	old.wanted.Store(true)
	old.tell("SIGTERM after preStop")
	s.must(old.Process.Signal(syscall.SIGTERM))
	select {
	case <-ended:
	case <-time.After(time.Minute):
		s.problem("replica %d does not end", old.id)
	}
}

// starve keeps the processors busy with twice as many processes as there are.
func (s *storm) starve(long time.Duration) {
	for range 2 * runtime.NumCPU() {
		busy := exec.Command("sh", "-c", "while :; do :; done")
		if err := cluster.StartChild(busy); err != nil {
			s.problem("%v", err)
			continue
		}
		defer func() {
			_ = busy.Process.Kill()
			_ = busy.Wait()
		}()
	}
	time.Sleep(long)
}

// bodies of policies that judge differently.
var bodies = []string{
	"profile: recommended", "profile: strict", "profile: minimal", "mode: warn", "mode: audit", "fixes: false",
	"rules: {no-readiness-probe: {level: deny}}", "profile: strict\nmode: warn",
	"scopes: [{name: alone, match: {kinds: [Pod]}, profile: strict}]",
	"exemptions: [{rules: [probe-port-unresolved], reason: soak, match: {containers: [app]}}]",
}

// policyText is a policy like no other.
func policyText(n int, seed uint64) string {
	return fmt.Sprintf("apiVersion: podvet.dev/v1alpha1\nkind: Policy\nkubernetes: \"1.35-1.37\"\nhelp: soak-%d\n%s\n",
		n, bodies[seed%uint64(len(bodies))])
}

// writePolicy writes it until it is written, or refused. Half of the bad ones come in by a way that /validate-policy
// does not see.
func (s *storm) writePolicy(ctx context.Context, a action) {
	s.mu.Lock()
	w := &written{kind: a.Kind, start: time.Now(), text: policyText(len(s.written), a.Seed)}
	s.written = append(s.written, w)
	s.mu.Unlock()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: policies}}
	if a.Kind == badPolicy {
		w.text += "profil: strict\n"
		if a.Seed%2 == 0 {
			object.Labels = map[string]string{bypass: "true"}
		}
	}
	object.Data = map[string]string{"policy.yaml": w.text}
	maps := s.admin.CoreV1().ConfigMaps(home)
	s.until(ctx, a.Kind, func(ctx context.Context) error {
		if a.Kind == noPolicy {
			err := maps.Delete(ctx, policies, metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		}
		_, err := maps.Update(ctx, object, metav1.UpdateOptions{})
		if apierrors.IsNotFound(err) {
			_, err = maps.Create(ctx, object, metav1.CreateOptions{})
		}
		if a.Kind == badPolicy && err != nil && strings.Contains(err.Error(), "denied the request") {
			s.mu.Lock()
			s.refused++
			s.mu.Unlock()
			return nil
		}
		return err
	})
	s.mu.Lock()
	w.end = time.Now()
	s.mu.Unlock()
}

// until tries again while the API server is away.
func (s *storm) until(ctx context.Context, what string, try func(context.Context) error) {
	var err error
	for range 60 {
		one, cancel := context.WithTimeout(ctx, 10*time.Second)
		err = try(one)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	s.problem("%s: %v", what, err)
}

func (s *storm) rotate(ctx context.Context, a action) {
	secrets := s.admin.CoreV1().Secrets(home)
	s.until(ctx, a.Kind, func(ctx context.Context) error {
		if a.Kind == caDeleted {
			err := secrets.Delete(ctx, caSecret, metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		}
		_, err := secrets.Patch(ctx, caSecret, types.JSONPatchType,
			[]byte(`[{"op": "add", "path": "/data", "value": {}}]`), metav1.PatchOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// reconnect moves the API server to other doors again and again: it keeps its connections else, and would meet few
// certificates and one replica.
func (s *storm) reconnect(ctx context.Context, t *testing.T) {
	current, old := s.doors, []*door(nil)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(3*time.Second + rand.N(2*time.Second)):
		}
		next := map[string]*door{}
		for name := range current {
			next[name] = s.service.open(t, name)
		}
		s.until(ctx, "moving the API server", func(ctx context.Context) error { return s.move(ctx, next) })
		for _, d := range current {
			old = append(old, d)
		}
		current = next
		var still []*door
		for _, d := range old {
			if d.idle() {
				d.close()
			} else {
				still = append(still, d)
			}
		}
		old = still
	}
}

func (s *storm) move(ctx context.Context, to map[string]*door) error {
	configurations := s.admin.AdmissionregistrationV1()
	m, err := configurations.MutatingWebhookConfigurations().Get(ctx, "podvet", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for i, w := range m.Webhooks {
		*m.Webhooks[i].ClientConfig.URL = to[doorOf(w.Name)].url("/mutate")
	}
	_, err = configurations.MutatingWebhookConfigurations().Update(ctx, m, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	v, err := configurations.ValidatingWebhookConfigurations().Get(ctx, "podvet", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for i, w := range v.Webhooks {
		path := "/validate"
		if w.Name == "validate-policy.podvet.dev" {
			path = "/validate-policy"
		}
		*v.Webhooks[i].ClientConfig.URL = to[doorOf(w.Name)].url(path)
	}
	_, err = configurations.ValidatingWebhookConfigurations().Update(ctx, v, metav1.UpdateOptions{})
	return err
}

// watchMachine records when this machine did not let anybody run: callers then give up for a reason of its own.
func (s *storm) watchMachine(ctx context.Context) {
	for ctx.Err() == nil {
		from := time.Now()
		time.Sleep(50 * time.Millisecond)
		if time.Since(from) > 300*time.Millisecond {
			s.record(stalled, 2, from)
		}
	}
}

const stalled = "this machine stalled"
