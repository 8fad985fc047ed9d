package podvet

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"text/template"
	"time"

	"github.com/podvet/podvet/test/cluster"
)

// Registration is a pair of webhook configurations.
type Registration struct {
	Name          string // of both configurations
	URL           string
	Service       string // of the namespace default, made to lead to the URL's host; "": the API server asks the URL
	CA            []byte
	FailurePolicy string // Ignore or Fail
	Timeout       int    // seconds
	Selector      string // namespaces with the label podvet-test of this value; "" for all namespaces but kube-system
	Versions      string // admissionReviewVersions; "" for v1
}

var configurations = template.Must(template.New("").Parse(`
{{- if .Service}}
apiVersion: v1
kind: Service
metadata: {name: {{.Service}}, namespace: default}
spec: {type: ExternalName, externalName: {{.Host}}}
---
{{- end}}
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
  {{- if .Service}}
  clientConfig:
    service: {name: {{.Service}}, namespace: default, path: {{.Path}}, port: {{.Port}}}
    caBundle: {{.Bundle}}
  {{- else}}
  clientConfig: {url: "{{.URL}}{{.Path}}", caBundle: {{.Bundle}}}
  {{- end}}
  {{- if .Selector}}
  namespaceSelector: {matchLabels: {podvet-test: "{{.Selector}}"}}
  {{- else}}
  namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system]}]}
  {{- end}}
{{- end}}`))

// With is the registration as one of the two webhooks has it.
func (r Registration) With(path string) any {
	return struct {
		Registration
		Path, Port, Bundle string
	}{r, path, r.url().Port(), base64.StdEncoding.EncodeToString(r.CA)}
}

// Host is where the Service leads.
func (r Registration) Host() string { return r.url().Hostname() }

func (r Registration) url() *url.URL {
	u, err := url.Parse(r.URL)
	if err != nil {
		panic(err) // it is a test's own
	}
	return u
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
