package live_test

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/podvet/podvet/test/e2e/env"
)

//go:embed testdata/installation.yaml
var installation string

// TestPolicyOfTheCluster: what podvet would judge by is what the cluster is judged by, with the labels of its
// namespaces. A policy that a person names, and single keys, go before it.
func TestPolicyOfTheCluster(t *testing.T) {
	ns := env.Namespace(t, "team")
	env.Must(t, ns, strings.ReplaceAll(installation, "NAMESPACE", ns), "create", "-f", "-")
	env.Must(t, ns, "", "run", "web", "--image=i", "--port=80")
	const denial = `  container "web": no readinessProbe`
	configMap := ns + "/shop-policy"
	look := func(name, stdin, said, shown string, status int, args ...string) {
		t.Helper()
		args = append([]string{"--cluster", "-n", ns, "--webhook-configuration", ns}, args...)
		r := check(t, "", stdin, args...)
		if r.status != status || !strings.Contains(r.stdout, shown+denial) || !strings.HasPrefix(r.stderr, said) {
			t.Errorf("%s: status %d, want %d, %q:\n%s%s", name, r.status, status, shown, r.stdout, r.stderr)
		}
	}
	look("followed", "", "judged by the policy in the ConfigMap "+configMap+"\n", "warn   ", 0)
	look("in mode enforce", "", "judged by the policy in the ConfigMap "+configMap+"\n", "deny   ", 1,
		"--mode", "enforce")
	look("by its namespace", "", "judged by the policy in the ConfigMap "+configMap+"\n", "warn   ", 0,
		"--podvet-namespace", ns)
	look("another", "{apiVersion: podvet.dev/v1alpha1, kind: Policy, mode: audit}", "", "audit  ", 0, "--policy", "-")

	setPolicy := func(text string) {
		env.Must(t, ns, "", "patch", "configmap", "shop-policy", "--type=merge", "-p",
			`{"data": {"policy.yaml": `+string(env.JSON(text))+`}}`)
	}
	good := env.Get[struct{ Data map[string]string }](t, ns, "configmap", "shop-policy").Data["policy.yaml"]
	setPolicy("mode: nonsense")
	look("bad", "", "judged by the built-in policy: the one in the ConfigMap "+configMap+" cannot be used. "+
		"podvet doctor says more.\n", "warn   ", 0)
	env.Must(t, ns, "", "create", "configmap", "shop-policy-last-good", "--from-literal=policy.yaml="+good)
	look("last good", "", "judged by the last good policy: the one in the ConfigMap "+configMap+" cannot be used. ",
		"deny   ", 1, "--mode", "enforce")
	env.Must(t, ns, "", "delete", "configmap", "shop-policy")
	look("deleted", "", "judged by the last good policy: the ConfigMap "+configMap+" holds none.\n",
		"deny   ", 1, "--mode", "enforce")
	env.Must(t, ns, "", "delete", "pod", "podvet", "--now")
	look("without replicas", "", "judged by the built-in policy: the Service "+ns+"/podvet selects the pods with "+
		"app=podvet, and there are none. Write --policy FILE for another.\n", "warn   ", 0)
}
