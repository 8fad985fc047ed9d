package pod_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules/pod"
)

func containerOf(t *testing.T, text string) *corev1.Container {
	t.Helper()
	var c corev1.Container
	if err := yaml.UnmarshalStrict([]byte(text), &c); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return &c
}

// TestFirstMatchingRule: the kubelet takes the first rule that matches an exit code, and no rules without a policy.
func TestFirstMatchingRule(t *testing.T) {
	const (
		all  = "{action: RestartAllContainers, exitCodes: {operator: In, values: [0, 1]}}"
		one  = "{action: Restart, exitCodes: {operator: In, values: [0]}}"
		not1 = "{action: RestartAllContainers, exitCodes: {operator: NotIn, values: [1]}}"
		odd  = "{action: RestartAllContainers, exitCodes: {operator: Odd, values: [0]}}"
		none = "{action: RestartAllContainers}"
	)
	for rules, want := range map[string]struct{ restarts, over bool }{
		"restartPolicy: Never, restartPolicyRules: [" + all + "]":                            {true, true},
		"restartPolicy: Never, restartPolicyRules: [" + one + ", " + all + "]":               {true, false},
		"restartPolicy: Never, restartPolicyRules: [" + all + ", " + one + "]":               {true, true},
		"restartPolicy: Never, restartPolicyRules: [" + not1 + "]":                           {true, true},
		"restartPolicy: Never, restartPolicyRules: [" + none + ", " + odd + "]":              {false, false},
		"restartPolicy: Never, restartPolicyRules: [" + none + ", " + odd + ", " + one + "]": {true, false},
		"restartPolicyRules: [" + all + "]":                                                  {false, false},
		"restartPolicy: Never":                                                               {false, false},
	} {
		c := containerOf(t, "{"+rules+"}")
		restarts, over := pod.RuleRestarts(c, 0), pod.StartsPodOver(c, 0)
		if restarts != want.restarts || over != want.over {
			t.Errorf("%s: restarts %v, starts over %v", rules, restarts, over)
		}
	}
}

func TestStopsForGood(t *testing.T) {
	rule := func(operator, codes string) string {
		return ", restartPolicyRules: [{action: Restart, exitCodes: {operator: " + operator +
			", values: " + codes + "}}]"
	}
	for _, c := range []struct {
		pod, container string
		code           int32
		stops          bool
	}{
		{"Always", "", 0, false},
		{"OnFailure", "", 0, true},
		{"Never", "", 0, true},
		{"Never", "restartPolicy: Always", 0, false},
		{"Always", "restartPolicy: OnFailure", 0, true},
		{"Always", "restartPolicy: OnFailure" + rule("In", "[0]"), 0, false},
		{"Always", "restartPolicy: Never" + rule("In", "[0, 1]"), 2, true},
		{"Always", "restartPolicy: Never" + rule("NotIn", "[255]"), 255, true},
		{"Always", "restartPolicy: Never" + rule("NotIn", "[256]"), 0, false},
		{"Never", rule("In", "[0]")[2:], 0, true}, // rules without a policy do not count
	} {
		spec := &corev1.PodSpec{RestartPolicy: corev1.RestartPolicy(c.pod)}
		code, stops := pod.StopsForGood(spec, containerOf(t, "{"+c.container+"}"))
		if code != c.code || stops != c.stops {
			t.Errorf("pod %s, container {%s}: %d %v", c.pod, c.container, code, stops)
		}
	}
}

// TestIsKnownAs: names are matched with the container's or the end of the image's path, whole parts only.
func TestIsKnownAs(t *testing.T) {
	names := []string{"envoy", "istio/proxyv2", ""}
	for image, want := range map[string]bool{
		"envoy": true, "envoy:v1": true, "envoyproxy/envoy": true, "docker.io/envoyproxy/envoy:v1.35": true,
		"localhost/envoy": true, "localhost:5000/envoy": true, "localhost:5000/a/istio/proxyv2:1@sha256:0f": true,
		"istio/proxyv2": true, "registry.example/istio/proxyv2@sha256:0f": true,
		"registry.example:5000/my-envoy:1": false, "envoy.example/app:1": false, "envoy:5000/app": false,
		"app:envoy": false, "app@envoy": false, "envoy/app": false, "proxyv2": false, "my/notistio/proxyv2": false,
		"istio.io/proxyv2": false, "": false, "/": false, ":": false,
	} {
		c := pod.Container{Container: &corev1.Container{Name: "app", Image: image}}
		if got := c.IsKnownAs(names); got != want {
			t.Errorf("image %q: %v", image, got)
		}
	}
	named := pod.Container{Container: &corev1.Container{Name: "envoy", Image: "registry.example/x:1"}}
	if !named.IsKnownAs(names) {
		t.Error("not known by the container's name")
	}
}

func controlledBy(apiVersion, kind, name string) []metav1.OwnerReference {
	controller := true
	return []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: name, Controller: &controller}}
}

// TestOwnerAsAPersonNamesIt: the Deployment or the Rollout, not its ReplicaSet.
func TestOwnerAsAPersonNamesIt(t *testing.T) {
	for label, want := range map[string]string{
		"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout", "other": "ReplicaSet",
	} {
		p := &corev1.Pod{}
		p.Labels = map[string]string{label: "7c9d"}
		p.OwnerReferences = controlledBy("apps/v1", "ReplicaSet", "web-7c9d")
		if s, _ := pod.Read(p); s.OwnerKind != want || s.Owner != pod.Controllers {
			t.Errorf("label %s: %s", label, s.OwnerKind)
		}
	}
}

// TestReplicaSetOfARollout: its pods are the Rollout's, as a person names them.
func TestReplicaSetOfARollout(t *testing.T) {
	for apiVersion, want := range map[string]string{"argoproj.io/v1alpha1": "Rollout", "example.com/v1": "ReplicaSet"} {
		o := pod.NewObject("apps/v1", "ReplicaSet")
		o.SetOwnerReferences(controlledBy(apiVersion, "Rollout", "web"))
		if s, _ := pod.Read(o); s.OwnerKind != want || s.JudgedAtOwner {
			t.Errorf("owned by a Rollout of %s: %s", apiVersion, s.OwnerKind)
		}
	}
}

// TestOwnedTemplates: only a Deployment and a CronJob are judged in the place of what they own.
func TestOwnedTemplates(t *testing.T) {
	for _, c := range []struct {
		apiVersion, kind string
		owned            bool
	}{
		{"apps/v1", "Deployment", true}, {"batch/v1", "CronJob", true}, {"batch/v1beta1", "CronJob", true},
		{"example.com/v1", "Deployment", false}, {"v1", "Deployment", false}, {"db.example/v1", "Database", false},
		{"apps/v1", "StatefulSet", false},
	} {
		o := pod.NewObject("apps/v1", "StatefulSet")
		o.SetOwnerReferences(controlledBy(c.apiVersion, c.kind, "x"))
		if s, _ := pod.Read(o); s.JudgedAtOwner != c.owned || s.Owner != pod.Controllers {
			t.Errorf("owned by %s %s: %v", c.apiVersion, c.kind, s.JudgedAtOwner)
		}
	}
	if s, _ := pod.Read(pod.NewObject("apps/v1", "ReplicaSet")); s.JudgedAtOwner {
		t.Error("owned by nobody")
	}
}
