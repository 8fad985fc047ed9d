package podvet

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"text/template"
	"time"

	"github.com/podvet/podvet/test/cluster"
)

// Registration is a pair of webhook configurations.
type Registration struct {
	Name          string // of both configurations
	URL           string
	CA            []byte
	FailurePolicy string // Ignore or Fail
	Timeout       int    // seconds
	Selector      string // namespaces with the label podvet-test of this value; "" for all namespaces but kube-system
	Versions      string // admissionReviewVersions; "" for v1
}

var configurations = template.Must(template.New("").Parse(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: {{.Name}}
webhooks:
- name: mutate.podvet.dev
  rules:
  - {apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}
  reinvocationPolicy: IfNeeded
  {{- template "common" .With "/mutate"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: {{.Name}}
webhooks:
- name: validate.podvet.dev
  rules:
  - {apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}
  - {apiGroups: [""], apiVersions: [v1], resources: [replicationcontrollers], operations: [CREATE, UPDATE]}
  - apiGroups: [apps]
    apiVersions: [v1]
    resources: [deployments, replicasets, statefulsets, daemonsets]
    operations: [CREATE, UPDATE]
  - {apiGroups: [batch], apiVersions: [v1], resources: [jobs, cronjobs], operations: [CREATE, UPDATE]}
  {{- template "common" .With "/validate"}}
{{define "common"}}
  admissionReviewVersions: [{{or .Versions "v1"}}]
  sideEffects: None
  failurePolicy: {{.FailurePolicy}}
  timeoutSeconds: {{.Timeout}}
  clientConfig: {url: "{{.URL}}", caBundle: {{.Bundle}}}
  {{- if .Selector}}
  namespaceSelector: {matchLabels: {podvet-test: "{{.Selector}}"}}
  {{- else}}
  namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}]}
  {{- end}}
{{- end}}`))

// With is the registration as one of the two webhooks has it.
func (r Registration) With(path string) any {
	r.URL += path
	return struct {
		Registration
		Bundle string
	}{r, base64.StdEncoding.EncodeToString(r.CA)}
}

// Register writes the pair of webhook configurations.
func Register(ctx context.Context, c *cluster.Cluster, r Registration) error {
	var manifests bytes.Buffer
	if err := configurations.Execute(&manifests, r); err != nil {
		return err
	}
	return Apply(ctx, c, &manifests)
}

// AwaitAsked returns once the API server asks podvet about the pods of a namespace: it follows a changed
// configuration after a moment.
func (p *Server) AwaitAsked(ctx context.Context, c *cluster.Cluster, namespace string) error {
	asked := func() bool {
		before := p.Reviews()
		_, _, _ = c.Kubectl(ctx, "run", "probe", "--image=i", "-n", namespace, "--dry-run=server")
		return p.Reviews() == before+2 // /mutate and /validate
	}
	if !Await(ctx, 30*time.Second, asked) {
		return fmt.Errorf("the API server does not ask podvet about the namespace %s: podvet's log is %s",
			namespace, p.Log)
	}
	return nil
}

// Apply is kubectl apply of what it reads.
func Apply(ctx context.Context, c *cluster.Cluster, manifests io.Reader) error {
	cmd := c.KubectlCommand(ctx, "apply", "-f", "-")
	cmd.Stdin = manifests
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, out)
	}
	return nil
}
