package budget

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// perContainer is what an element of a list of containers takes, in bytes.
var perContainer = int(listGrowth * float64(reflect.TypeFor[corev1.Container]().Size()))

func (c *cursor) containers(all []corev1.Container) []corev1.Container {
	c.list(func() {
		c.take(perContainer)
		all = append(all, corev1.Container{})
		c.container(&all[len(all)-1])
	})
	return all
}

func (c *cursor) container(v *corev1.Container) {
	c.object(func(key []byte) {
		switch string(key) {
		case "name":
			v.Name = c.string()
		case "image":
			v.Image = c.string()
		case "command":
			v.Command = c.strings()
		case "args":
			v.Args = c.strings()
		case "workingDir":
			v.WorkingDir = c.string()
		case "ports":
			v.Ports = []corev1.ContainerPort{}
			c.list(func() { v.Ports = append(v.Ports, c.containerPort()) })
		case "resources":
			c.resources(key)
		case "restartPolicy":
			v.RestartPolicy = new(corev1.ContainerRestartPolicy(c.string()))
		case "livenessProbe":
			v.LivenessProbe = c.probe()
		case "readinessProbe":
			v.ReadinessProbe = c.probe()
		case "startupProbe":
			v.StartupProbe = c.probe()
		case "lifecycle":
			v.Lifecycle = c.lifecycle()
		default:
			c.pass(inContainer)
		}
	})
}

// resources goes over those that name no accelerator.
func (c *cursor) resources(key []byte) {
	end := 0
	if c.next('{') {
		end = inContainer.unreadEnd(c.body, c.at, key)
	}
	if c.at = end; end == 0 {
		c.fail()
	}
}

func (c *cursor) containerPort() (p corev1.ContainerPort) {
	c.object(func(key []byte) {
		switch string(key) {
		case "name":
			p.Name = c.string()
		case "hostPort":
			p.HostPort = c.int32()
		case "containerPort":
			p.ContainerPort = c.int32()
		case "protocol":
			p.Protocol = corev1.Protocol(c.string())
		default:
			c.fail()
		}
	})
	return p
}

func (c *cursor) probe() *corev1.Probe {
	p := &corev1.Probe{}
	c.object(func(key []byte) {
		switch string(key) {
		case "exec":
			p.Exec = c.exec()
		case "httpGet":
			p.HTTPGet = c.httpGet()
		case "tcpSocket":
			p.TCPSocket = c.tcpSocket()
		case "grpc":
			p.GRPC = c.grpc()
		case "initialDelaySeconds":
			p.InitialDelaySeconds = c.int32()
		case "timeoutSeconds":
			p.TimeoutSeconds = c.int32()
		case "periodSeconds":
			p.PeriodSeconds = c.int32()
		case "successThreshold":
			p.SuccessThreshold = c.int32()
		case "failureThreshold":
			p.FailureThreshold = c.int32()
		case "terminationGracePeriodSeconds":
			p.TerminationGracePeriodSeconds = new(c.int(64))
		default:
			c.fail()
		}
	})
	return p
}

func (c *cursor) lifecycle() *corev1.Lifecycle {
	l := &corev1.Lifecycle{}
	c.object(func(key []byte) {
		switch string(key) {
		case "postStart":
			l.PostStart = c.hook()
		case "preStop":
			l.PreStop = c.hook()
		default:
			c.fail()
		}
	})
	return l
}

func (c *cursor) hook() *corev1.LifecycleHandler {
	h := &corev1.LifecycleHandler{}
	c.object(func(key []byte) {
		switch string(key) {
		case "exec":
			h.Exec = c.exec()
		case "httpGet":
			h.HTTPGet = c.httpGet()
		case "sleep":
			h.Sleep = &corev1.SleepAction{}
			c.only("seconds", func() { h.Sleep.Seconds = c.int(64) })
		default:
			c.fail()
		}
	})
	return h
}

func (c *cursor) exec() *corev1.ExecAction {
	e := &corev1.ExecAction{}
	c.only("command", func() { e.Command = c.strings() })
	return e
}

func (c *cursor) httpGet() *corev1.HTTPGetAction {
	h := &corev1.HTTPGetAction{}
	c.object(func(key []byte) {
		switch string(key) {
		case "path":
			h.Path = c.string()
		case "port":
			h.Port = c.port()
		case "host":
			h.Host = c.string()
		case "scheme":
			h.Scheme = corev1.URIScheme(c.string())
		default:
			c.fail()
		}
	})
	return h
}

func (c *cursor) tcpSocket() *corev1.TCPSocketAction {
	t := &corev1.TCPSocketAction{}
	c.only("port", func() { t.Port = c.port() })
	return t
}

func (c *cursor) grpc() *corev1.GRPCAction {
	g := &corev1.GRPCAction{}
	c.object(func(key []byte) {
		switch string(key) {
		case "port":
			g.Port = c.int32()
		case "service":
			if !c.word("null") {
				g.Service = new(c.string())
			}
		default:
			c.fail()
		}
	})
	return g
}

func (c *cursor) port() intstr.IntOrString {
	if c.next('"') {
		return intstr.FromString(c.string())
	}
	return intstr.FromInt32(c.int32())
}
