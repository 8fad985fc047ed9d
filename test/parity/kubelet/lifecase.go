package kubelet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// lifeCase is a pod, what happens to it and what the kubelet leaves to chance: what podvet's simulation takes, as JSON.
// The modules of other versions of Kubernetes than podvet's cannot import its types.
type lifeCase struct {
	Spec     corev1.PodSpec
	Scenario struct {
		Kubelet    int                 `json:"kubelet"`
		Length     time.Duration       `json:"length"`
		DeleteAt   time.Duration       `json:"deleteAt"`
		Containers map[string]behavior `json:"containers"`
	}
	Timing struct {
		Workers      map[string]time.Duration `json:"workers"`
		Second       time.Duration            `json:"second"`
		Relist       time.Duration            `json:"relist"`
		Tick         time.Duration            `json:"tick"`
		Housekeeping time.Duration            `json:"housekeeping"`
		Requeue      []float64                `json:"requeue"`
		Pull         time.Duration            `json:"pull"`
		Look         time.Duration            `json:"look"`
		Store        time.Duration            `json:"store"`
	}
}

type behavior struct {
	Boot      time.Duration `json:"boot"`
	HangAt    time.Duration `json:"hangAt"`
	HangAfter time.Duration `json:"hangAfter"`
	Crash     time.Duration `json:"crash"`
	Crashes   int           `json:"crashes"`
	ExitCode  int32         `json:"exitCode"`
	StopTakes time.Duration `json:"stopTakes"`
	Answer    time.Duration `json:"answer"`
}

// lifeEvent is one of a life, as podvet writes it.
type lifeEvent struct {
	At        time.Duration `json:"at"`
	Kind      string        `json:"kind"`
	Container string        `json:"container"`
	Restart   int           `json:"restart"`
	Probe     string        `json:"probe"`
	Result    string        `json:"result"`
	Began     time.Duration `json:"began"`
	Grace     time.Duration `json:"grace"`
	Wait      time.Duration `json:"wait"`
	ExitCode  int32         `json:"exitCode"`
	Text      string        `json:"text"`
}

var probeFields = [...]string{"livenessProbe", "readinessProbe", "startupProbe"}

// random draws cases. No two things happen at the same time by design: all that is not a whole second is drawn in ns.
type random struct{ *rand.Rand }

func (r random) among(n ...int32) int32 { return n[r.IntN(len(n))] }

func (r random) below(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

func (r random) probe(kind string) *corev1.Probe {
	p := &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{kind}}},
		InitialDelaySeconds: r.among(0, 0, 0, 1, 2, 5, 13),
		PeriodSeconds:       r.among(1, 2, 3, 5, 7, 10, 10),
		TimeoutSeconds:      r.among(1, 1, 2, 3, 5),
		FailureThreshold:    r.among(1, 2, 3, 3, 5, 10),
		SuccessThreshold:    1,
	}
	switch kind {
	case "readinessProbe":
		p.SuccessThreshold = r.among(1, 1, 2, 3)
		// A worker that has missed a tick and was woken takes either: Go does not say which.
		p.PeriodSeconds = max(2, p.PeriodSeconds)
		p.TimeoutSeconds = min(p.TimeoutSeconds, p.PeriodSeconds-1)
	case "startupProbe":
		p.FailureThreshold = r.among(1, 3, 10, 30, 60)
	}
	if r.IntN(20) == 0 {
		p.Exec.Command = []string{kind + " | true"} // which no shell reads: there is no such program
	}
	return p
}

func (r random) container(name string, probed bool) (corev1.Container, behavior) {
	c := corev1.Container{Name: name, Image: "x"}
	does := behavior{Boot: r.below(40 * time.Second), Answer: time.Millisecond + r.below(700*time.Millisecond)}
	does.StopTakes = []time.Duration{r.below(3 * time.Second), r.below(40 * time.Second)}[r.IntN(2)]
	if !probed {
		does.Boot = time.Second + r.below(10*time.Second)
		if r.IntN(3) == 0 {
			does.Crash, does.ExitCode, does.Crashes = time.Millisecond+r.below(5*time.Second), 1, 1+r.IntN(3)
		}
		return c, does
	}
	fields := [...]**corev1.Probe{&c.LivenessProbe, &c.ReadinessProbe, &c.StartupProbe}
	for i, kind := range probeFields {
		if r.IntN(3) > 0 {
			*fields[i] = r.probe(kind)
		}
	}
	switch r.IntN(5) {
	case 0:
		does.HangAt = 20*time.Second + r.below(3*time.Minute)
	case 1:
		does.HangAfter = does.Boot + r.below(2*time.Minute)
	case 2:
		does.Crash, does.ExitCode = time.Millisecond+r.below(2*time.Minute), r.among(0, 1, 42)
		does.Crashes = r.IntN(6)
	case 3:
		does.Crash, does.ExitCode = time.Millisecond+r.below(10*time.Second), r.among(0, 1, 42)
	}
	return c, does
}

func (r random) restartPolicy(c *corev1.Container) {
	policy := []corev1.ContainerRestartPolicy{corev1.ContainerRestartPolicyAlways,
		corev1.ContainerRestartPolicyOnFailure, corev1.ContainerRestartPolicyNever}[r.IntN(3)]
	c.RestartPolicy = &policy
	if r.IntN(2) == 0 {
		c.RestartPolicyRules = []corev1.ContainerRestartRule{{Action: corev1.ContainerRestartRuleActionRestart,
			ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
				Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{r.among(0, 1, 42)}}}}
	}
}

func (r random) lifeCase(kubelet int) (made lifeCase) {
	grace := int64(r.among(1, 5, 30, 30))
	made.Spec.TerminationGracePeriodSeconds = &grace
	made.Spec.RestartPolicy = []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyAlways,
		corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}[r.IntN(4)]
	made.Scenario.Kubelet, made.Scenario.Containers = kubelet, map[string]behavior{}
	made.Scenario.Length = 4 * time.Minute
	if r.IntN(10) == 0 {
		made.Scenario.Length = 25 * time.Minute
	}
	add := func(list *[]corev1.Container, name string, probed bool, policy func(*corev1.Container)) {
		c, does := r.container(name, probed)
		policy(&c)
		*list = append(*list, c)
		made.Scenario.Containers[name] = does
	}
	always := corev1.ContainerRestartPolicyAlways
	if r.IntN(6) == 0 {
		add(&made.Spec.InitContainers, "init", false, func(*corev1.Container) {})
	}
	if r.IntN(4) == 0 {
		add(&made.Spec.InitContainers, "sidecar", true, func(c *corev1.Container) { c.RestartPolicy = &always })
	}
	for i := range 1 + r.IntN(2) {
		add(&made.Spec.Containers, fmt.Sprint("app", i), true, func(c *corev1.Container) {
			if r.IntN(6) == 0 {
				r.restartPolicy(c)
			}
		})
	}
	if r.IntN(4) == 0 {
		made.Scenario.DeleteAt = 10*time.Second + r.below(made.Scenario.Length)
	}
	r.timing(&made)
	return made
}

func (r random) timing(made *lifeCase) {
	t := &made.Timing
	t.Second, t.Relist, t.Tick = r.below(time.Second), r.below(time.Second), r.below(time.Second)
	t.Housekeeping = r.below(2 * time.Second)
	t.Look, t.Store = 1+r.below(100*time.Microsecond), 1+r.below(100*time.Microsecond)
	if t.Store == t.Look {
		t.Store++
	}
	t.Pull = 10*time.Millisecond + r.below(20*time.Second)
	t.Workers = map[string]time.Duration{}
	for _, c := range append(made.Spec.Containers, made.Spec.InitContainers...) {
		for _, kind := range probeFields {
			t.Workers[c.Name+"/"+kind] = r.below(time.Millisecond)
		}
	}
	for range 64 {
		t.Requeue = append(t.Requeue, r.Float64())
	}
}

// simulator is podvet's, built once. parity is the folder of test/parity.
func simulator(t *testing.T, parity string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "lives")
	build := exec.Command("go", "build", "-o", at, "./lives")
	build.Dir = parity
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return at
}

// simulated are the events of podvet's simulations.
func simulated(t *testing.T, program string, cases []lifeCase) [][]lifeEvent {
	t.Helper()
	var question, said bytes.Buffer
	for i := range cases {
		if err := json.NewEncoder(&question).Encode(cases[i]); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program)
	cmd.Stdin, cmd.Stderr = &question, &said
	answer, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.Bytes())
	}
	lives := make([][]lifeEvent, len(cases))
	read := json.NewDecoder(bytes.NewReader(answer))
	for i := range lives {
		if err := read.Decode(&lives[i]); err != nil {
			t.Fatal(err)
		}
	}
	return lives
}
