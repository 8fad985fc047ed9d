// Package randpod makes random pods that look like pods: small numbers, few names, the odd mistake, so that
// rules meet each other. Tests use it; nothing else does.
package randpod

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Generator makes pods from a seed.
type Generator struct {
	r *rand.Rand
	// Valid leaves out what the API server refuses: broken probes, unknown policies, hooks longer than the grace.
	Valid bool
}

// New starts a generator.
func New(seed uint64) *Generator { return &Generator{r: rand.New(rand.NewPCG(seed, 1))} }

func (g *Generator) oneIn(n int) bool { return g.r.IntN(n) == 0 }

func pick[T any](g *Generator, options ...T) T { return options[g.r.IntN(len(options))] }

func maybe[T any](g *Generator, options ...T) *T {
	if g.oneIn(2) {
		return nil
	}
	v := pick(g, options...)
	return &v
}

// Pod makes a pod with one to three containers, sidecars and init containers, with or without an owner.
func (g *Generator) Pod() *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "random", Namespace: "default", OwnerReferences: g.owner()},
		Spec:       g.PodSpec(),
	}
	if g.oneIn(4) {
		pod.Name, pod.GenerateName = "", "random-"
	}
	if g.oneIn(4) {
		pod.Annotations = map[string]string{"a": "b", "podvet.dev/fixed": "old-rule/app"}
	}
	return pod
}

func (g *Generator) owner() []metav1.OwnerReference {
	owners := []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d4f8c7b9"},
		{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "agent"},
		{APIVersion: "batch/v1", Kind: "Job", Name: "backup-29384950"},
		{APIVersion: "example.com/v1", Kind: "Thing", Name: "thing"},
		{APIVersion: "v1", Kind: "ReplicationController", Name: "old"},
	}
	if g.oneIn(3) {
		return nil
	}
	ref := pick(g, owners...)
	ref.UID = "46f0ac04-5a6e-4b3e-9c0e-000000000001"
	ref.Controller = maybe(g, true, true, false)
	return []metav1.OwnerReference{ref}
}

// PodSpec makes a spec without API defaults.
func (g *Generator) PodSpec() corev1.PodSpec {
	spec := corev1.PodSpec{
		RestartPolicy:                 pick(g, "", corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever),
		TerminationGracePeriodSeconds: maybe[int64](g, 0, 1, 5, 30, 35, 60, 3600, 100000),
		ActiveDeadlineSeconds:         maybe[int64](g, 60, 120, 300, 3600),
		HostNetwork:                   g.oneIn(6),
	}
	if !g.Valid {
		spec.TerminationGracePeriodSeconds = maybe(g, int64(-5), 0, 30, math.MaxInt64)
	}
	for i := range g.r.IntN(3) {
		c := g.container(fmt.Sprintf("init-%d", i), spec.TerminationGracePeriodSeconds)
		if g.oneIn(2) {
			c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		} else if g.Valid {
			c.LivenessProbe, c.ReadinessProbe, c.StartupProbe, c.Lifecycle, c.RestartPolicy = nil, nil, nil, nil, nil
			c.RestartPolicyRules = nil
		}
		spec.InitContainers = append(spec.InitContainers, c)
	}
	for i := range 1 + g.r.IntN(3) {
		spec.Containers = append(spec.Containers, g.container(pick(g, "app", "istio-proxy", "worker")+fmt.Sprintf("-%d", i), spec.TerminationGracePeriodSeconds))
	}
	if g.oneIn(4) {
		spec.Containers[0].Name = "istio-proxy"
	}
	if g.oneIn(8) {
		spec.OS = &corev1.PodOS{Name: pick(g, corev1.Windows, corev1.Linux)}
	}
	return spec
}

func (g *Generator) container(name string, grace *int64) corev1.Container {
	c := corev1.Container{Name: name, Image: "registry.example/app:1"}
	for i := range g.r.IntN(3) {
		port := corev1.ContainerPort{Name: pick(g, "http", "metrics", "admin") + strconv.Itoa(i), ContainerPort: pick[int32](g, 80, 8080, 9090)}
		port.Name = pick(g, port.Name, []string{"http", "metrics", ""}[i])
		port.Protocol = pick(g, "", corev1.ProtocolTCP, corev1.ProtocolTCP, corev1.ProtocolUDP)
		c.Ports = append(c.Ports, port)
	}
	shared := g.handler()
	c.LivenessProbe = g.probe(shared)
	c.ReadinessProbe = g.probe(shared)
	c.StartupProbe = g.probe(shared)
	if g.Valid {
		for _, p := range []*corev1.Probe{c.LivenessProbe, c.StartupProbe} {
			if p != nil {
				p.SuccessThreshold = 0
			}
		}
		if c.ReadinessProbe != nil {
			c.ReadinessProbe.TerminationGracePeriodSeconds = nil
		}
	}
	if g.oneIn(3) {
		c.Lifecycle = g.lifecycle(grace)
	}
	if g.oneIn(3) {
		c.RestartPolicy = new(pick(g, corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure))
		if g.oneIn(2) {
			c.RestartPolicyRules = g.restartRules()
		}
	}
	return c
}

func (g *Generator) restartRules() []corev1.ContainerRestartRule {
	rules := make([]corev1.ContainerRestartRule, 1+g.r.IntN(2))
	for i := range rules {
		rules[i] = corev1.ContainerRestartRule{
			Action: pick(g, corev1.ContainerRestartRuleActionRestart, corev1.ContainerRestartRuleActionRestart, corev1.ContainerRestartRuleActionRestartAllContainers),
			ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
				Operator: pick(g, corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn),
				Values:   pick(g, []int32{0}, []int32{1}, []int32{42, 43}, []int32{0, 1, 255}),
			}}
	}
	return rules
}

func (g *Generator) lifecycle(grace *int64) *corev1.Lifecycle {
	l := &corev1.Lifecycle{}
	if g.oneIn(3) {
		l.PostStart = &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}
	}
	if !g.Valid && g.oneIn(4) {
		l.StopSignal = new(pick[corev1.Signal](g, "SIGTERM", "SIGFOO", "SIGHUP", "SIGRTMIN+15", "SIGRTMIN+16", "SIGRTMAX-14", "SIGRTMAX-15", "sigterm"))
	}
	longest := int64(30)
	if grace != nil {
		longest = *grace
	}
	sleep := pick[int64](g, 0, 1, 15, 25, 30, 3600)
	if g.Valid {
		sleep = min(sleep, max(longest, 0))
	}
	l.PreStop = pick(g,
		&corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: sleep}},
		&corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: pick(g, []string{"sleep", "25"}, []string{"/bin/sh", "-c", "sleep 20 && drain"}, []string{"/drain"}, []string{"sleep", "99999999999999999999"})}},
		&corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(8080)}})
	return l
}

func (g *Generator) probe(shared corev1.ProbeHandler) *corev1.Probe {
	if g.oneIn(3) {
		return nil
	}
	p := &corev1.Probe{
		ProbeHandler:                  *shared.DeepCopy(),
		InitialDelaySeconds:           pick[int32](g, 0, 0, 0, 1, 5, 30),
		PeriodSeconds:                 pick[int32](g, 0, 1, 2, 3, 5, 10, 10, 60),
		TimeoutSeconds:                pick[int32](g, 0, 1, 1, 2, 5, 10, 30),
		SuccessThreshold:              pick[int32](g, 0, 1, 1, 2),
		FailureThreshold:              pick[int32](g, 0, 1, 2, 3, 3, 10, 30, 100),
		TerminationGracePeriodSeconds: maybe[int64](g, 1, 10, 60),
	}
	if g.oneIn(3) {
		p.ProbeHandler = g.handler()
	}
	if g.oneIn(20) {
		p.FailureThreshold, p.PeriodSeconds = math.MaxInt32, pick[int32](g, 1, 10, math.MaxInt32)
	}
	if !g.Valid && g.oneIn(10) {
		p.PeriodSeconds, p.FailureThreshold = pick[int32](g, -1, 0, 10), pick[int32](g, -1, 3, math.MinInt32)
	}
	return p
}

func (g *Generator) handler() corev1.ProbeHandler {
	port := pick(g, intstr.FromInt32(8080), intstr.FromInt32(80), intstr.FromString("http"), intstr.FromString("metrics"), intstr.FromString("nowhere"))
	host := ""
	if g.oneIn(8) {
		host = pick(g, "localhost", "127.0.0.1", "db.example")
	}
	if !g.Valid && g.oneIn(12) {
		return pick(g, corev1.ProbeHandler{}, corev1.ProbeHandler{
			Exec:      &corev1.ExecAction{},
			TCPSocket: &corev1.TCPSocketAction{Port: port}})
	}
	switch g.r.IntN(5) {
	case 0:
		return corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: pick(g, []string{"cat", "/tmp/healthy"}, []string{"curl -f localhost"}, []string{"sh", "-c", "a | b"})}}
	case 1:
		return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port, Host: host}}
	case 2:
		return corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: pick[int32](g, 80, 8080), Service: maybe(g, "", "ready")}}
	default:
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: port, Host: host, Path: pick(g, "", "/healthz", "/ready"),
			Scheme: pick(g, "", corev1.URISchemeHTTP, corev1.URISchemeHTTPS)}}
	}
}
