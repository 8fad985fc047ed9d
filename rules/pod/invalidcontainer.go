package pod

import (
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Refuses tells whether the API server will refuse the pod for this container.
func (s *Subject) Refuses(c *Container) bool {
	root := &invalid{}
	root.container(s, c.Container, c.Class != Init)
	return len(root.problems) > 0
}

// notInit is said of probes and hooks alike.
const notInit = "cannot be part of an init container without restartPolicy Always: remove it"

// container looks at an app container, a sidecar or a plain init container, which may carry neither probes nor hooks.
func (v *invalid) container(s *Subject, c *corev1.Container, probed bool) {
	v.ports(c.Ports)
	v.restartPolicy(c)
	for _, kind := range ProbeKinds {
		probe := *kind.Field(c)
		switch {
		case probe == nil:
		case !probed:
			v.bad(kind.String(), notInit)
		default:
			v.at(kind.String()).probe(probe, kind)
		}
	}
	if c.Lifecycle == nil {
		return
	}
	if !probed {
		v.bad("lifecycle", notInit)
		return
	}
	lifecycle, grace := v.at("lifecycle"), s.Spec.TerminationGracePeriodSeconds
	if grace == nil {
		grace = new(int64(corev1.DefaultTerminationGracePeriodSeconds))
	}
	for _, kind := range HookKinds {
		if hook := *hookField(c.Lifecycle, kind); hook != nil {
			at := lifecycle.at(kind.String())
			if !at.handler(hookHandler(hook, nil), grace) {
				at.bad("", "has no handler: write one of exec, httpGet, sleep or tcpSocket")
			}
		}
	}
	lifecycle.stopSignal(s, c.Lifecycle.StopSignal)
}

// linuxSignal is what may be a stopSignal there (validateStopSignal); on Windows SIGKILL and SIGTERM may.
var linuxSignal = regexp.MustCompile(`^SIG(ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|` +
	`PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|` +
	`RTMIN(\+([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?)$`)

func (v *invalid) stopSignal(s *Subject, signal *corev1.Signal) {
	switch {
	case signal == nil:
	case s.Spec.OS == nil:
		v.bad("stopSignal", "needs spec.os.name")
	case s.Spec.OS.Name == corev1.Windows && *signal != corev1.SIGKILL && *signal != corev1.SIGTERM:
		v.bad("stopSignal", "is %q: write SIGKILL or SIGTERM", *signal)
	case s.Spec.OS.Name == corev1.Linux && !linuxSignal.MatchString(string(*signal)):
		v.bad("stopSignal", "is %q: write a signal such as SIGTERM", *signal)
	}
}

var protocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}

func (v *invalid) ports(ports []corev1.ContainerPort) {
	var names map[string]bool
	for i, port := range ports {
		at := v.item("ports", i)
		if port.Name != "" {
			if wrong := portNameProblem(port.Name); wrong != "" {
				at.bad("name", "%q is not a valid port name: %s", port.Name, wrong)
			} else if names[port.Name] {
				at.bad("name", "%q is declared twice in this container: rename one", port.Name)
			}
			if names == nil && len(ports) > 1 {
				names = make(map[string]bool, len(ports))
			}
			if names != nil {
				names[port.Name] = true
			}
		}
		if !validPort(int64(port.ContainerPort)) {
			at.bad("containerPort", "is %d: write 1 to 65535", port.ContainerPort)
		}
		if port.HostPort != 0 && !validPort(int64(port.HostPort)) {
			at.bad("hostPort", "is %d: write 1 to 65535", port.HostPort)
		}
		if !slices.Contains(protocols, port.Protocol) {
			at.bad("protocol", "is %q: write TCP, UDP or SCTP", port.Protocol)
		}
	}
}

var containerPolicies = []corev1.ContainerRestartPolicy{corev1.ContainerRestartPolicyAlways,
	corev1.ContainerRestartPolicyOnFailure, corev1.ContainerRestartPolicyNever}

func (v *invalid) restartPolicy(c *corev1.Container) {
	switch {
	case c.RestartPolicy == nil:
		if len(c.RestartPolicyRules) > 0 {
			v.bad("restartPolicy", "is missing: restartPolicyRules need one")
		}
	case !slices.Contains(containerPolicies, *c.RestartPolicy):
		v.bad("restartPolicy", "is %q: write Always, OnFailure or Never", *c.RestartPolicy)
	}
	if n := len(c.RestartPolicyRules); n > 20 {
		v.bad("restartPolicyRules", "are %d: at most 20 are allowed", n)
	}
	for i, rule := range c.RestartPolicyRules {
		v.item("restartPolicyRules", i).restartRule(rule)
	}
}

func (v *invalid) restartRule(rule corev1.ContainerRestartRule) {
	switch rule.Action {
	case corev1.ContainerRestartRuleActionRestart, corev1.ContainerRestartRuleActionRestartAllContainers:
	default:
		v.bad("action", "is %q: write Restart or RestartAllContainers", rule.Action)
	}
	if rule.ExitCodes == nil {
		v.bad("exitCodes", "are missing: say on which codes")
		return
	}
	switch rule.ExitCodes.Operator {
	case corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn:
	default:
		v.bad("exitCodes.operator", "is %q: write In or NotIn", rule.ExitCodes.Operator)
	}
	if n := len(rule.ExitCodes.Values); n > 255 {
		v.bad("exitCodes.values", "are %d: at most 255 are allowed", n)
	}
}

// ephemeral containers are refused when a pod is created; these fields they may never have.
func (v *invalid) ephemeral(c *corev1.EphemeralContainer) {
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"ports", len(c.Ports) > 0},
		{"livenessProbe", c.LivenessProbe != nil},
		{"readinessProbe", c.ReadinessProbe != nil},
		{"startupProbe", c.StartupProbe != nil},
		{"lifecycle", c.Lifecycle != nil},
		{"restartPolicy", c.RestartPolicy != nil},
		{"restartPolicyRules", len(c.RestartPolicyRules) > 0},
	} {
		if field.set {
			v.bad(field.name, "cannot be part of an ephemeral container: remove it")
		}
	}
}
