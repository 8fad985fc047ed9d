package pod

import corev1 "k8s.io/api/core/v1"

// facts are what rules ask at each container and is the same for all: worked out once, so that a pod of ten thousand
// containers is not looked through ten thousand times.
type facts struct {
	runsLong        bool           // an app container is long-running
	nothingRestarts bool           // there are app containers, and none restarts after any exit code
	queueProxy      *Container     // Knative's own; nil for none
	hostPorts       map[int32]bool // nil for none
}

func factsOf(containers []Container) facts {
	f := facts{}
	apps, restarted := 0, 0
	for i := range containers {
		c := &containers[i]
		if c.Class == App {
			apps++
			f.runsLong = f.runsLong || c.LongRunning
			if !HasRestartPolicy(c.Container, corev1.ContainerRestartPolicyNever) || len(c.RestartPolicyRules) > 0 {
				restarted++
			}
		}
		if f.queueProxy == nil && c.Name == "queue-proxy" {
			f.queueProxy = c
		}
		for _, port := range c.Ports {
			if port.HostPort == 0 {
				continue
			}
			if f.hostPorts == nil {
				f.hostPorts = map[int32]bool{}
			}
			f.hostPorts[port.HostPort] = true
		}
	}
	f.nothingRestarts = apps > 0 && restarted == 0
	return f
}
