package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/test/cluster"
)

// looker runs a command of podvet that looks at pods, with the rights that the command's page names.
type looker struct {
	podvet, command, namespace, kubeconfig string
	role                                   rbacv1.ClusterRole
}

func newLooker(t *testing.T, ns, command string) *looker {
	t.Helper()
	l := &looker{command: command, namespace: ns, kubeconfig: "/run/node/" + command + ".kubeconfig"}
	var err error
	if l.podvet, err = podvetCommand(); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/" + command + ".md")
	if err != nil {
		t.Fatal(err)
	}
	_, role, _ := strings.Cut(string(page), "```yaml\n")
	role, _, _ = strings.Cut(role, "```")
	if err := yaml.Unmarshal([]byte(role), &l.role); err != nil || len(l.role.Rules) == 0 {
		t.Fatalf("docs/%s.md has no role: %v", command, err)
	}
	kubectl(t, shared, role, "apply", "-f", "-")
	kubectl(t, shared, "", "create", "serviceaccount", command, "-n", ns)
	kubectl(t, shared, "", "create", "rolebinding", command, "-n", ns, "--clusterrole="+l.role.Name,
		"--serviceaccount="+ns+":"+command)
	token := strings.TrimSpace(kubectl(t, shared, "", "create", "token", command, "-n", ns))
	out, err := shared.Command(t.Context(), "sh", "-c", `cp $KUBECONFIG $1 && export KUBECONFIG=$1 &&
kubectl config set-credentials looker --token=$2 && kubectl config set-context --current --user=looker --namespace=$3`,
		"sh", l.kubeconfig, token, ns).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return l
}

// run runs the command about a pod or a workload.
func (l *looker) run(t *testing.T, asked string) (stdout []byte, err error) {
	t.Helper()
	return shared.Command(t.Context(), l.podvet, l.command, asked, "-o", "json", "--kubeconfig="+l.kubeconfig).Output()
}

// wantRights compares the rights that the page names with those that were used.
func (l *looker) wantRights(t *testing.T) {
	t.Helper()
	granted, wrong, err := cluster.Rights(l.role.Rules, filepath.Join(shared.Logs, "audit.log"),
		"system:serviceaccount:"+l.namespace+":"+l.command)
	if err != nil || len(wrong) > 0 || len(granted) < 2 {
		t.Errorf("%v; of %d rights %q", err, len(granted), wrong)
	}
}
