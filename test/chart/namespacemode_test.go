package chart

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestNamespaceModeGuard: the API server lets only members of the groups set, change or remove the label of the mode,
// whichever way it is written, and lets everyone do everything else with namespaces.
func TestNamespaceModeGuard(t *testing.T) {
	h := helms[len(helms)-1]
	namespace(t, "guard", "restricted")
	namespace(t, "deployers", "restricted")
	before := clusterObjects(t)
	mustKubectl(t, "", "create", "serviceaccount", "flux", "-n", "deployers")
	h.must(t, `
webhooks: {enabled: false} # none of podvet runs: the API server does this by itself
namespaceModeGuard: {enabled: true, groups: [platform, "system:serviceaccounts:deployers"]}
`, "install", "guard", chartDir, "--namespace", "guard")
	t.Cleanup(func() { _, _ = h.try(t, "", "uninstall", "guard", "--namespace", "guard") })
	mustKubectl(t, mayDoAllWithNamespaces, "apply", "-f", "-")
	t.Cleanup(func() {
		_, _, _ = api.Kubectl(context.Background(),
			"delete", "clusterrole,clusterrolebinding", "does-all-with-namespaces")
	})

	token := strings.TrimSpace(mustKubectl(t, "", "create", "token", "flux", "-n", "deployers"))
	team := []string{"--as=jane", "--as-group=developers", "--as-group=system:authenticated"}
	user := []string{"--as=joe", "--as-group=platform", "--as-group=system:authenticated"}
	account := []string{"--token=" + token}
	as := func(who []string, stdin string, args ...string) (string, error) {
		t.Helper()
		return kubectl(t, stdin, append(args, who...)...)
	}
	const says = "only members of platform, system:serviceaccounts:deployers may set, change or remove the label " +
		"podvet.dev/mode of a namespace"
	refused := func(who []string, stdin string, args ...string) {
		t.Helper()
		if out, err := as(who, stdin, args...); err == nil || !strings.Contains(out, says) {
			t.Errorf("kubectl %s of %s: %v: %s", strings.Join(args, " "), who[0], err, out)
		}
	}
	may := func(who []string, stdin string, args ...string) {
		t.Helper()
		if out, err := as(who, stdin, args...); err != nil {
			t.Errorf("kubectl %s of %s: %v: %s", strings.Join(args, " "), who, err, out)
		}
	}
	await(t, "the policy to be in force", func() bool {
		out, err := as(team, withMode("guarded", "off"), "create", "--dry-run=server", "-f", "-")
		return err != nil && strings.Contains(out, says)
	})

	refused(team, withMode("guarded", "off"), "create", "-f", "-")
	may(team, "", "create", "namespace", "guarded")
	may(team, "", "label", "namespace", "guarded", "team=a", "podvet.dev/other=b")
	may(team, "", "annotate", "namespace", "guarded", "podvet.dev/mode=off")
	refused(team, "", "label", "namespace", "guarded", "podvet.dev/mode=off")
	refused(team, withMode("guarded", "off"), "apply", "--server-side", "--field-manager=jane", "-f", "-")
	// Only the status and the finalizers are kept of what else these write, and the labels too.
	const patch = `{"metadata":{"labels":{"podvet.dev/mode":"off"}}}`
	refused(team, "", "patch", "namespace", "guarded", "--subresource=status", "-p", patch)
	refused(team, withMode("guarded", "off"), "replace", "--raw", "/api/v1/namespaces/guarded/finalize", "-f", "-")
	// Nobody is in a group by his name alone, also not the cluster's own administrator.
	refused([]string{"--as=platform"}, "", "label", "namespace", "guarded", "podvet.dev/mode=off")
	refused([]string{"--as=system:serviceaccount:guard:default"}, "", "label", "namespace", "guarded",
		"podvet.dev/mode=off")
	refused([]string{"--context="}, "", "label", "namespace", "guarded", "podvet.dev/mode=off")

	for _, member := range [][]string{user, account} {
		may(member, "", "label", "namespace", "guarded", "podvet.dev/mode=off")
		may(team, "", "label", "namespace", "guarded", "team-")
		may(team, "", "label", "namespace", "guarded", "team=a")
		may(team, "", "label", "namespace", "guarded", "podvet.dev/mode=off") // as it is
		refused(team, "", "label", "namespace", "guarded", "podvet.dev/mode=warn", "--overwrite")
		refused(team, "", "label", "namespace", "guarded", "podvet.dev/mode-")
		may(member, "", "label", "namespace", "guarded", "podvet.dev/mode=warn", "--overwrite")
		may(member, "", "label", "namespace", "guarded", "podvet.dev/mode-")
		may(member, withMode("made", "audit"), "create", "-f", "-")
		may(team, "", "delete", "namespace", "made") // the namespace controller finalizes it
	}
	may(team, "", "delete", "namespace", "guarded")

	h.must(t, "", "uninstall", "guard", "--namespace", "guard")
	mustKubectl(t, mayDoAllWithNamespaces, "delete", "-f", "-")
	if after := clusterObjects(t); after != before {
		t.Errorf("before:\n%s\nafter uninstall:\n%s", before, after)
	}
}

func withMode(name, mode string) string {
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Namespace",
"metadata": {"name": %q, "labels": {"podvet.dev/mode": %q}}}`, name, mode)
}

// mayDoAllWithNamespaces are the rights that make it the policy, not RBAC, that refuses.
const mayDoAllWithNamespaces = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: does-all-with-namespaces}
rules:
- {apiGroups: [""], resources: [namespaces, namespaces/status, namespaces/finalize], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: does-all-with-namespaces}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: does-all-with-namespaces}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: platform}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: platform}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: system:serviceaccounts}
`
