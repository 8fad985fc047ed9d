package recommend

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

// podOf reads the spec of a pod of one Deployment.
func podOf(t testing.TB, spec string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	return p
}

// lived is a pod after a while: rules/timeline says what the kubelet does with it, and test/parity holds that against
// the kubelet's own code. The status has whole seconds, as the kubelet writes them.
func lived(p *corev1.Pod, boot, age time.Duration, seed uint64) *corev1.Pod {
	p = p.DeepCopy()
	p.Name = fmt.Sprintf("web-%d", seed)
	s, _ := pod.Read(p)
	timing := timeline.Drawn(s, seed)
	at := func(since time.Duration) metav1.Time {
		return metav1.NewTime(noon.Add(timing.Second + since).Truncate(time.Second))
	}
	ready := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, LastTransitionTime: at(0)}
	status := corev1.ContainerStatus{Name: "app"}
	scenario := timeline.Scenario{Kubelet: pod.Newest, Length: age,
		Containers: map[string]timeline.Behavior{"app": {Boot: boot, StopTakes: time.Second}}}
	for _, e := range timeline.Simulate(s, scenario, timing).Events {
		if e.Container != "app" && e.Container != "" {
			continue
		}
		switch e.Kind {
		case timeline.Created:
			status.RestartCount = int32(e.Restart)
			status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(e.At)}}
		case timeline.Exited:
			status.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: e.ExitCode, StartedAt: status.State.Running.StartedAt, FinishedAt: at(e.At)}}
			status.State = corev1.ContainerState{}
		case timeline.Ready:
			status.Ready, ready.Status, ready.LastTransitionTime = true, corev1.ConditionTrue, at(e.At)
		case timeline.NotReady:
			status.Ready, ready.Status, ready.LastTransitionTime = false, corev1.ConditionFalse, at(e.At)
		}
	}
	p.Status.Conditions = []corev1.PodCondition{ready}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{status}
	return p
}

// TestAdviceCoversLives: 40 pods live on a simulated kubelet, and their statuses are all that podvet sees. In at least
// 95 of 100 repetitions the probe that it advises gives 99 % of 2,000 boots to come enough time, and less than twice
// the least that would. So it is where the livenessProbe kills the longest boots.
func TestAdviceCoversLives(t *testing.T) {
	const starts, repetitions = 40, 100
	for what, spec := range map[string]string{
		"startupProbe": `startupProbe: {httpGet: {path: /, port: 80}, periodSeconds: 3, failureThreshold: 200},
			readinessProbe: {httpGet: {path: /, port: 80}}`,
		"livenessProbe": `livenessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 5, failureThreshold: 7},
			readinessProbe: {httpGet: {path: /ready, port: 80}, periodSeconds: 5}`,
	} {
		p := podOf(t, "containers:\n- {name: app, image: x, "+spec+"}")
		for name, boot := range boots {
			t.Run(what+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(2, 2))
				short, long, killed := 0, 0, 0
				for range repetitions {
					c := NewCollector()
					for range starts {
						age := 300 * time.Second
						one := lived(p, time.Duration(boot(r)*float64(time.Second)), age, r.Uint64())
						c.Pod(one, Owner{"shop", "Deployment", "web"}, noon.Add(age))
					}
					report := c.Report(Options{Margin: DefaultMargin})
					given, least := givenBy(t, c, report), quantileOf(r, boot, 0.99, 2000)
					killed += report.Containers[0].Killed
					switch {
					case given < least:
						short++
					case given >= 2*least:
						long++
					}
				}
				if short+long > repetitions/20 {
					t.Errorf("of %d repetitions %d are too short, %d too long", repetitions, short, long)
				}
				t.Logf("%d too short, %d too long, %d killed", short, long, killed)
			})
		}
	}
}

// givenBy is the time to boot that the container has with the advice: without any, that of its probe, which is as much
// as it needs, or what it needs where that probe gives far more.
func givenBy(t *testing.T, c *Collector, report *Report) float64 {
	t.Helper()
	w := c.owners[Owner{"shop", "Deployment", "web"}]
	app := &w.subject.Containers[0]
	for _, a := range report.Containers[0].Advice {
		switch a.Field {
		case "startupProbe":
			return float64(app.NewProbe(pod.Startup, a.Value.(*corev1.Probe)).Guaranteed())
		case "startupProbe.failureThreshold":
			changed := *app.StartupProbe
			changed.FailureThreshold = int32(a.Value.(int64))
			return float64(app.NewProbe(pod.Startup, &changed).Guaranteed())
		default:
			t.Fatalf("unexpected advice: %+v", a)
		}
	}
	return float64(report.Containers[0].Needs)
}
