package catalogue

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// ProbeTemplate is a probe that a policy's author declares to succeed on a healthy container.
type ProbeTemplate struct {
	PortName string       `json:"portName" doc:"the declared port that tells to which containers it applies"`
	Probe    corev1.Probe `json:"probe" doc:"the probe to inject, as in a pod"`
}

// problems names what would make the API server refuse the pods that the template is injected into, or leave them with
// a probe that never answers.
func (t *ProbeTemplate) problems(kind pod.ProbeKind) []pod.Problem {
	if t == nil {
		return nil
	}
	var problems []pod.Problem
	if errs := validation.IsValidPortName(t.PortName); len(errs) > 0 {
		problems = append(problems, pod.Problem{Path: "template.portName",
			Text: "must name the port of the containers it applies to, such as http"})
	}
	problems = append(problems, pod.InvalidProbe(&t.Probe, kind, "template.probe")...)
	handler := (&pod.Container{}).NewProbe(kind, &t.Probe).Handler
	if handler.Host() != "" { // each pod has an address of its own
		field := "tcpSocket.host"
		if handler.HTTPGet != nil {
			field = "httpGet.host"
		}
		problems = append(problems, pod.Problem{Path: "template.probe." + field,
			Text: "is for all containers, and each pod has its own address: remove it"})
	}
	if _, certain := handler.NoShell(); certain {
		problems = append(problems, pod.Problem{Path: "template.probe.exec.command",
			Text: "is one word that no program has as its name: write each word apart, or sh, -c before it"})
	}
	ref, ok := handler.PortRef()
	if ok && ref.Type == intstr.String && ref.StrVal != t.PortName && t.PortName != "" {
		problems = append(problems, pod.Problem{Path: "template.probe." + handler.PortField(),
			Text: fmt.Sprintf("uses port %q, but only %[2]q is sure to be declared: write port: %[2]s",
				ref.StrVal, t.PortName)})
	}
	return problems
}

// injectTemplate adds the template's probe to a container that declares its port and has no probe of the kind.
func injectTemplate(p *rules.Pass, kind pod.ProbeKind, template *ProbeTemplate) {
	if template == nil || *kind.Field(p.Container.Container) != nil {
		return
	}
	for _, port := range p.Container.Ports {
		if port.Name == template.PortName && pod.IsTCP(port) {
			probe := template.Probe.DeepCopy()
			pod.DefaultProbe(probe)
			p.SetProbe(kind, *probe)
			return
		}
	}
}
