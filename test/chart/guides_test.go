package chart

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// run has a shell run what a guide says, with kubectl, podvet and this Helm.
func (h helm) run(t *testing.T, commands string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", commands)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + strings.Join([]string{filepath.Dir(api.Binaries.Kubectl), filepath.Dir(binary),
		filepath.Dir(h.binary), "/usr/bin:/bin"}, ":"),
		"KUBECONFIG=" + api.Kubeconfig, "HOME=" + h.home}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (h helm) mustRun(t *testing.T, commands string) string {
	t.Helper()
	out, err := h.run(t, commands)
	if err != nil {
		t.Fatalf("helm %s: %v: %s\n%s", h.version, err, out, commands)
	}
	return out
}

// documented is the block of docs/operations.md that has some text, for a namespace and this version of Helm.
func (h helm) documented(t *testing.T, ns, has string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	chart, err := filepath.Abs(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(block[1], has) {
			text := strings.NewReplacer("podvet-system", ns, "CHART", chart).Replace(block[1])
			if h.version == "v3" {
				text = strings.ReplaceAll(text, "--rollback-on-failure", "--atomic")
			}
			return text
		}
	}
	t.Fatalf("docs/operations.md has no block with %q", has)
	return ""
}

// notes are what Helm prints, between two texts.
func notes(t *testing.T, printed, from, to string) string {
	t.Helper()
	_, text, _ := strings.Cut(printed, "NOTES:")
	_, rest, found := strings.Cut(text, from)
	part, _, closed := strings.Cut(rest, to)
	if !found || !closed {
		t.Fatalf("the notes have nothing between %q and %q:\n%s", from, to, text)
	}
	return from + part
}

// ownSecret is a Secret with a CA that is another than what podvet published.
func ownSecret(t *testing.T, ns string) {
	t.Helper()
	mustKubectl(t, "", "create", "secret", "generic", "webhook-tls", "-n", ns, "--from-literal=ca.crt=the new CA")
}

var newCA = base64.StdEncoding.EncodeToString([]byte("the new CA"))

// TestOwnSecret runs what the notes say to do, and upgrades after it.
func TestOwnSecret(t *testing.T) {
	for _, h := range helms {
		ns := "own-secret-" + h.version
		namespace(t, ns, "privileged")
		ownSecret(t, ns)
		h.mustRun(t, notes(t, h.must(t, combinations["own-secret"], "install", "podvet", chartDir, "--namespace", ns),
			"  CA=$(", "See it work"))
		wantBundles(t, newCA)
		h.must(t, combinations["own-secret"], "upgrade", "podvet", chartDir, "--namespace", ns,
			"--set", "webhooks.timeoutSeconds=5")
		wantBundles(t, newCA)
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// TestToOwnSecret goes from a CA that podvet published to the user's as docs/operations.md says: both first, then only
// the new one.
func TestToOwnSecret(t *testing.T) {
	for _, h := range helms {
		ns := "to-own-secret-" + h.version
		namespace(t, ns, "privileged")
		h.must(t, "", "install", "podvet", chartDir, "--namespace", ns)
		writeAsPodvet(t, ns)
		ownSecret(t, ns)
		h.mustRun(t, h.documented(t, ns, "caBundle"))
		old, err := base64.StdEncoding.DecodeString(published)
		if err != nil {
			t.Fatal(err)
		}
		both := base64.StdEncoding.EncodeToString([]byte(string(old) + "\nthe new CA"))
		wantBundles(t, both)
		printed := h.mustRun(t, h.documented(t, ns, "certificates.mode=existingSecret"))
		wantBundles(t, both)
		h.mustRun(t, notes(t, printed, "  CA=$(", "See it work"))
		wantBundles(t, newCA)
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// TestFailedInstall: with the flag that docs/operations.md asks for with Fail, what fails half-way leaves nothing that
// refuses pods.
func TestFailedInstall(t *testing.T) {
	// The API server refuses the Deployment alone: requests must not be over limits, which no schema can say.
	const bad = "{resources: {requests: {memory: 1Gi}}, webhooks: {validate: {failurePolicy: Fail}}}"
	for _, h := range helms {
		ns := "failed-" + h.version
		namespace(t, ns, "privileged")
		upgrade := h.documented(t, ns, "failurePolicy=Fail")
		flag := regexp.MustCompile("--(atomic|rollback-on-failure)").FindString(upgrade)
		if flag == "" {
			t.Fatalf("the command has no flag that rolls back:\n%s", upgrade)
		}
		before := clusterObjects(t)
		out, err := h.try(t, bad, "install", "podvet", chartDir, "--namespace", ns, flag, "--timeout=20s")
		if err == nil || !strings.Contains(out, "must be less than or equal to memory limit") {
			t.Fatalf("helm %s says %s", h.version, out)
		}
		if after := clusterObjects(t); after != before {
			t.Errorf("helm %s: after a failed installation:\n%s", h.version, cmp.Diff(before, after))
		}
		if left := left(t, ns); len(left) > 0 {
			t.Errorf("helm %s: a failed installation leaves %v", h.version, left)
		}

		h.must(t, "", "install", "podvet", chartDir, "--namespace", ns)
		// There is no node, so that the rollback waits for replicas in vain.
		large := strings.TrimSpace(upgrade) + " --set resources.requests.memory=1Gi --timeout=5s"
		if out, err := h.run(t, large); err == nil {
			t.Errorf("helm %s: the upgrade succeeds: %s", h.version, out)
		}
		got := mustKubectl(t, "", "get", validatingConfiguration, "podvet",
			"-o", "jsonpath={.webhooks[0].failurePolicy}")
		if got != "Ignore" {
			t.Errorf("helm %s: after a failed upgrade the failurePolicy is %s", h.version, got)
		}
		h.must(t, "", "uninstall", "podvet", "--namespace", ns)
	}
}

// TestNotesCommands runs what the notes say in each mode, with a podvet that answers.
func TestNotesCommands(t *testing.T) {
	const ns = "notes"
	h := helms[len(helms)-1]
	namespace(t, ns, "restricted")
	printed := h.must(t, "", "install", "podvet", chartDir, "--namespace", ns)
	t.Cleanup(func() { _ = h.command(t, "", "uninstall", "podvet", "--namespace", ns, "--ignore-not-found").Run() })
	p := serve(t, ns)
	await(t, "podvet to be ready; its log is "+p.log, func() bool { return p.ready(t) })
	addPod(t, ns, "podvet-0", p)

	// One that enforce would refuse, made while the mode is warn.
	namespace(t, "noted", "privileged")
	mustKubectl(t, `
apiVersion: v1
kind: Pod
metadata: {name: never-ready, namespace: noted}
spec:
  containers:
  - {name: c, image: i, ports: [{containerPort: 80}], readinessProbe: {httpGet: {port: http}}}
`, "create", "-f", "-")
	_, steps, _ := strings.Cut(notes(t, printed, "of what runs now:", "For what is created"), ":")
	if out, err := h.run(t, steps); err == nil ||
		!regexp.MustCompile(`deny .*\[probe-port-unresolved\]`).MatchString(out) {
		t.Errorf("what enforce would refuse: %v %s", err, out)
	}

	for _, mode := range []string{"warn", "audit", "enforce", "off", "warn"} {
		printed = h.must(t, "policy: {mode: "+mode+"}", "upgrade", "podvet", chartDir, "--namespace", ns)
		_, text, _ := strings.Cut(printed, "NOTES:")
		try := regexp.MustCompile(`kubectl run try .*`).FindString(text)
		if (try == "") != (mode == "off") {
			t.Fatalf("in the mode %s the notes say to run %q", mode, try)
		}
		if try == "" {
			try = "kubectl run try --image=nginx -n default --dry-run=server"
		}
		warns := strings.Contains(text, `prints "Warning: ..."`)
		await(t, fmt.Sprintf("mode %s, notes\n%s\n%s to print a warning: %v", mode, text, try, warns), func() bool {
			out, err := h.run(t, try)
			return err == nil && regexp.MustCompile(`Warning: .*\[[a-z-]+\]`).MatchString(out) == warns
		})
	}

	h.must(t, "webhooks: {enabled: false}", "upgrade", "podvet", chartDir, "--namespace", ns)
	late := serve(t, ns)
	await(t, "a replica that starts while podvet is not asked to be ready; its log is "+late.log,
		func() bool { return late.ready(t) })
}
