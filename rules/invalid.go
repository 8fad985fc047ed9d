package rules

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
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
	for _, problem := range probeProblems(&t.Probe, kind) {
		problems = append(problems, Problem{"template.probe." + problem.Path, problem.Text})
	}
	if ref, ok := (Probe{Probe: &t.Probe}).PortRef(); ok && ref.Type == intstr.String && ref.StrVal != t.PortName {
		problems = append(problems, Problem{"template.probe", fmt.Sprintf("asks port %q, but only %q is sure to be declared: write port: %s", ref.StrVal, t.PortName, t.PortName)})
	}
	return problems
}

// probeProblems is what the API server refuses in a probe (K pkg/apis/core/validation/validation.go
// validateProbe, validateHandler, validateLivenessProbe, validateReadinessProbe, validateStartupProbe).
func probeProblems(p *corev1.Probe, kind ProbeKind) []Problem {
	problems := handlerProblems(&p.ProbeHandler)
	bad := func(path, format string, args ...any) {
		problems = append(problems, Problem{path, fmt.Sprintf(format, args...)})
	}
	for path, n := range map[string]int32{"initialDelaySeconds": p.InitialDelaySeconds, "timeoutSeconds": p.TimeoutSeconds,
		"periodSeconds": p.PeriodSeconds, "successThreshold": p.SuccessThreshold, "failureThreshold": p.FailureThreshold} {
		if n < 0 {
			bad(path, "is %d: write 0 or more", n)
		}
	}
	if kind != Readiness && p.SuccessThreshold > 1 {
		bad("successThreshold", "is %d: a %s must have 1", p.SuccessThreshold, kind)
	}
	if grace := p.TerminationGracePeriodSeconds; grace != nil {
		switch {
		case kind == Readiness:
			bad("terminationGracePeriodSeconds", "a readinessProbe ends nothing: remove it")
		case *grace <= 0:
			bad("terminationGracePeriodSeconds", "is %d: write 1 or more", *grace)
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Path, b.Path) })
	return problems
}

func handlerProblems(h *corev1.ProbeHandler) []Problem {
	var problems []Problem
	bad := func(path, format string, args ...any) {
		problems = append(problems, Problem{path, fmt.Sprintf(format, args...)})
	}
	port := func(path string, ref intstr.IntOrString) {
		if ref.Type == intstr.String {
			if errs := validation.IsValidPortName(ref.StrVal); len(errs) > 0 {
				bad(path, "%q is no port name: %s", ref.StrVal, errs[0])
			}
		} else if !validPort(int64(ref.IntVal)) {
			bad(path, "is %d: write 1 to 65535 or the name of a declared port", ref.IntVal)
		}
	}
	handlers := 0
	if h.Exec != nil {
		handlers++
		if len(h.Exec.Command) == 0 {
			bad("exec.command", "is empty: write the command and its arguments")
		}
	}
	if h.HTTPGet != nil {
		handlers++
		port("httpGet.port", h.HTTPGet.Port)
		if s := h.HTTPGet.Scheme; s != "" && s != corev1.URISchemeHTTP && s != corev1.URISchemeHTTPS {
			bad("httpGet.scheme", "is %q: write HTTP or HTTPS", s)
		}
		for i, header := range h.HTTPGet.HTTPHeaders {
			if errs := validation.IsHTTPHeaderName(header.Name); len(errs) > 0 {
				bad(fmt.Sprintf("httpGet.httpHeaders[%d].name", i), "%q is no header name: %s", header.Name, errs[0])
			}
		}
	}
	if h.TCPSocket != nil {
		handlers++
		port("tcpSocket.port", h.TCPSocket.Port)
	}
	if h.GRPC != nil {
		handlers++
		port("grpc.port", intstr.FromInt32(h.GRPC.Port))
	}
	if handlers != 1 {
		bad("", "has %d handlers: write one of exec, httpGet, tcpSocket or grpc", handlers)
	}
	return problems
}
