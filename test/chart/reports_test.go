package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	batchv1 "k8s.io/api/batch/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/podvet/podvet/test/cluster"
)

// reportCRDs installs those of an API of reports: of openreports.io from the module that go.mod pins.
func reportCRDs(t *testing.T, format string) {
	t.Helper()
	crds := "testdata/wgpolicyk8s.io.yaml"
	if format == "openreports" {
		dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}",
			"github.com/openreports/reports-api").Output()
		if err != nil {
			t.Fatal(err)
		}
		crds = filepath.Join(strings.TrimSpace(string(dir)), "config", "crd")
	}
	mustKubectl(t, "", "apply", "--server-side", "-f", crds)
	mustKubectl(t, "", "wait", "--for=condition=Established", "--timeout=60s", "-f", crds)
}

// runReports runs podvet with the arguments of the chart's CronJob and the rights of its account.
func runReports(t *testing.T, ns string) (stdout, stderr string, status int) {
	t.Helper()
	var job batchv1.CronJob
	stored := mustKubectl(t, "", "get", "cronjob", "podvet-reports", "-n", ns, "-o", "json")
	if err := json.Unmarshal([]byte(stored), &job); err != nil {
		t.Fatal(err)
	}
	pod := job.Spec.JobTemplate.Spec.Template.Spec
	cmd := exec.CommandContext(t.Context(), binary, pod.Containers[0].Args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfigFor(t, ns, pod.ServiceAccountName))
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	_ = cmd.Run() // the status says it
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// web is a Deployment whose startupProbe uses a port.
func web(name, port string) string {
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  replicas: 0
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      containers:
      - name: app
        image: i
        ports: [{name: http, containerPort: 80}]
        startupProbe: {httpGet: {port: %s}, failureThreshold: 30}
        readinessProbe: {httpGet: {path: /ready, port: http}}
        lifecycle: {preStop: {sleep: {seconds: 5}}}
`, name, port)
}

// TestReports: the CronJob writes a report for each namespace with findings, writes again only what changed, and
// deletes the report of a namespace whose findings are gone. Its rights suffice, and none is too many.
func TestReports(t *testing.T) {
	for format, resource := range map[string]string{"policyreport": "policyreports.wgpolicyk8s.io",
		"openreports": "reports.openreports.io"} {
		t.Run(format, func(t *testing.T) { testReports(t, format, resource) })
	}
}

func testReports(t *testing.T, format, resource string) {
	ns, shop := "reports-"+format, "shop-"+format
	installForDoctor(t, ns, "reports: {enabled: true, format: "+format+"}")
	p := serve(t, ns)
	await(t, "podvet to be ready; its log is "+p.log, func() bool { return p.ready(t) })
	addPod(t, ns, "podvet-0", p)
	namespace(t, shop, "privileged")
	mustKubectl(t, web("sound", "http")+web("bad", "nowhere"), "apply", "-n", shop, "-f", "-")

	if _, said, status := runReports(t, ns); status != 2 || !strings.Contains(said, "install this Custom") {
		t.Errorf("without the definition: status %d: %s", status, said)
	}
	reportCRDs(t, format)
	out, said, status := runReports(t, ns)
	if status != 0 || !strings.HasSuffix(out, " written, 0 unchanged, 0 deleted\n") ||
		!strings.Contains(said, "judged by the policy in the ConfigMap "+ns+"/podvet-policy") {
		t.Fatalf("status %d: %s%s", status, out, said)
	}
	const columns = "custom-columns=:.metadata.name,:.scope.name,:.summary.pass,:.summary.fail,:.summary.warn"
	got := strings.Fields(mustKubectl(t, "", "get", resource, "-n", shop, "--no-headers", "-o", columns))
	if !slices.Equal(got, []string{"podvet", shop, "1", "0", "1"}) {
		t.Errorf("the report says %v", got)
	}
	table := mustKubectl(t, "", "get", resource, "-n", shop)
	if rows := strings.Split(table, "\n"); !strings.Contains(rows[0], "PASS   FAIL   WARN   ERROR   SKIP") ||
		!strings.HasPrefix(rows[1], "podvet ") || !strings.Contains(rows[1], "1      0      1      0       0") {
		t.Errorf("kubectl get shows\n%s", table)
	}
	results := mustKubectl(t, "", "get", resource, "podvet", "-n", shop, "-o",
		`jsonpath={range .results[*]}{.policy} {.result} {.severity} {.resources[0].kind}/{.resources[0].name}{end}`)
	if results != "probe-port-unresolved warn high Deployment/bad" {
		t.Errorf("the results are %s", results)
	}

	if format == "openreports" { // whose Go types are there
		text := mustKubectl(t, "", "get", resource, "podvet", "-n", shop, "-o", "yaml")
		if err := yaml.UnmarshalStrict([]byte(text), new(openreports.Report)); err != nil {
			t.Error(err)
		}
	}

	version := func() string {
		return mustKubectl(t, "", "get", resource, "podvet", "-n", shop, "-o", "jsonpath={.metadata.resourceVersion}")
	}
	before := version()
	if out, said, _ := runReports(t, ns); !strings.Contains(out, ": 0 written, ") || version() != before {
		t.Errorf("nothing changed, and it was: %s%s", out, said)
	}
	mustKubectl(t, web("worse", "nowhere"), "apply", "-n", shop, "-f", "-")
	if out, said, _ := runReports(t, ns); !strings.Contains(out, ": 1 written, ") || version() == before {
		t.Errorf("one namespace changed, and it was: %s%s", out, said)
	}
	reportsGo(t, ns, shop, resource)

	// What podvet prints is accepted as it is.
	byHand := "by-hand-" + format
	namespace(t, byHand, "privileged")
	written := exec.CommandContext(t.Context(), binary, "check", "-o", format, "--fail-on=none", "-")
	written.Stdin = strings.NewReader(web("bad", "nowhere"))
	text, err := written.Output()
	if err != nil {
		t.Fatal(err)
	}
	mustKubectl(t, string(text), "apply", "--validate=strict", "-n", byHand, "-f", "-")

	var rules []rbacv1.PolicyRule
	for _, args := range [][]string{{"clusterrole", "podvet-reports"}, {"role", "podvet-reports", "-n", ns}} {
		var role rbacv1.Role
		if err := json.Unmarshal([]byte(mustKubectl(t, "", append([]string{"get", "-o", "json"}, args...)...)),
			&role); err != nil {
			t.Fatal(err)
		}
		rules = append(rules, slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool {
			// What the cluster does not serve.
			return slices.ContainsFunc(r.APIGroups, func(group string) bool {
				return strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io") &&
					group != "openreports.io" && group != "wgpolicyk8s.io" || strings.Contains(group, "x-k8s.io")
			})
		})...)
	}
	_, wrong, err := cluster.Rights(rules, api.AuditLog, "system:serviceaccount:"+ns+":podvet-reports")
	if err != nil {
		t.Fatal(err)
	}
	for _, right := range wrong {
		switch {
		case strings.HasPrefix(right, "forbidden: list ") && strings.HasSuffix(right, "sets/"): // see reportsGo
		case strings.HasPrefix(right, "never used: ") && strings.Contains(right, " cluster"): // its own objects
		case right == "never used: get configmaps/podvet-policy-last-good": // while the policy has a mistake
		default:
			t.Error(right)
		}
	}
}

// reportsGo: the report of a namespace without findings goes, others' reports stay, and nothing is deleted by someone
// who could not see all.
func reportsGo(t *testing.T, ns, shop, resource string) {
	t.Helper()
	others := "{apiVersion: wgpolicyk8s.io/v1alpha2, kind: PolicyReport, metadata: {name: others}}"
	if strings.HasSuffix(resource, "openreports.io") {
		others = "{apiVersion: openreports.io/v1alpha1, kind: Report, metadata: {name: others}}"
	}
	mustKubectl(t, others, "create", "-n", shop, "-f", "-")
	mustKubectl(t, "", "delete", "deployment", "bad", "worse", "-n", shop)

	grant := func(resources string) {
		mustKubectl(t, "", "patch", "clusterrole", "podvet-reports", "--type=json", "-p",
			`[{"op":"replace","path":"/rules/1/resources","value":`+resources+`}]`)
	}
	grant(`["deployments"]`)
	await(t, "the right to go", func() bool {
		_, _, status := runReports(t, ns)
		return status == 2
	})
	if left := list(t, resource, "-n", shop); len(left) != 2 {
		t.Errorf("though not all could be read, of 2 reports there are %v", left)
	}
	grant(`["deployments", "replicasets", "statefulsets", "daemonsets"]`)
	await(t, "the right to come back", func() bool {
		_, _, status := runReports(t, ns)
		return status == 0
	})
	if left := list(t, resource, "-n", shop); len(left) != 1 || !strings.HasSuffix(left[0], "/others") {
		t.Errorf("there are %v", left)
	}
}
