package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// doctorRights are those that podvet doctor --help names, and a pod that has them.
const doctorRights = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: doctor, namespace: NAMESPACE}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: doctor}
rules:
- {apiGroups: [""], resources: [services, configmaps, namespaces, pods/proxy], verbs: [get]}
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]
  verbs: [get]
- {apiGroups: [""], resources: [pods], verbs: [list]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: doctor}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: doctor}
subjects: [{kind: ServiceAccount, name: doctor, namespace: NAMESPACE}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: doctor, namespace: default}
rules: [{apiGroups: [""], resources: [pods], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: doctor, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: doctor}
subjects: [{kind: ServiceAccount, name: doctor, namespace: NAMESPACE}]
`

const doctorPod = `
apiVersion: v1
kind: Pod
metadata: {name: doctor, namespace: NAMESPACE}
spec:
  serviceAccountName: doctor
  restartPolicy: Never
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: doctor
    image: IMAGE
    args: [doctor]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

const healthy = "\n9 ok, 0 unknown, 0 with a warning, 0 with a problem\n"

// wantDoctor has podvet doctor look at a healthy release, from a pod with its own account and the rights that are
// documented, and from outside with an administrator's kubeconfig through port-forward.
func (r *release) wantDoctor(t *testing.T) {
	t.Helper()
	fill := strings.NewReplacer("NAMESPACE", r.namespace, "IMAGE", podvetImage+":"+version)
	kubectl(t, r.n, fill.Replace(doctorRights), "apply", "-f", "-")
	t.Cleanup(func() {
		_, _ = r.n.Kubectl(t.Context(), "", "delete", "clusterrole/doctor", "clusterrolebinding/doctor",
			"--ignore-not-found")
	})
	kubectl(t, r.n, fill.Replace(doctorPod), "create", "-f", "-")
	eventually(t, func() error {
		phase := kubectl(t, r.n, "", "get", "pod", "doctor", "-n", r.namespace, "-o", "jsonpath={.status.phase}")
		if phase != "Succeeded" && phase != "Failed" {
			return fmt.Errorf("the doctor's pod is %s", phase)
		}
		return nil
	})
	if said := kubectl(t, r.n, "", "logs", "doctor", "-n", r.namespace); !strings.HasSuffix(said, healthy) {
		t.Errorf("in a pod doctor says\n%s", said)
	}
	kubectl(t, r.n, fill.Replace(doctorRights), "delete", "-f", "-")
	kubectl(t, r.n, "", "delete", "pod", "doctor", "-n", r.namespace)
	if said, err := r.doctor(t); err != nil || !strings.HasSuffix(said, healthy) {
		t.Errorf("through port-forward doctor says %v\n%s", err, said)
	}
}

// doctor runs podvet doctor beside the node.
func (r *release) doctor(t *testing.T) (string, error) {
	t.Helper()
	said, err := r.n.Command(t.Context(), "/run/node/images/podvet", "doctor",
		"--kubeconfig=/run/node/kubeconfig").CombinedOutput()
	return string(said), err
}

// wantDiagnosis empties a bundle that podvet may no longer repair: the kubelet takes both replicas for not ready, and
// doctor says why.
func (r *release) wantDiagnosis(t *testing.T) {
	t.Helper()
	rules := kubectl(t, r.n, "", "get", "clusterrole", "podvet", "-o", "jsonpath={.rules}")
	setRules := func(rules string) {
		kubectl(t, r.n, "", "patch", "clusterrole", "podvet", "--type=merge", "-p", `{"rules":`+rules+`}`)
	}
	setRules(strings.ReplaceAll(rules, `,"patch"`, ""))
	kubectl(t, r.n, "", "patch", "mutatingwebhookconfiguration", "podvet", "--type=json",
		"-p", `[{"op":"replace","path":"/webhooks/0/clientConfig/caBundle","value":""}]`)
	eventually(t, func() error {
		for _, pod := range r.pods(t) {
			if isReady(&pod) {
				return fmt.Errorf("%s is ready", pod.Name)
			}
		}
		return nil
	})
	eventually(t, func() error { // the Service's endpoints follow the pods a moment later
		said, err := r.doctor(t)
		for _, want := range []string{
			"is not ready: the CA bundle of webhook mutate.podvet.dev (0 certificates) does not verify the certificate",
			"problem  ca-bundle: webhook mutate.podvet.dev has no caBundle",
			"problem  service: ", "ok       names: ", "ok       expiry: ", "ok       policy: ",
		} {
			if !strings.Contains(said, want) {
				return errors.Join(err, fmt.Errorf("doctor does not say %q:\n%s", want, said))
			}
		}
		return nil
	})
	setRules(rules)
	r.awaitPods(t)
}
