package rules

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Problem is what is wrong with a value, at a path below the thing that was looked at.
type Problem struct{ Path, Text string }

// ProbeTemplate is a probe that a policy's author promises to succeed on a healthy container.
type ProbeTemplate struct {
	PortName string       `json:"portName" doc:"the declared port that tells to which containers it applies"`
	Probe    corev1.Probe `json:"probe" doc:"the probe to inject, as in a pod"`
}

// problems names what would make the API server refuse the pods that the template is injected into, or
// leave them with a probe that never answers.
func (t *ProbeTemplate) problems(kind ProbeKind) []Problem {
	if t == nil {
		return nil
	}
	var problems []Problem
	if errs := validation.IsValidPortName(t.PortName); len(errs) > 0 {
		problems = append(problems, Problem{"template.portName", "must name the port of the containers it applies to, such as http"})
	}
	v := invalid{path: "template.probe"}
	v.probe(&t.Probe, kind)
	problems = append(problems, v.problems...)
	probe := Probe{Probe: &t.Probe}
	if ref, ok := probe.PortRef(); ok && ref.Type == intstr.String && ref.StrVal != t.PortName && t.PortName != "" {
		problems = append(problems, Problem{"template.probe." + portOf(probe), fmt.Sprintf("asks port %q, but only %q is sure to be declared: write port: %s", ref.StrVal, t.PortName, t.PortName)})
	}
	return problems
}

// Invalid names what the API server refuses in an object with its defaults, as far as podvet judges it: probes,
// handlers, ports, lifecycle, restartPolicy, grace and deadlines (K pkg/apis/core/validation/validation.go,
// pkg/apis/apps/validation, pkg/apis/batch/validation). The paths are the object's.
func Invalid(obj runtime.Object) []Problem {
	s, ok := SubjectOf(obj)
	if !ok {
		return nil
	}
	v := invalid{path: s.path}
	v.pod(s)
	switch o := obj.(type) {
	case *batchv1.Job:
		v.job(&o.Spec, "spec")
	case *batchv1.CronJob:
		v.job(&o.Spec.JobTemplate.Spec, "spec.jobTemplate.spec")
		if deadline := o.Spec.StartingDeadlineSeconds; deadline != nil && *deadline < 0 {
			v.path = "spec"
			v.bad("startingDeadlineSeconds", "is %d: write 0 or more", *deadline)
		}
	case *appsv1.Deployment:
		v.controlled(s)
		v.progressDeadline(&o.Spec)
	case *appsv1.ReplicaSet, *appsv1.StatefulSet, *appsv1.DaemonSet, *corev1.ReplicationController:
		v.controlled(s)
	}
	return v.problems
}

// controlled looks at what controllers that keep their pods running ask of a template.
func (v *invalid) controlled(s *Subject) {
	if s.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		v.bad("restartPolicy", "is %s: a %s takes only Always", s.Spec.RestartPolicy, s.Kind)
	}
	if s.Spec.ActiveDeadlineSeconds != nil {
		v.bad("activeDeadlineSeconds", "a %s has no deadline: remove it", s.Kind)
	}
}

func (v *invalid) progressDeadline(spec *appsv1.DeploymentSpec) {
	v.path = "spec"
	deadline := int32(600)
	if spec.ProgressDeadlineSeconds != nil {
		deadline = *spec.ProgressDeadlineSeconds
	}
	switch {
	case deadline < 0:
		v.bad("progressDeadlineSeconds", "is %d: write more than minReadySeconds, %d", deadline, spec.MinReadySeconds)
	case deadline <= spec.MinReadySeconds:
		v.bad("progressDeadlineSeconds", "is %d: it must be more than minReadySeconds, %d", deadline, spec.MinReadySeconds)
	}
}

// invalid collects problems below a path.
type invalid struct {
	path     string
	problems []Problem
}

func (v *invalid) bad(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{strings.Trim(v.path+"."+path, "."), fmt.Sprintf(format, args...)})
}

// below runs f for what stands at a path below this one.
func (v *invalid) below(path string, f func(*invalid)) {
	child := invalid{path: strings.Trim(v.path+"."+path, ".")}
	f(&child)
	v.problems = append(v.problems, child.problems...)
}

func (v *invalid) pod(s *Subject) {
	spec := s.Spec
	if !slices.Contains([]corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}, spec.RestartPolicy) {
		v.bad("restartPolicy", "is %q: write Always, OnFailure or Never", spec.RestartPolicy)
	}
	if deadline := spec.ActiveDeadlineSeconds; deadline != nil && (*deadline < 1 || *deadline > math.MaxInt32) {
		v.bad("activeDeadlineSeconds", "is %d: write 1 to %d", *deadline, math.MaxInt32)
	}
	hostPorts := map[string]bool{}
	for i := range spec.Containers {
		v.below(fmt.Sprintf("containers[%d]", i), func(v *invalid) {
			v.container(s, &spec.Containers[i], true)
			v.hostPorts(spec.Containers[i].Ports, hostPorts)
		})
	}
	for i := range spec.InitContainers {
		v.below(fmt.Sprintf("initContainers[%d]", i), func(v *invalid) {
			c := &spec.InitContainers[i]
			v.container(s, c, hasRestartPolicy(c, corev1.ContainerRestartPolicyAlways))
			v.hostPorts(c.Ports, map[string]bool{})
		})
	}
	v.hostNetwork(s)
	for i := range spec.EphemeralContainers {
		v.below(fmt.Sprintf("ephemeralContainers[%d]", i), func(v *invalid) { v.ephemeral(&spec.EphemeralContainers[i]) })
	}
}

// refuses tells whether the API server will refuse the pod for this container.
func (s *Subject) refuses(c *Container) bool {
	v := invalid{}
	v.container(s, c.Container, true)
	return len(v.problems) > 0
}

// container looks at an app container, a sidecar or a plain init container, which may carry neither probes nor hooks.
func (v *invalid) container(s *Subject, c *corev1.Container, probed bool) {
	v.ports(c.Ports)
	v.restartPolicy(c)
	for kind := Liveness; kind <= Startup; kind++ {
		probe := *probeField(c, kind)
		switch {
		case probe == nil:
		case !probed:
			v.bad(kind.String(), "an init container without restartPolicy Always cannot be probed: remove it")
		default:
			v.below(kind.String(), func(v *invalid) { v.probe(probe, kind) })
		}
	}
	if c.Lifecycle == nil {
		return
	}
	if !probed {
		v.bad("lifecycle", "an init container without restartPolicy Always has no hooks: remove it")
		return
	}
	hook := func(name string, h *corev1.LifecycleHandler) {
		if h != nil {
			v.below("lifecycle."+name, func(v *invalid) {
				v.handler(handler{h.Exec, h.HTTPGet, h.TCPSocket, nil, h.Sleep}, s.Spec.TerminationGracePeriodSeconds)
			})
		}
	}
	hook("postStart", c.Lifecycle.PostStart)
	hook("preStop", c.Lifecycle.PreStop)
	v.stopSignal(s, c.Lifecycle.StopSignal)
}

// linuxSignal is what may be a stopSignal there (validateStopSignal); on Windows SIGKILL and SIGTERM may.
var linuxSignal = regexp.MustCompile(`^SIG(ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?)$`)

func (v *invalid) stopSignal(s *Subject, signal *corev1.Signal) {
	switch {
	case signal == nil:
	case s.Spec.OS == nil:
		v.bad("lifecycle.stopSignal", "needs spec.os.name")
	case s.Spec.OS.Name == corev1.Windows && *signal != corev1.SIGKILL && *signal != corev1.SIGTERM:
		v.bad("lifecycle.stopSignal", "is %q: write SIGKILL or SIGTERM", *signal)
	case s.Spec.OS.Name == corev1.Linux && !linuxSignal.MatchString(string(*signal)):
		v.bad("lifecycle.stopSignal", "is %q: write a signal such as SIGTERM", *signal)
	}
}

func (v *invalid) ports(ports []corev1.ContainerPort) {
	names := map[string]bool{}
	for i, port := range ports {
		path := fmt.Sprintf("ports[%d].", i)
		if port.Name != "" {
			if errs := validation.IsValidPortName(port.Name); len(errs) > 0 {
				v.bad(path+"name", "%q is no port name: it %s", port.Name, errs[0])
			} else if names[port.Name] {
				v.bad(path+"name", "%q stands twice in this container: give one another name", port.Name)
			}
			names[port.Name] = true
		}
		if !validPort(int64(port.ContainerPort)) {
			v.bad(path+"containerPort", "is %d: write 1 to 65535", port.ContainerPort)
		}
		if port.HostPort != 0 && !validPort(int64(port.HostPort)) {
			v.bad(path+"hostPort", "is %d: write 1 to 65535", port.HostPort)
		}
		if !slices.Contains([]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}, port.Protocol) {
			v.bad(path+"protocol", "is %q: write TCP, UDP or SCTP", port.Protocol)
		}
	}
}

// hostPorts finds ports of the node that are asked for twice.
func (v *invalid) hostPorts(ports []corev1.ContainerPort, seen map[string]bool) {
	for i, port := range ports {
		if port.HostPort == 0 {
			continue
		}
		key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
		if seen[key] {
			v.bad(fmt.Sprintf("ports[%d].hostPort", i), "%d is taken by another port of this pod", port.HostPort)
		}
		seen[key] = true
	}
}

// hostNetwork: there the port of the container is the port of the node.
func (v *invalid) hostNetwork(s *Subject) {
	if !s.Spec.HostNetwork {
		return
	}
	for i, c := range s.Spec.Containers {
		for j, port := range c.Ports {
			if port.HostPort != port.ContainerPort && (!s.Template || port.HostPort != 0) {
				v.bad(fmt.Sprintf("containers[%d].ports[%d].hostPort", i, j), "is %d: with hostNetwork it must be the containerPort, %d", port.HostPort, port.ContainerPort)
			}
		}
	}
}

func (v *invalid) restartPolicy(c *corev1.Container) {
	policies := []corev1.ContainerRestartPolicy{corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyOnFailure, corev1.ContainerRestartPolicyNever}
	switch {
	case c.RestartPolicy == nil:
		if len(c.RestartPolicyRules) > 0 {
			v.bad("restartPolicy", "is missing: restartPolicyRules need one beside them")
		}
	case !slices.Contains(policies, *c.RestartPolicy):
		v.bad("restartPolicy", "is %q: write Always, OnFailure or Never", *c.RestartPolicy)
	}
	if n := len(c.RestartPolicyRules); n > 20 {
		v.bad("restartPolicyRules", "are %d: at most 20 are allowed", n)
	}
	for i, rule := range c.RestartPolicyRules {
		path := fmt.Sprintf("restartPolicyRules[%d].", i)
		if rule.Action != corev1.ContainerRestartRuleActionRestart && rule.Action != corev1.ContainerRestartRuleActionRestartAllContainers {
			v.bad(path+"action", "is %q: write Restart or RestartAllContainers", rule.Action)
		}
		if rule.ExitCodes == nil {
			v.bad(path+"exitCodes", "are missing: say on which codes")
			continue
		}
		if op := rule.ExitCodes.Operator; op != corev1.ContainerRestartRuleOnExitCodesOpIn && op != corev1.ContainerRestartRuleOnExitCodesOpNotIn {
			v.bad(path+"exitCodes.operator", "is %q: write In or NotIn", op)
		}
		if n := len(rule.ExitCodes.Values); n > 255 {
			v.bad(path+"exitCodes.values", "are %d: at most 255 are allowed", n)
		}
	}
}

// ephemeral containers are refused when a pod is created; these fields they may never have.
func (v *invalid) ephemeral(c *corev1.EphemeralContainer) {
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"ports", len(c.Ports) > 0}, {"livenessProbe", c.LivenessProbe != nil}, {"readinessProbe", c.ReadinessProbe != nil},
		{"startupProbe", c.StartupProbe != nil}, {"lifecycle", c.Lifecycle != nil}, {"restartPolicy", c.RestartPolicy != nil},
		{"restartPolicyRules", len(c.RestartPolicyRules) > 0},
	} {
		if field.set {
			v.bad(field.name, "an ephemeral container cannot have it: remove it")
		}
	}
}

func (v *invalid) job(job *batchv1.JobSpec, path string) {
	v.path = path
	if job.ActiveDeadlineSeconds != nil && *job.ActiveDeadlineSeconds < 0 {
		v.bad("activeDeadlineSeconds", "is %d: write 0 or more", *job.ActiveDeadlineSeconds)
	}
	switch policy := job.Template.Spec.RestartPolicy; {
	case policy != corev1.RestartPolicyOnFailure && policy != corev1.RestartPolicyNever:
		v.bad("template.spec.restartPolicy", "is %s: a Job takes OnFailure or Never, and has to say which", policy)
	case policy != corev1.RestartPolicyNever && job.PodFailurePolicy != nil:
		v.bad("template.spec.restartPolicy", "is %s: with a podFailurePolicy it must be Never", policy)
	}
}

// probe looks at a probe as the API server does.
func (v *invalid) probe(p *corev1.Probe, kind ProbeKind) {
	v.handler(handler{p.Exec, p.HTTPGet, p.TCPSocket, p.GRPC, nil}, nil)
	for _, field := range []struct {
		name  string
		value int32
	}{
		{"initialDelaySeconds", p.InitialDelaySeconds}, {"timeoutSeconds", p.TimeoutSeconds}, {"periodSeconds", p.PeriodSeconds},
		{"successThreshold", p.SuccessThreshold}, {"failureThreshold", p.FailureThreshold},
	} {
		if field.value < 0 {
			v.bad(field.name, "is %d: write 0 or more", field.value)
		}
	}
	if kind != Readiness && p.SuccessThreshold > 1 {
		v.bad("successThreshold", "is %d: a %s must have 1", p.SuccessThreshold, kind)
	}
	if grace := p.TerminationGracePeriodSeconds; grace != nil {
		switch {
		case kind == Readiness:
			v.bad("terminationGracePeriodSeconds", "a readinessProbe ends nothing: remove it")
		case *grace <= 0:
			v.bad("terminationGracePeriodSeconds", "is %d: write 1 or more", *grace)
		}
	}
}

// handler is a probe's or a hook's.
type handler struct {
	exec      *corev1.ExecAction
	httpGet   *corev1.HTTPGetAction
	tcpSocket *corev1.TCPSocketAction
	grpc      *corev1.GRPCAction
	sleep     *corev1.SleepAction
}

// handler looks at the first handler; any other is one too many.
func (v *invalid) handler(h handler, grace *int64) {
	handlers := 0
	one := func(name string, set bool, look func(*invalid)) {
		switch {
		case !set:
		case handlers > 0:
			v.bad(name, "is one handler too many: keep one")
		default:
			handlers++
			v.below(name, look)
		}
	}
	one("exec", h.exec != nil, func(v *invalid) {
		if len(h.exec.Command) == 0 {
			v.bad("command", "is empty: write the command and its arguments")
		}
	})
	one("httpGet", h.httpGet != nil, func(v *invalid) { v.httpGet(h.httpGet) })
	one("tcpSocket", h.tcpSocket != nil, func(v *invalid) { v.port(h.tcpSocket.Port) })
	one("grpc", h.grpc != nil, func(v *invalid) {
		if !validPort(int64(h.grpc.Port)) {
			v.bad("port", "is %d: write 1 to 65535", h.grpc.Port)
		}
		if mode := h.grpc.Mode; mode != nil && *mode != corev1.GRPCProbeModePlaintext && *mode != corev1.GRPCProbeModeTLS {
			v.bad("mode", "is %q: write Plaintext or TLS", *mode)
		}
	})
	one("sleep", h.sleep != nil, func(v *invalid) {
		if grace != nil && (h.sleep.Seconds < 0 || h.sleep.Seconds > *grace) {
			v.bad("", "is %d s: write from 0 to %d, the terminationGracePeriodSeconds", h.sleep.Seconds, *grace)
		}
	})
	if handlers == 0 {
		v.bad("", "has no handler: write one of exec, httpGet, tcpSocket, grpc or, in a hook, sleep")
	}
}

func (v *invalid) httpGet(h *corev1.HTTPGetAction) {
	v.port(h.Port)
	if h.Scheme != "" && h.Scheme != corev1.URISchemeHTTP && h.Scheme != corev1.URISchemeHTTPS {
		v.bad("scheme", "is %q: write HTTP or HTTPS", h.Scheme)
	}
	for _, header := range h.HTTPHeaders {
		if errs := validation.IsHTTPHeaderName(header.Name); len(errs) > 0 {
			v.bad("httpHeaders", "%q is no header name", header.Name)
		}
	}
	if h.Protocol == nil {
		return
	}
	switch {
	case *h.Protocol != corev1.HTTPProtocolHTTP1 && *h.Protocol != corev1.HTTPProtocolHTTP2:
		v.bad("protocol", "is %q: write HTTP1 or HTTP2", *h.Protocol)
	case *h.Protocol == corev1.HTTPProtocolHTTP2 && h.Scheme == corev1.URISchemeHTTPS:
		v.bad("protocol", "is HTTP2, which goes with the scheme HTTP only")
	case *h.Protocol == corev1.HTTPProtocolHTTP2 && h.Host != "":
		v.bad("host", "must be empty with the protocol HTTP2")
	}
}

func (v *invalid) port(ref intstr.IntOrString) {
	if ref.Type == intstr.String {
		if errs := validation.IsValidPortName(ref.StrVal); len(errs) > 0 {
			v.bad("port", "%q is no port name: it %s", ref.StrVal, errs[0])
		}
	} else if !validPort(int64(ref.IntVal)) {
		v.bad("port", "is %d: write 1 to 65535 or the name of a declared port", ref.IntVal)
	}
}
