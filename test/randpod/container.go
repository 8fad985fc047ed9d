package randpod

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// meshContainers are those that somebody else adds to a pod, or looks for in it.
var meshContainers = []string{"istio-proxy", "linkerd-proxy", "vault-agent", "envoy", "queue-proxy"}

// PodSpec makes a spec without API defaults.
func (g *Generator) PodSpec() corev1.PodSpec {
	spec := corev1.PodSpec{
		RestartPolicy: pick(g, "", corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure,
			corev1.RestartPolicyNever),
		TerminationGracePeriodSeconds: maybe[int64](g, 0, 1, 5, 30, 35, 60, 290, 3600, 100000, math.MaxInt64),
		HostNetwork:                   g.oneIn(6),
	}
	if g.oneIn(3) {
		spec.ActiveDeadlineSeconds = new(pick[int64](g, 1, 60, 120, 300, 3600, math.MaxInt32))
	}
	if !g.Valid && g.oneIn(3) {
		spec.TerminationGracePeriodSeconds = new(pick[int64](g, -5, -1, math.MinInt64, math.MaxInt64))
		spec.ActiveDeadlineSeconds = maybe[int64](g, 0, -1, math.MaxInt64)
		spec.RestartPolicy = pick[corev1.RestartPolicy](g, "Onfailure", corev1.RestartPolicyAlways)
	}
	g.node(&spec)
	grace := spec.TerminationGracePeriodSeconds
	for i := range g.r.IntN(3) {
		spec.InitContainers = append(spec.InitContainers, g.initContainer("init-"+strconv.Itoa(i), grace))
	}
	for i := range 1 + g.r.IntN(3) {
		name := fmt.Sprintf("%s-%d", pick(g, "app", "worker"), i)
		spec.Containers = append(spec.Containers, g.container(name, grace))
	}
	g.guests(&spec)
	return spec
}

// node says where the pod runs and what it shares there.
func (g *Generator) node(spec *corev1.PodSpec) {
	switch g.r.IntN(12) {
	case 0:
		spec.OS = &corev1.PodOS{Name: corev1.Windows}
	case 1:
		spec.OS = &corev1.PodOS{Name: corev1.Linux}
	case 2:
		spec.NodeSelector = map[string]string{corev1.LabelOSStable: string(corev1.Windows)}
	case 3:
		spec.HostPID = true
	case 4:
		spec.ShareProcessNamespace = new(true)
	}
}

// guests are containers that the pod's author did not write, and what no author writes.
func (g *Generator) guests(spec *corev1.PodSpec) {
	if g.oneIn(4) {
		spec.Containers[len(spec.Containers)-1].Name = pick(g, meshContainers...)
	}
	if len(spec.InitContainers) > 0 && g.oneIn(4) {
		spec.InitContainers[0].Name = pick(g, "istio-validation", "istio-init", "daprd")
	}
	if g.oneIn(8) {
		spec.Containers[len(spec.Containers)-1].Image = pick(g, "registry.example:5000/istio/proxyv2:1.27",
			"envoy@sha256:0f", "")
	}
	if g.Valid {
		return
	}
	if g.oneIn(8) {
		spec.EphemeralContainers = []corev1.EphemeralContainer{g.ephemeralContainer()}
	}
	switch g.r.IntN(300) {
	case 0: // more than are fixed
		for i := range 100 {
			c := *spec.Containers[0].DeepCopy()
			c.Name = "many-" + strconv.Itoa(i)
			spec.Containers = append(spec.Containers, c)
		}
	case 1, 2:
		spec.Containers = nil
	case 3, 4:
		spec.Containers = append(spec.Containers, g.container(spec.Containers[0].Name, nil))
	}
}

// ephemeralContainer is one that is sound but for what no ephemeral container may have.
func (g *Generator) ephemeralContainer() corev1.EphemeralContainer {
	sound := &Generator{r: g.r, Valid: true}
	c := sound.container("debug", nil)
	return corev1.EphemeralContainer{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
		Name: c.Name, Image: c.Image, Ports: c.Ports, Lifecycle: c.Lifecycle,
		LivenessProbe: c.LivenessProbe, ReadinessProbe: c.ReadinessProbe, StartupProbe: c.StartupProbe,
		RestartPolicy: c.RestartPolicy, RestartPolicyRules: c.RestartPolicyRules,
	}}
}

// initContainer is a plain one or a sidecar.
func (g *Generator) initContainer(name string, grace *int64) corev1.Container {
	c := g.container(name, grace)
	switch {
	case g.oneIn(2):
		c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	case g.Valid:
		c.LivenessProbe, c.ReadinessProbe, c.StartupProbe, c.Lifecycle = nil, nil, nil, nil
		if c.RestartPolicy != nil {
			c.RestartPolicy = new(pick(g, corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure))
		}
	}
	return c
}

func (g *Generator) container(name string, grace *int64) corev1.Container {
	c := corev1.Container{Name: name, Image: "registry.example/app:1"}
	for range g.r.IntN(4) {
		if port := g.containerPort(); !g.Valid || port.Name == "" || !declares(c.Ports, port.Name) {
			c.Ports = append(c.Ports, port)
		}
	}
	shared := g.probeHandler()
	c.LivenessProbe = g.probe("livenessProbe", shared)
	c.ReadinessProbe = g.probe("readinessProbe", shared)
	c.StartupProbe = g.probe("startupProbe", shared)
	if g.oneIn(4) {
		g.serve(&c)
	}
	if g.oneIn(3) {
		c.Lifecycle = g.lifecycle(grace)
	}
	if g.oneIn(3) {
		c.RestartPolicy = new(pick(g, corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever,
			corev1.ContainerRestartPolicyOnFailure))
		if g.oneIn(2) {
			c.RestartPolicyRules = g.restartRules()
		}
	}
	if g.oneIn(6) {
		c.Command = pick(g, []string{"sh", "-c"}, []string{"bash", "-c", "serve | tee log"},
			[]string{"sleep", "infinity"})
		c.Args = pick(g, nil, []string{"migrate && serve"}, []string{"exec serve"})
	}
	if g.oneIn(8) {
		accelerator := pick[corev1.ResourceName](g, "nvidia.com/gpu", "google.com/tpu", "amd.com/gpu")
		c.Resources.Limits = corev1.ResourceList{accelerator: resource.MustParse(pick(g, "0", "1"))}
	}
	return c
}

// serve makes an ordinary server of a container: most fixes are for these.
func (g *Generator) serve(c *corev1.Container) {
	c.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}
	c.LivenessProbe, c.ReadinessProbe = g.serversProbe("/healthz"), g.serversProbe("/ready")
	if !g.oneIn(3) {
		c.StartupProbe = nil
	}
}

func declares(ports []corev1.ContainerPort, name string) bool {
	return slices.ContainsFunc(ports, func(p corev1.ContainerPort) bool { return p.Name == name })
}

func (g *Generator) containerPort() corev1.ContainerPort {
	port := corev1.ContainerPort{
		Name:          pick(g, "", "http", "http", "https", "metrics", "grpc", "admin"),
		ContainerPort: pick[int32](g, 80, 443, 8080, 8443, 9090),
		Protocol: pick(g, "", corev1.ProtocolTCP, corev1.ProtocolTCP, corev1.ProtocolTCP, corev1.ProtocolUDP,
			corev1.ProtocolSCTP),
	}
	if g.oneIn(10) {
		port.HostPort = port.ContainerPort
	}
	if !g.Valid && g.oneIn(10) {
		port.ContainerPort = g.number(80, 65536)
		port.HostPort = g.number(0, 80, 65536)
		port.Name = pick(g, "http", "Not a name", "8080", "a-name-that-is-much-too-long")
	}
	return port
}

func (g *Generator) restartRules() []corev1.ContainerRestartRule {
	rules := make([]corev1.ContainerRestartRule, 1+g.r.IntN(2))
	for i := range rules {
		rules[i] = corev1.ContainerRestartRule{
			Action: pick(g, corev1.ContainerRestartRuleActionRestart, corev1.ContainerRestartRuleActionRestart,
				corev1.ContainerRestartRuleActionRestartAllContainers),
			ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
				Operator: pick(g, corev1.ContainerRestartRuleOnExitCodesOpIn,
					corev1.ContainerRestartRuleOnExitCodesOpNotIn),
				Values: pick(g, []int32{0}, []int32{1}, []int32{42, 43}, []int32{0, 1, 255}, []int32{math.MaxInt32}),
			}}
		if !g.Valid && g.oneIn(8) {
			rules[i].ExitCodes = pick(g, nil, &corev1.ContainerRestartRuleOnExitCodes{Operator: "Odd"})
		}
	}
	return rules
}
