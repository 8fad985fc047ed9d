package randpod

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// commands are what probes, hooks and containers run: with and without a shell, right and wrong.
var commands = [][]string{
	{"cat", "/tmp/healthy"},
	{"true"},
	{"/opt/my tools/check"},
	{"curl -f localhost"},
	{"/bin/check -v"},
	{"a && b"},
	{"sh", "-c", "a | b"},
	{"sh", "test -f /tmp/healthy"},
	{"/bin/bash", "a; b"},
	{"cat", "/tmp/healthy", "|", "grep", "ok"},
	{"C:\\Program Files\\check.exe"},
	{"$(CHECK)"},
	{"größe prüfen und noch viel mehr"},
}

// sleeps are preStop scripts.
var sleeps = [][]string{
	{"sleep", "25"},
	{"/usr/bin/sleep", "1m"},
	{"sleep", "5"},
	{"sleep", "99999999999999999999"},
	{"sleep", "9223372036854775807"},
	{"sleep", "9223372036854775807s"},
	{"sleep", "0"},
	{"sleep", "-1"},
	{"/bin/sh", "-c", "sleep 20 && drain"},
	{"sh", "-c", "sleep 5"},
	{"sh", "-c", "echo bye && sleep 1m; sleep 9"},
	{"bash", "-ec", "sleep 40"},
	{"sh", "-c", "sleep 9223372036854775807; sleep 9223372036854775807"},
	{"/drain"},
}

func (g *Generator) exec(options [][]string) *corev1.ExecAction {
	if !g.Valid && g.oneIn(20) {
		return &corev1.ExecAction{Command: pick(g, nil, []string{""}, []string{"", ""})}
	}
	return &corev1.ExecAction{Command: pick(g, options...)}
}

func (g *Generator) port() intstr.IntOrString {
	if !g.Valid && g.oneIn(10) {
		return pick(g, intstr.FromInt32(0), intstr.FromInt32(-1), intstr.FromInt32(math.MaxInt32),
			intstr.FromString("8080"), intstr.FromString(""))
	}
	if g.oneIn(3) {
		return intstr.FromInt32(pick[int32](g, 80, 443, 8080, 8443, 9090, 10248, 31000, 65535))
	}
	return intstr.FromString(pick(g, "http", "http", "https", "metrics", "grpc", "nowhere"))
}

func (g *Generator) host() string {
	if !g.oneIn(8) {
		return ""
	}
	return pick(g, "localhost", "127.0.0.1", "::1", "0.0.0.0", "db.example", "10.0.0.1")
}

func (g *Generator) httpGet() *corev1.HTTPGetAction {
	get := &corev1.HTTPGetAction{Port: g.port(), Host: g.host(),
		Path:   pick(g, "", "/healthz", "/ready", "/actuator/health", "livez?verbose"),
		Scheme: pick(g, "", corev1.URISchemeHTTP, corev1.URISchemeHTTPS)}
	if g.oneIn(6) {
		get.HTTPHeaders = []corev1.HTTPHeader{{Name: "Host", Value: "shop.example"}}
	}
	return get
}

func (g *Generator) tcpSocket() *corev1.TCPSocketAction {
	return &corev1.TCPSocketAction{Port: g.port(), Host: g.host()}
}

func (g *Generator) probeHandler() corev1.ProbeHandler {
	if !g.Valid && g.oneIn(12) {
		return pick(g, corev1.ProbeHandler{}, corev1.ProbeHandler{Exec: g.exec(commands), TCPSocket: g.tcpSocket()})
	}
	switch g.r.IntN(6) {
	case 0, 1:
		return corev1.ProbeHandler{Exec: g.exec(commands)}
	case 2:
		return corev1.ProbeHandler{TCPSocket: g.tcpSocket()}
	case 3:
		number := pick[int32](g, 80, 8080, 9090)
		if !g.Valid {
			number = g.number(80, 8080)
		}
		return corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: number, Service: maybe(g, "", "ready")}}
	default:
		return corev1.ProbeHandler{HTTPGet: g.httpGet()}
	}
}

// probe has the container's shared handler or one of its own.
func (g *Generator) probe(kind string, shared corev1.ProbeHandler) *corev1.Probe {
	if g.oneIn(3) {
		return nil
	}
	p := &corev1.Probe{
		ProbeHandler:        *shared.DeepCopy(),
		InitialDelaySeconds: g.number(0, 0, 0, 0, 1, 5, 30, 1800),
		PeriodSeconds:       g.number(0, 1, 2, 3, 5, 10, 10, 60),
		TimeoutSeconds:      g.number(0, 1, 1, 2, 5, 10, 30),
		FailureThreshold:    g.number(0, 1, 2, 3, 3, 10, 30, 100),
	}
	if kind == "readinessProbe" || !g.Valid {
		p.SuccessThreshold = g.number(0, 1, 1, 2)
	}
	if kind != "readinessProbe" || !g.Valid {
		p.TerminationGracePeriodSeconds = maybe[int64](g, 1, 10, 60, math.MaxInt32)
	}
	if !g.Valid && g.oneIn(10) {
		p.TerminationGracePeriodSeconds = new(pick[int64](g, 0, -1, math.MaxInt64))
	}
	if g.oneIn(3) {
		p.ProbeHandler = g.probeHandler()
	}
	return p
}

// serversProbe is one of an ordinary server, which listens on 8080.
func (g *Generator) serversProbe(path string) *corev1.Probe {
	port := pick(g, intstr.FromString("http"), intstr.FromInt32(8080))
	return &corev1.Probe{
		ProbeHandler: pick(g,
			corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: port, Path: path}},
			corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}},
			corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080}}),
		InitialDelaySeconds: g.number(0, 0, 5),
		PeriodSeconds:       g.number(0, 5, 10, 10),
		TimeoutSeconds:      g.number(0, 1, 2, 5),
		FailureThreshold:    g.number(0, 3, 3, 6),
	}
}

// lifecycle has hooks that fit into the grace period.
func (g *Generator) lifecycle(grace *int64) *corev1.Lifecycle {
	l := &corev1.Lifecycle{}
	if g.oneIn(3) {
		l.PostStart = g.hook(grace, commands)
	}
	if !g.oneIn(4) {
		l.PreStop = g.hook(grace, sleeps)
	}
	if !g.Valid && g.oneIn(4) {
		l.StopSignal = new(pick[corev1.Signal](g, "SIGTERM", "SIGFOO", "SIGHUP", "SIGRTMIN+15", "SIGRTMIN+16",
			"SIGRTMAX-14", "SIGRTMAX-15", "sigterm"))
	}
	return l
}

func (g *Generator) hook(grace *int64, scripts [][]string) *corev1.LifecycleHandler {
	switch g.r.IntN(8) {
	case 0:
		return &corev1.LifecycleHandler{HTTPGet: g.httpGet()}
	case 1:
		return &corev1.LifecycleHandler{TCPSocket: g.tcpSocket()}
	case 2:
		if !g.Valid {
			return pick(g, &corev1.LifecycleHandler{}, &corev1.LifecycleHandler{Exec: g.exec(scripts),
				Sleep: &corev1.SleepAction{Seconds: 1}})
		}
		fallthrough
	case 3, 4:
		return &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: g.sleep(grace)}}
	default:
		return &corev1.LifecycleHandler{Exec: g.exec(scripts)}
	}
}

func (g *Generator) sleep(grace *int64) int64 {
	if !g.Valid {
		return pick[int64](g, 0, 1, 15, 30, 3600, -1, math.MaxInt64)
	}
	longest := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if grace != nil {
		longest = *grace
	}
	return min(pick[int64](g, 0, 1, 15, 25, 30, 3600, math.MaxInt64), longest)
}
