package catalogue_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
)

// TestAllocations: what all rules together take from the heap for a recorded pod of two containers and a sidecar, with
// two findings and one fix. How long they take is in BenchmarkStages (webhook): a test machine is too busy to tell.
func TestAllocations(t *testing.T) {
	text, err := os.ReadFile("../../webhook/testdata/reviews/009-Pod-CREATE.json")
	if err != nil {
		t.Fatal(err)
	}
	var review admissionv1.AdmissionReview
	var p corev1.Pod
	if err := json.Unmarshal(text, &review); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(review.Request.Object.Raw, &p); err != nil {
		t.Fatal(err)
	}
	subject, _ := pod.Read(&p)
	plan := profilePlan(rules.Recommended)
	findings, fixed := rules.Judge(subject, plan), rules.Fix(subject, plan).Fixed
	if len(findings) != 2 || len(fixed) != 1 {
		t.Fatalf("finds %v and fixes %v", findings, fixed)
	}
	for name, c := range map[string]struct {
		most float64
		run  func()
	}{
		"judge": {15, func() { rules.Judge(subject, plan) }},
		"fix":   {30, func() { rules.Fix(subject, plan) }},
	} {
		if n := testing.AllocsPerRun(100, c.run); n >= c.most {
			t.Errorf("%s: %v allocations, want less than %v: "+
				"BenchmarkStages with -memprofile shows where", name, n, c.most)
		}
	}
}

const (
	manyContainers = 10_000
	manyAtMost     = 100 * time.Millisecond
)

// many are pods of so many containers that each rule which looks at the others of its pod would show: what one
// container of the pod is like. A pod's containers may differ by their number.
var many = map[string]func(*corev1.Pod, *corev1.Container, int){
	"sound": func(_ *corev1.Pod, c *corev1.Container, _ int) {
		c.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}
		c.LivenessProbe = getting("/livez", intstr.FromString("http"), "")
		c.LivenessProbe.FailureThreshold = 6
		c.ReadinessProbe = getting("/readyz", intstr.FromString("http"), "")
	},
	"ports that nothing declares": func(_ *corev1.Pod, c *corev1.Container, _ int) {
		c.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}
		c.LivenessProbe = getting("/", intstr.FromString("nowhere"), "")
		c.ReadinessProbe, c.StartupProbe = c.LivenessProbe, c.LivenessProbe
	},
	"ports that another container declares": func(_ *corev1.Pod, c *corev1.Container, i int) {
		c.Ports = []corev1.ContainerPort{
			{Name: fmt.Sprintf("port-%d", i), ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
		c.LivenessProbe = getting("/", intstr.FromString(fmt.Sprintf("port-%d", manyContainers-1-i)), "")
		c.ReadinessProbe, c.StartupProbe = c.LivenessProbe, c.LivenessProbe
	},
	"sidecars that nothing waits for": func(p *corev1.Pod, c *corev1.Container, _ int) {
		p.Spec.RestartPolicy = corev1.RestartPolicyNever
		c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		c.ReadinessProbe = getting("/", intstr.FromString("nowhere"), "")
	},
	"the node's loopback": func(_ *corev1.Pod, c *corev1.Container, i int) {
		c.Ports = []corev1.ContainerPort{
			{ContainerPort: int32(i + 1), HostPort: int32(i + 1), Protocol: corev1.ProtocolTCP}}
		c.LivenessProbe = getting("/", intstr.FromInt32(20_000), "localhost")
		c.ReadinessProbe, c.StartupProbe = c.LivenessProbe, c.LivenessProbe
	},
	"none restarts": func(_ *corev1.Pod, c *corev1.Container, _ int) {
		c.RestartPolicy = new(corev1.ContainerRestartPolicyNever)
	},
	"Knative": func(p *corev1.Pod, c *corev1.Container, _ int) {
		p.Labels = map[string]string{"serving.knative.dev/revision": "r"}
		c.Ports = []corev1.ContainerPort{{ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
	},
	"every rule about a probe": func(_ *corev1.Pod, c *corev1.Container, _ int) {
		c.Ports = []corev1.ContainerPort{{ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
		c.LivenessProbe = getting("/ready", intstr.FromInt32(443), "")
		c.LivenessProbe.FailureThreshold, c.LivenessProbe.TimeoutSeconds = 1, 100
	},
}

func getting(path string, port intstr.IntOrString, host string) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: path, Port: port, Host: host}}}
}

func manyOf(n int, shape func(*corev1.Pod, *corev1.Container, int)) *pod.Subject {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "many", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "many", Controller: new(true)}}}}
	for i := range n {
		c := corev1.Container{Name: fmt.Sprintf("c%d", i), Image: "registry.example/app:1"}
		if shape(p, &c, i); c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		} else {
			p.Spec.Containers = append(p.Spec.Containers, c)
		}
	}
	subject, _ := pod.Read(p)
	return subject
}

// TestManyContainersAreJudgedSoon: nobody writes a pod of 10,000 containers but to keep podvet busy. The time of
// processors counts, because the machine may be busy with others, and of some runs the best. Where that is long for any
// pod, as under the race detector, small pods tell how long.
func TestManyContainersAreJudgedSoon(t *testing.T) {
	plan := profilePlan(rules.Strict)
	for name, shape := range many {
		t.Run(name, func(t *testing.T) {
			subject := manyOf(manyContainers, shape)
			checkOrder(t, rules.Judge(subject, plan))
			small := manyOf(manyContainers/100, shape)
			best, bestOfSmall := time.Hour, time.Hour
			for range 10 {
				start := processors(t)
				rules.Judge(subject, plan)
				if best = min(best, processors(t)-start); best < manyAtMost {
					t.Logf("%d containers in %s", manyContainers, best)
					return
				}
				start = processors(t)
				for range 100 {
					rules.Judge(small, plan)
				}
				bestOfSmall = min(bestOfSmall, processors(t)-start)
			}
			if best > 3*bestOfSmall {
				t.Errorf("%d containers take %s, and as many in 100 pods %s: "+
					"does a rule look through the whole pod at each container?", manyContainers, best, bestOfSmall)
			}
		})
	}
}

// processors is how long this process has had processors.
func processors(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// checkOrder: findings come rule by rule as in the catalogue, those of one rule in the order of the containers.
func checkOrder(t *testing.T, findings []rules.Finding) {
	t.Helper()
	rank := map[*rules.Rule]int{}
	for i, rule := range catalogue.All.Rules() {
		rank[rule] = i
	}
	number := func(f rules.Finding) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(f.Container, "c"))
		return n
	}
	inOrder := slices.IsSortedFunc(findings, func(a, b rules.Finding) int {
		if a.Rule != b.Rule {
			return rank[a.Rule] - rank[b.Rule]
		}
		return number(a) - number(b)
	})
	if !inOrder {
		t.Error("the findings are not in the order of rules and containers")
	}
}

// BenchmarkManyContainers shows the time for each container, which must not depend on how many there are.
func BenchmarkManyContainers(b *testing.B) {
	plan := profilePlan(rules.Strict)
	for name, shape := range many {
		for _, n := range []int{100, manyContainers} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				subject := manyOf(n, shape)
				for b.Loop() {
					rules.Judge(subject, plan)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/container")
			})
		}
	}
}
