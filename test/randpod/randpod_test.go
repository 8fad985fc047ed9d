package randpod_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/test/randpod"
)

// seen counts shapes by their names.
type seen map[string]int

func (s seen) add(format string, args ...any) { s[fmt.Sprintf(format, args...)]++ }

// TestShapes: each shape is drawn, and many times, so that a property that holds of random pods holds of each.
func TestShapes(t *testing.T) {
	const objects = 4_000
	for _, valid := range []bool{true, false} {
		got := seen{}
		generator := randpod.New(1)
		generator.Valid = valid
		refused := 0
		for range objects {
			subject, ok := pod.Read(generator.Object())
			if !ok {
				got.add("workload without template")
				continue
			}
			if len(subject.Invalid()) > 0 {
				refused++
			}
			got.ofSubject(subject)
		}
		want := slices.Concat(owners(), ofPods(), ofContainers())
		if !valid {
			want = append(want, refusedShapes()...)
		}
		for _, shape := range want {
			if got[shape] < 5 {
				t.Errorf("valid %v: %s is drawn %d times", valid, shape, got[shape])
			}
		}
		if valid && refused > objects/5 || !valid && refused < objects/2 {
			t.Errorf("valid %v: the API server would refuse %d of %d", valid, refused, objects)
		}
	}
}

// TestFromBytes: the same bytes make the same objects, and one byte more or less another.
func TestFromBytes(t *testing.T) {
	first := func(choices ...byte) pod.Object { return randpod.FromBytes(choices).Object() }
	if !reflect.DeepEqual(first(1, 2, 3), first(1, 2, 3)) || !reflect.DeepEqual(first(), first()) {
		t.Error("one seed makes two objects")
	}
	if reflect.DeepEqual(first(0), first(1)) || reflect.DeepEqual(first(), first(1)) {
		t.Error("a byte changes nothing")
	}
}

func owners() []string {
	all := []string{"template owned", "owned without controller"}
	for _, kind := range pod.OwnerKinds() {
		if kind != "Pod" {
			all = append(all, "template of "+kind)
		}
	}
	for _, kind := range []string{"Pod", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job",
		"CronJob", "Deployment", "Rollout", "Thing"} {
		all = append(all, "pod of "+kind)
	}
	return append(all, "custom owner")
}

func ofPods() []string {
	all := []string{"Windows", "host network", "host PID", "shared processes", "Knative", "injected", "init containers"}
	for _, policy := range []string{"Always", "OnFailure", "Never"} {
		all = append(all, "pod policy "+policy)
	}
	for _, grace := range []int64{0, 1, 30, math.MaxInt64} {
		all = append(all, fmt.Sprint("grace ", grace))
	}
	for _, deadline := range []int64{1, 120, math.MaxInt32} {
		all = append(all, fmt.Sprint("deadline ", deadline))
	}
	return all
}

func ofContainers() []string {
	all := []string{"accelerated", "host port", "watchdog", "shell as process 1", "host", "headers", "same handlers",
		"same number over UDP and TCP"}
	for _, class := range []string{"app", "sidecar"} {
		all = append(all, "class "+class)
		for _, kind := range pod.ProbeKinds {
			for _, handler := range []string{"exec", "httpGet", "tcpSocket", "grpc"} {
				all = append(all, fmt.Sprintf("%s %s %s", class, kind, handler))
			}
			all = append(all, fmt.Sprintf("%s %s absent", class, kind))
		}
	}
	all = append(all, "class init")
	for _, hook := range pod.HookKinds {
		for _, handler := range []string{"exec", "httpGet", "tcpSocket", "sleep"} {
			all = append(all, fmt.Sprintf("%s %s", hook, handler))
		}
	}
	for _, port := range []string{"named", "numeric", "undeclared", "unresolved", "not over TCP"} {
		all = append(all, "port "+port)
	}
	for _, policy := range []string{"Always", "OnFailure", "Never"} {
		for _, rule := range []string{"no rules", "Restart", "RestartAllContainers"} {
			all = append(all, fmt.Sprintf("container policy %s, %s", policy, rule))
		}
	}
	for _, field := range numbers {
		for _, n := range []int{1, math.MaxInt32} {
			all = append(all, fmt.Sprintf("%s %d", field, n))
		}
	}
	return append(all, "initialDelaySeconds 0")
}

// refusedShapes are those that the API server refuses.
func refusedShapes() []string {
	all := []string{"workload without template", "mirror", "ephemeral containers", "no containers", "many containers",
		"probe without handler", "two handlers", "no command", "unknown pod policy", "probes in an init container",
		"rule without codes"}
	for _, field := range numbers {
		all = append(all, field+" negative")
	}
	return append(all, "grace negative", "deadline 0", "deadline negative")
}

var numbers = []string{"initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"}

// number names a number, a negative one by that alone.
func (s seen) number(field string, n int64) {
	if n < 0 {
		s.add("%s negative", field)
		return
	}
	s.add("%s %d", field, n)
}

// when counts a shape where it is there.
func (s seen) when(there bool, shape string) {
	if there {
		s.add("%s", shape)
	}
}

func (s seen) ofSubject(subject *pod.Subject) {
	spec := subject.Spec
	switch {
	case subject.Template:
		s.add("template of %s", subject.Kind)
		s.when(subject.JudgedAtOwner, "template owned")
	default:
		s.add("pod of %s", subject.OwnerKind)
		s.when(subject.Owner == pod.Nobody && len(subject.Meta.OwnerReferences) > 0, "owned without controller")
	}
	s.when(subject.Owner == pod.CustomOwners, "custom owner")
	s.when(subject.Windows(), "Windows")
	s.when(spec.HostNetwork, "host network")
	s.when(spec.HostPID, "host PID")
	s.when(spec.ShareProcessNamespace != nil, "shared processes")
	s.when(subject.Knative(), "Knative")
	s.when(subject.Mirror(), "mirror")
	s.when(len(spec.InitContainers) > 0, "init containers")
	s.when(len(spec.EphemeralContainers) > 0, "ephemeral containers")
	s.when(len(spec.Containers) == 0, "no containers")
	s.when(len(spec.Containers) > 100, "many containers")
	s.add("pod policy %s", spec.RestartPolicy)
	s.when(spec.RestartPolicy == "Onfailure", "unknown pod policy")
	s.number("grace", *spec.TerminationGracePeriodSeconds)
	if spec.ActiveDeadlineSeconds != nil {
		s.number("deadline", *spec.ActiveDeadlineSeconds)
	}
	for i := range subject.Containers {
		c := &subject.Containers[i]
		s.ofContainer(c, map[pod.Class]string{pod.App: "app", pod.Sidecar: "sidecar"}[c.Class])
	}
	for c := range subject.InitContainers() {
		s.add("class init")
		s.when(c.LivenessProbe != nil, "probes in an init container")
	}
}

func (s seen) ofContainer(c *pod.Container, class string) {
	s.add("class %s", class)
	s.when(c.Accelerated(), "accelerated")
	s.when(slices.Contains(rules.DefaultInjected, c.Name), "injected")
	s.when(len(c.Command) > 1 && strings.HasSuffix(c.Command[0], "sh"), "shell as process 1")
	udp := map[int32]bool{}
	for _, port := range c.Ports {
		s.when(port.HostPort != 0, "host port")
		udp[port.ContainerPort] = udp[port.ContainerPort] || port.Protocol == corev1.ProtocolUDP
	}
	for _, port := range c.Ports {
		s.when(udp[port.ContainerPort] && pod.IsTCP(port), "same number over UDP and TCP")
	}
	if c.RestartPolicy != nil {
		s.ofRestarts(c)
	}
	live, _ := c.ProbeOf(pod.Liveness)
	ready, _ := c.ProbeOf(pod.Readiness)
	s.when(live.Probe != nil && live.Delay() >= 1800, "watchdog")
	s.when(live.Probe != nil && ready.Probe != nil && live.SameAs(ready.Handler), "same handlers")
	for _, kind := range pod.ProbeKinds {
		what := fmt.Sprintf("%s %s", class, kind)
		if probe := *kind.Field(c.Container); probe != nil {
			s.ofProbe(what, c.NewProbe(kind, probe))
		} else {
			s.add("%s absent", what)
		}
	}
	for _, kind := range pod.HookKinds {
		if hook, ok := c.Hook(kind); ok {
			s.ofHandler(kind.String(), hook.Handler)
		}
	}
}

func (s seen) ofRestarts(c *pod.Container) {
	if len(c.RestartPolicyRules) == 0 {
		s.add("container policy %s, no rules", *c.RestartPolicy)
	}
	for _, rule := range c.RestartPolicyRules {
		s.add("container policy %s, %s", *c.RestartPolicy, rule.Action)
		s.when(rule.ExitCodes == nil, "rule without codes")
	}
}

func (s seen) ofProbe(what string, p pod.Probe) {
	for i, n := range []int32{p.InitialDelaySeconds, p.PeriodSeconds, p.TimeoutSeconds, p.FailureThreshold} {
		s.number(numbers[i], int64(n))
	}
	if len(s.ofHandler(what, p.Handler)) == 0 {
		s.add("probe without handler")
	}
}

// ofHandler counts a handler by its kind and what it connects to, and returns its kinds: one, if it is valid.
func (s seen) ofHandler(what string, h pod.Handler) (kinds []string) {
	for _, kind := range []struct {
		name string
		set  bool
	}{
		{"exec", h.Exec != nil}, {"httpGet", h.HTTPGet != nil}, {"tcpSocket", h.TCPSocket != nil},
		{"grpc", h.GRPC != nil}, {"sleep", h.Sleep != nil},
	} {
		if kind.set {
			kinds = append(kinds, kind.name)
			s.add("%s %s", what, kind.name)
		}
	}
	s.when(len(kinds) > 1, "two handlers")
	s.when(h.Exec != nil && len(h.Exec.Command) == 0, "no command")
	s.when(h.Host() != "", "host")
	s.when(h.HTTPGet != nil && len(h.HTTPGet.HTTPHeaders) > 0, "headers")
	ref, ok := h.PortRef()
	if !ok {
		return kinds
	}
	_, unresolved := h.Unresolved()
	s.when(unresolved, "port unresolved")
	s.when(ref.Type == intstr.String && !unresolved, "port named")
	s.when(ref.Type == intstr.Int, "port numeric")
	s.when(ref.Type == intstr.Int && len(h.Declared()) == 0, "port undeclared")
	s.when(!unresolved && !h.ReachesTCP(), "port not over TCP")
	return kinds
}
