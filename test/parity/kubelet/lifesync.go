package kubelet

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/kuberuntime"
	"k8s.io/kubernetes/pkg/kubelet/prober/results"
)

func (n *lifeNode) all() (list []*corev1.Container) {
	for i := range n.Spec.InitContainers {
		list = append(list, &n.Spec.InitContainers[i])
	}
	for i := range n.Spec.Containers {
		list = append(list, &n.Spec.Containers[i])
	}
	return list
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// runtimeStatus is what the runtime said when it was last asked.
func (n *lifeNode) runtimeStatus() *kubecontainer.PodStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	said := &kubecontainer.PodStatus{ID: n.pod.UID, Name: n.pod.Name, Namespace: n.pod.Namespace}
	for _, c := range n.all() {
		for _, run := range n.seen[c.Name] {
			one := &kubecontainer.Status{ID: idOf(c.Name, run.id), Name: c.Name, RestartCount: run.id - 1,
				CreatedAt: run.started, StartedAt: run.started, State: kubecontainer.ContainerStateRunning}
			if run.exited {
				one.State, one.FinishedAt, one.ExitCode = kubecontainer.ContainerStateExited, run.ended, int(run.code)
			}
			said.ContainerStatuses = append(said.ContainerStatuses, one)
		}
	}
	return said
}

// makeStatus is generateAPIPodStatus and SetPodStatus.
func (n *lifeNode) makeStatus(pod *corev1.Pod, runtime *kubecontainer.PodStatus) corev1.PodPhase {
	old, _ := n.status.GetPodStatus(pod.UID)
	hasInit := len(pod.Spec.InitContainers) > 0
	made := corev1.PodStatus{
		InitContainerStatuses: n.version.Statuses(n.kl, pod, runtime, old.InitContainerStatuses,
			pod.Spec.InitContainers, hasInit, true),
		ContainerStatuses: n.version.Statuses(n.kl, pod, runtime, old.ContainerStatuses, pod.Spec.Containers,
			hasInit, false),
	}
	all := slices.Concat(made.InitContainerStatuses, made.ContainerStatuses)
	made.Phase = n.version.Phase(pod, all, n.done, n.appsRan)
	n.prober.UpdatePodStatus(context.Background(), pod, &made)
	time.Sleep(n.Timing.Store)
	// What UpdatePodStatus says counts for the phase, too.
	all = slices.Concat(made.InitContainerStatuses, made.ContainerStatuses)
	made.Phase = n.version.Phase(pod, all, n.done, n.appsRan)
	n.status.SetPodStatus(klog.Background(), pod, made)
	n.observe()
	return made.Phase
}

// observe tells what has changed for someone who watches the pod.
func (n *lifeNode) observe() {
	now, _ := n.status.GetPodStatus(n.pod.UID)
	for _, s := range slices.Concat(now.InitContainerStatuses, now.ContainerStatuses) {
		if s.Name == "init" {
			continue
		}
		var id kubecontainer.ContainerID
		_ = id.ParseString(s.ContainerID)
		_, number := parseID(id)
		was := n.shown[s.Name]
		event := lifeEvent{Container: s.Name, Restart: number - 1}
		if s.State.Running != nil && s.Started != nil && *s.Started && was.started != s.ContainerID {
			was.started = s.ContainerID
			event.Kind = "Started"
			n.tell(event)
		}
		if was.ready != s.Ready {
			was.ready = s.Ready
			event.Kind = map[bool]string{true: "Ready", false: "NotReady"}[s.Ready]
			n.tell(event)
		}
		n.shown[s.Name] = was
	}
	if now.Phase != n.phase {
		n.phase = now.Phase
		n.tell(lifeEvent{Kind: "Phase", Text: string(now.Phase)})
	}
}

// sync is one of the pod, and returns when the first back-off expires.
func (n *lifeNode) sync(ctx context.Context) time.Duration {
	n.mu.Lock()
	pod := n.pod
	n.mu.Unlock()
	if n.terminating || pod.DeletionTimestamp != nil {
		n.terminating = true
		n.terminate(pod)
		return noBackOff
	}
	runtime := n.runtimeStatus()
	n.acted = false
	phase := n.makeStatus(pod, runtime)
	if phase == corev1.PodSucceeded || phase == corev1.PodFailed {
		n.terminating, n.pending = true, true
		return noBackOff
	}
	n.addPod(ctx, pod)
	kill, start, killPod := n.decide(pod, runtime)
	n.acted = killPod || len(kill)+len(start) > 0
	if killPod {
		n.stopAll(time.Duration(*n.Spec.TerminationGracePeriodSeconds) * time.Second)
		return noBackOff
	}
	for _, c := range kill {
		n.stop(c, time.Duration(*n.Spec.TerminationGracePeriodSeconds)*time.Second, n.whyKilled(c))
	}
	if len(start) > 0 && !n.pulled {
		n.pulled = true
		time.Sleep(n.Timing.Pull)
	}
	expires := noBackOff
	var result kubecontainer.PodSyncResult
	for _, c := range start {
		one := kubecontainer.NewSyncResult(kubecontainer.StartContainer, c.Name)
		result.AddSyncResult(one)
		if until, blocked := n.doBackOff(pod, c, runtime); blocked {
			one.Fail(kubecontainer.ErrCrashLoopBackOff, "")
			expires = min(expires, until)
			if c.Name == "init" {
				break
			}
			continue
		}
		n.start(c)
	}
	n.reasons.Update(pod.UID, result)
	return expires
}

// whyKilled is the probe that the kubelet names where both have failed: of a sidecar it looks at startupProbe first.
func (n *lifeNode) whyKilled(c *corev1.Container) string {
	id := n.newest(c.Name)
	liveness, _ := n.liveness.Get(id)
	if startup, ok := n.startup.Get(id); isSidecar(c) && ok && startup == results.Failure {
		return "startupProbe"
	}
	if liveness == results.Failure {
		return "livenessProbe"
	}
	return "startupProbe"
}

// addPod makes the workers: in the first sync each at its own time, so that no two ticks come at once.
func (n *lifeNode) addPod(ctx context.Context, pod *corev1.Pod) {
	if n.pulled {
		n.prober.AddPod(ctx, pod)
		return
	}
	for _, c := range n.all() {
		for _, kind := range probeFields {
			one := corev1.Container{Name: c.Name, RestartPolicy: c.RestartPolicy,
				RestartPolicyRules: c.RestartPolicyRules}
			switch kind {
			case "livenessProbe":
				one.LivenessProbe = c.LivenessProbe
			case "readinessProbe":
				one.ReadinessProbe = c.ReadinessProbe
			default:
				one.StartupProbe = c.StartupProbe
			}
			part := pod.DeepCopy()
			part.Spec.InitContainers, part.Spec.Containers = nil, nil
			if c.Name == "init" {
				continue
			}
			if c.Name == "sidecar" {
				part.Spec.InitContainers = []corev1.Container{one}
			} else {
				part.Spec.Containers = []corev1.Container{one}
			}
			time.AfterFunc(n.Timing.Workers[c.Name+"/"+kind], func() { n.prober.AddPod(ctx, part) })
		}
	}
}

func (n *lifeNode) newest(name string) kubecontainer.ContainerID {
	if len(n.seen[name]) == 0 {
		return kubecontainer.ContainerID{}
	}
	return idOf(name, n.seen[name][0].id)
}

// decide is computePodActions, by the kubelet's own decision who is restarted.
func (n *lifeNode) decide(pod *corev1.Pod, runtime *kubecontainer.PodStatus,
) (kill, start []*corev1.Container, all bool) {
	kill, start, initialized, failed := n.decideInit(pod, runtime)
	if failed {
		return nil, nil, true
	}
	if !initialized {
		return kill, start, false
	}
	keep, starts := 0, 0
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		s := runtime.FindContainerStatusByName(c.Name)
		switch {
		case s == nil || s.State != kubecontainer.ContainerStateRunning:
			if kubecontainer.ShouldContainerBeRestarted(klog.Background(), c, pod, runtime) {
				start = append(start, c)
				starts++
			}
		case !n.failed(s.ID):
			keep++
		default:
			kill = append(kill, c)
			restarts := pod.Spec.RestartPolicy != corev1.RestartPolicyNever
			if c.RestartPolicy != nil {
				restarts = *c.RestartPolicy != corev1.ContainerRestartPolicyNever
			}
			if restarts {
				start = append(start, c)
				starts++
			}
		}
	}
	return kill, start, keep == 0 && starts == 0
}

func (n *lifeNode) failed(id kubecontainer.ContainerID) bool {
	for _, m := range []results.Manager{n.liveness, n.startup} {
		if r, ok := m.Get(id); ok && r == results.Failure {
			return true
		}
	}
	return false
}

// decideInit is computeInitContainerActions, for an init container before a sidecar.
func (n *lifeNode) decideInit(pod *corev1.Pod, runtime *kubecontainer.PodStatus,
) (kill, start []*corev1.Container, initialized, failed bool) {
	for i := range pod.Spec.Containers {
		s := runtime.FindContainerStatusByName(pod.Spec.Containers[i].Name)
		counts := s != nil && (n.version.Minor >= 37 || s.State == kubecontainer.ContainerStateRunning)
		initialized = initialized || counts
	}
	done := true // all before
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		s := runtime.FindContainerStatusByName(c.Name)
		switch {
		case !isSidecar(c) && initialized:
		case s == nil && done:
			return kill, append(start, c), initialized, false
		case s == nil:
			return kill, start, initialized, false
		case !isSidecar(c) && s.State == kubecontainer.ContainerStateRunning:
			done = false
		case !isSidecar(c) && s.ExitCode != 0:
			later := i+1 < len(pod.Spec.InitContainers) &&
				runtime.FindContainerStatusByName(pod.Spec.InitContainers[i+1].Name) != nil
			if later {
				continue
			}
			if !kubecontainer.ShouldContainerBeRestarted(klog.Background(), c, pod, runtime) {
				return nil, nil, false, true
			}
			return kill, append(start, c), initialized, false
		case isSidecar(c) && s.State != kubecontainer.ContainerStateRunning:
			done = false
			start = append(start, c)
		case isSidecar(c) && n.failed(s.ID):
			r, ok := n.startup.Get(s.ID)
			done = c.StartupProbe == nil || ok && r == results.Success
			if done || ok && r == results.Failure { // else it is not looked at further
				kill, start = append(kill, c), append(start, c)
			}
		case isSidecar(c) && c.StartupProbe != nil:
			r, ok := n.startup.Get(s.ID)
			done = ok && r == results.Success
		}
	}
	return kill, start, initialized || done, false
}

func (n *lifeNode) doBackOff(pod *corev1.Pod, c *corev1.Container, runtime *kubecontainer.PodStatus,
) (until time.Duration, blocked bool) {
	var ended *kubecontainer.Status
	for _, s := range runtime.ContainerStatuses {
		if s.Name == c.Name && s.State == kubecontainer.ContainerStateExited {
			ended = s
			break
		}
	}
	if ended == nil {
		return 0, false
	}
	key := kuberuntime.GetBackoffKey(pod, c)
	if !n.backOff.IsInBackOffSince(key, ended.FinishedAt) {
		n.backOff.Next(key, ended.FinishedAt)
		return 0, false
	}
	wait := n.backOff.Get(key)
	if number := n.runs[c.Name][0].id; n.waited[c.Name] != number {
		n.waited[c.Name] = number
		n.tell(lifeEvent{Kind: "BackOff", Container: c.Name, Restart: number - 1, Wait: wait})
	}
	return ended.FinishedAt.Sub(n.began) + wait, true
}

func (n *lifeNode) start(c *corev1.Container) {
	does := n.Scenario.Containers[c.Name]
	n.mu.Lock()
	id := 1
	if len(n.runs[c.Name]) > 0 {
		id = n.runs[c.Name][0].id + 1
	}
	run := &lifeRun{id: id, started: time.Now(), selfEnd: n.began.Add(1000 * time.Hour)}
	code := int32(0)
	if does.Crash > 0 && (does.Crashes == 0 || id <= does.Crashes) {
		run.selfEnd, code = run.started.Add(does.Crash), does.ExitCode
	} else if c.Name == "init" {
		run.selfEnd = run.started.Add(does.Boot)
	}
	n.runs[c.Name] = append([]*lifeRun{run}, n.runs[c.Name][:min(1, len(n.runs[c.Name]))]...)
	n.appsRan = n.appsRan || c.Name != "init" && c.Name != "sidecar"
	n.mu.Unlock()
	n.tell(lifeEvent{Kind: "Created", Container: c.Name, Restart: id - 1})
	if ends := time.Until(run.selfEnd); ends < time.Hour {
		time.AfterFunc(ends, func() { n.exit(c.Name, run, code) })
	}
}

func (n *lifeNode) exit(name string, run *lifeRun, code int32) {
	n.mu.Lock()
	if run.exited {
		n.mu.Unlock()
		return
	}
	run.exited, run.ended, run.code = true, time.Now(), code
	n.mu.Unlock()
	n.tell(lifeEvent{Kind: "Exited", Container: name, Restart: run.id - 1, ExitCode: code})
}

// stop kills a container, and returns when it has ended.
func (n *lifeNode) stop(c *corev1.Container, grace time.Duration, why string) {
	n.mu.Lock()
	run := n.runs[c.Name][0]
	exited := run.exited
	n.mu.Unlock()
	if exited {
		return
	}
	n.tell(lifeEvent{Kind: "Killing", Container: c.Name, Restart: run.id - 1, Grace: grace, Text: why})
	n.term(c, run, grace)
}

func (n *lifeNode) term(c *corev1.Container, run *lifeRun, grace time.Duration) {
	takes, code := n.Scenario.Containers[c.Name].StopTakes, int32(0)
	if grace = max(grace, 2*time.Second); takes >= grace {
		takes, code = grace, 137
	}
	if own := time.Until(run.selfEnd); own <= takes { // it ends by itself before that
		time.Sleep(own + 1)
		return
	}
	time.Sleep(takes)
	n.exit(c.Name, run, code)
}

// stopAll kills all containers side by side, a sidecar after the others.
func (n *lifeNode) stopAll(grace time.Duration) {
	var sidecar *corev1.Container
	ended := make(chan bool)
	stopping := 0
	began := time.Now()
	for _, c := range n.all() {
		switch {
		case len(n.seen[c.Name]) == 0 || n.seen[c.Name][0].exited:
		case c.Name == "sidecar":
			sidecar = c
		default:
			stopping++
			go func() {
				n.stop(c, grace, "")
				ended <- c.Name != "init"
			}()
		}
	}
	if sidecar != nil {
		n.mu.Lock()
		run := n.runs["sidecar"][0]
		if !run.exited {
			n.mu.Unlock()
			n.tell(lifeEvent{Kind: "Killing", Container: "sidecar", Restart: run.id - 1, Grace: grace})
		} else {
			n.mu.Unlock()
		}
		timeout := time.After(grace)
		expired := false
		for ; stopping > 0 && !expired; stopping-- {
			select {
			case <-ended:
			case <-timeout:
				expired = true
				stopping++
			}
		}
		if !run.exited {
			n.term(sidecar, run, grace-time.Since(began).Truncate(time.Second))
		}
	}
	for ; stopping > 0; stopping-- {
		<-ended
	}
}

// terminate is SyncTerminatingPod, the last sync but one.
func (n *lifeNode) terminate(pod *corev1.Pod) {
	n.makeStatus(pod, n.runtimeStatus())
	n.prober.StopLivenessAndStartup(pod)
	n.stopAll(max(time.Duration(*n.Spec.TerminationGracePeriodSeconds)*time.Second, time.Second))
	n.prober.RemovePod(pod)
	n.done = true
	n.relist()
	n.makeStatus(pod, n.runtimeStatus())
}
