package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
	"github.com/podvet/podvet/webhook/budget"
)

// usualSpec is that of a pod with what most have.
const usualSpec = `
      serviceAccountName: default
      securityContext: {runAsNonRoot: true, fsGroup: 1000}
      terminationGracePeriodSeconds: 45
      nodeSelector: {kubernetes.io/os: linux}
      tolerations: [{key: spot, operator: Exists, effect: NoSchedule}]
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: web}}}
      volumes:
      - {name: config, configMap: {name: config, optional: true}}
      - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
      initContainers:
      - {name: migrate, image: i, command: [migrate], envFrom: [{secretRef: {name: s, optional: true}}]}
      - {name: proxy, image: i, restartPolicy: Always, startupProbe: {tcpSocket: {port: 15021}, failureThreshold: 30}}
      containers:
      - name: app
        image: i
        args: [--listen, ":8080", '--greeting="hello"']
        env: [{name: LEVEL, value: info}, {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        ports: [{name: http, containerPort: 8080}]
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 64Mi}}
        securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: config, mountPath: /etc/app, readOnly: true}, {name: tmp, mountPath: /tmp}]
        livenessProbe: {httpGet: {path: /live, port: http}, periodSeconds: 10}
        readinessProbe: {grpc: {port: 8080}}
        lifecycle: {preStop: {sleep: {seconds: 5}}}
`

// TestPlain: what the API server sends of usual new pods is plain, before it is stored and after.
func TestPlain(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked, others := map[string]int{}, map[string]string{} // by path
	recorder := serveWebhook(t, func(path string, body []byte) *admissionv1.AdmissionResponse {
		mu.Lock()
		defer mu.Unlock()
		if plain := budget.ReadPlain(body); plain != nil {
			asked[path]++
			plain.Room.Leave()
		} else if strings.Contains(string(body), `"resource":"pods"`) {
			others[path] = string(body)
		}
		return &admissionv1.AdmissionResponse{Allowed: true}
	})
	err := podvet.Register(t.Context(), env.API, podvet.Registration{Name: "podvet-plain", URL: recorder.url,
		CA: recorder.ca, FailurePolicy: "Fail", Timeout: 10, Selector: "plain"})
	if err != nil {
		t.Fatal(err)
	}
	ns := env.Namespace(t, "plain")
	count := func(path string) int {
		mu.Lock()
		defer mu.Unlock()
		return asked[path]
	}
	if !podvet.Await(t.Context(), 30*time.Second, func() bool {
		env.Must(t, ns, "", "run", "probe", "--image=i", "--dry-run=server")
		return count("/mutate") > 0 && count("/validate") > 0
	}) {
		t.Fatalf("not asked, or not plain: %s", others)
	}
	for _, w := range []struct{ apiVersion, kind, spec, restartPolicy string }{
		{"apps/v1", "Deployment", "selector: {matchLabels: {app: deployment}}", "Always"},
		{"apps/v1", "StatefulSet", "selector: {matchLabels: {app: statefulset}}", "Always"},
		{"batch/v1", "Job", "backoffLimit: 1", "Never"},
	} {
		name, before := strings.ToLower(w.kind), count("/validate")
		env.Must(t, ns, fmt.Sprintf(`
apiVersion: %s
kind: %s
metadata: {name: %[3]s}
spec:
  %[4]s
  template:
    metadata: {labels: {app: %[3]s}}
    spec:
      restartPolicy: %[5]s%[6]s`, w.apiVersion, w.kind, name, w.spec, w.restartPolicy, usualSpec), "apply", "-f", "-")
		controllersPod(t, ns, name, time.Minute)
		if count("/validate") == before {
			t.Errorf("%s: its pod is not plain, or was not asked about", w.kind)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for path, review := range others {
		t.Errorf("%s: not plain: %s", path, review)
	}
}
