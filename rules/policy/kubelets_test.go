package policy_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy"
)

// lateGate is a pod that only kubelets 1.35 to 1.37 treat badly.
const lateGate = `{containers: [{name: app, image: i,
  startupProbe: {httpGet: {port: 80}, failureThreshold: 6},
  livenessProbe: {httpGet: {port: 80}, periodSeconds: 3}}]}`

// loaded is a policy of these keys.
func loaded(t *testing.T, keys string) *policy.Policy {
	t.Helper()
	p, err := policy.Load(catalogue.All, "p.yaml", []byte(header+keys), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lateGatePod is the pod, read.
func lateGatePod(t *testing.T) *pod.Subject {
	t.Helper()
	read := &corev1.Pod{}
	if err := yaml.Unmarshal([]byte(lateGate), &read.Spec); err != nil {
		t.Fatal(err)
	}
	subject, _ := pod.Read(read)
	return subject
}

func findsLateGate(t *testing.T, p *policy.Policy) bool {
	t.Helper()
	for _, f := range rules.Judge(lateGatePod(t), p.For(lateGatePod(t), nil).Plan) {
		if f.Rule.ID == "startup-gate-late" {
			return true
		}
	}
	return false
}

func TestKubernetes(t *testing.T) {
	new38 := pod.Kubelets{From: 38, To: 38}
	old := pod.Kubelets{From: 33, To: 35}
	for name, c := range map[string]struct {
		policy *policy.Policy
		finds  bool
	}{
		"podvet's own version":            {policy.Default(catalogue.All), true},
		"the cluster's nodes":             {policy.Default(catalogue.All).OnNodes(new38), false},
		"one of the cluster's nodes":      {policy.Default(catalogue.All).OnNodes(old), true},
		"written":                         {loaded(t, `kubernetes: "1.38-1.40"`), false},
		"written, whatever the nodes are": {loaded(t, `kubernetes: "1.38"`).OnNodes(old), false},
		"by flag":                         {loaded(t, `kubernetes: "1.38"`).WithKubernetes(old), true},
		"by flag, on nodes":               {policy.Default(catalogue.All).WithKubernetes(new38).OnNodes(old), false},
		"in a scope":                      {loaded(t, "scopes: [{name: new, kubernetes: \"1.38\"}]"), false},
	} {
		if got := findsLateGate(t, c.policy); got != c.finds {
			t.Errorf("%s: found %v", name, got)
		}
	}
}

func TestKubernetesAndHelpMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"kubernetes: 1.37": `kubernetes: is 1.37: write text, in quotes: "1.37"`,
		`kubernetes: "1.37-1.35"`: `kubernetes: "1.37-1.35" ends before it starts: write the lower ` +
			`version first`,
		`kubernetes: latest`:                         `kubernetes: "latest" is not a range`,
		"help: \"a\\nb\"":                            "help: has a line break or a control character: write one line",
		"help: \"" + strings.Repeat("x", 121) + "\"": "help: has 121 characters: write at most 120",
	} {
		_, err := policy.Load(catalogue.All, "p.yaml", []byte(header+text), time.Now())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if got := loaded(t, `help: "#platform-help"`).For(lateGatePod(t), nil).Help; got != "#platform-help" {
		t.Errorf("help %q", got)
	}
}
