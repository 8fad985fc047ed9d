package chart

import (
	"strings"
)

// combinations are values that the chart must render, each accepted by the API server.
var combinations = map[string]string{
	"defaults":     ``,
	"cert-manager": `certificates: {mode: certManager}`,
	"own-issuer": `
certificates:
  mode: certManager
  certManager: {namespace: pki, issuerRef: {kind: ClusterIssuer, name: corporate}}
`,
	"own-secret":   `certificates: {mode: existingSecret, existingSecret: {name: webhook-tls}}`,
	"own-checked":  `certificates: {mode: existingSecret, existingSecret: {name: webhook-tls, checkBundle: true}}`,
	"host-network": `{hostNetwork: true, ports: {webhook: 10250, metrics: 18080, health: 18081}}`,
	"one-replica":  `{replicas: 1, podDisruptionBudget: {enabled: false}, topologySpreadConstraints: []}`,
	"fail": `
webhooks:
  mutate: {failurePolicy: Fail}
  validate: {failurePolicy: Fail}
  validateWorkloads: {failurePolicy: Fail}
  timeoutSeconds: 10
  reinvocationPolicy: Never
`,
	"custom-resources": `
webhooks: {validateWorkloads: {customResources: [rollouts.argoproj.io, clustertrainingruntimes.trainer.kubeflow.org]}}
policy: {templates: [{apiVersion: example.com/v1, kind: Shop, path: spec.template, like: Deployment}]}
`,
	"pods-only":  `webhooks: {validateWorkloads: {enabled: false}}`,
	"not-asked":  `webhooks: {enabled: false}`,
	"own-policy": `policyConfigMap: {create: false, name: my-policy}`,
	"other-types": `
resources: {limits: {memory: 1.5Gi, cpu: 1, example.com/gpu: "1"}, requests: {cpu: 0.1, memory: 1e8}}
extraEnv:
- {name: A, value: ""}
- {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: C, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
extraVolumes:
- name: a
  projected:
    sources: [{configMap: {name: a, items: [{key: b, path: c}]}}, {serviceAccountToken: {path: t}}]
- name: b
  ephemeral:
    volumeClaimTemplate:
      metadata: {labels: {a: b}}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
- {name: c, hostPath: {path: /c, type: Directory}}
- {name: d, secret: {secretName: d, defaultMode: 256}}
extraVolumeMounts: [{name: a, mountPath: /a, readOnly: true, subPath: x}]
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
      - matchExpressions: [{key: zone, operator: In, values: [a]}, {key: cpus, operator: Gt, values: ["4"]}]
tolerations: [{operator: Exists}, {key: a, operator: Equal, value: b, effect: NoExecute, tolerationSeconds: 5}]
strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 50%, maxUnavailable: 0}}
podSecurityContext:
  runAsUser: 1000
  fsGroup: 1000
  sysctls: [{name: net.core.somaxconn, value: "1024"}]
  supplementalGroups: [1]
  appArmorProfile: {type: RuntimeDefault}
securityContext:
  capabilities: {add: [NET_BIND_SERVICE]}
  seLinuxOptions: {level: "s0:c1"}
  seccompProfile: {type: Localhost, localhostProfile: p.json}
networkPolicy:
  enabled: true
  metricsFrom: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {podSelector: {}}]
  egress:
  - {ports: [{port: 443, protocol: TCP}, {port: 8000, endPort: 9000}], to: [{ipBlock: {cidr: 10.0.0.1/32}}]}
commonLabels: {example.com/team.name: A_b.c, empty: ""}
commonAnnotations: {example.com/Any_thing: "of any text: {}"}
`,
	"openshift": `
podSecurityContext: {runAsUser: null}
resources: null
nodeSelector: null
fullnameOverride: vet
`,
	"token": `
metrics: {requireToken: true}
serviceMonitor: {enabled: true, tlsConfig: {insecureSkipVerify: true}}
`,
	"reports": `{reports: {enabled: true}, networkPolicy: {enabled: true}, podLabels: {a: b}}`,
	"open-reports": `
reports:
  enabled: true
  format: openreports
  schedule: "@daily"
  customResources: [{apiGroups: [example.com], resources: [shops], verbs: [list]}]
  resources: null
podAnnotations: {a: b}
`,
	"reports-by-others": `
reports: {enabled: true, serviceAccountName: somebody}
serviceAccount: {create: false}
rbac: {create: false}
`,
	"no-own-account": `{serviceAccount: {create: false, name: somebody}, rbac: {create: false}}`,
	"mirror": `
image:
  registry: "registry.example:5000"
  repository: mirror/podvet
  digest: "sha256:` + strings.Repeat("0a", 32) + `"
`,
	"namespace-mode-guard": `
namespaceModeGuard: {enabled: true, groups: [platform, "system:serviceaccounts:flux-system", 'a "b" <c>']}
`,
	"policy": `
policy:
  mode: off
  profile: strict
  fixes: false
  workloads: off
  ownedPods: warn
  namespaceModes: [off, warn]
  injectedContainers: []
  rules:
    startup-budget-too-long: {level: off, params: {maxSeconds: 86400}}
    no-startup-probe: {fix: false, params: {minBootSeconds: 0}}
    no-readiness-probe:
      fix: true
      level: deny
      params:
        alsoWithoutPorts: true
        template: {portName: http, probe: {httpGet: {path: /ready, port: http}, failureThreshold: 2147483647}}
    restart-policy-not-allowed: {params: {allowed: {Job: [Never], Pod: [Always]}}}
`,
	"selectors": `
webhooks:
  excludeNamespaces: [calico-system]
  namespaceSelector: {matchLabels: {podvet.dev/vet: "true"}, matchExpressions: [{key: team, operator: Exists}]}
  objectSelector: {matchExpressions: [{key: podvet.dev/skip, operator: DoesNotExist}]}
  matchConditions:
  - name: not-by-velero
    expression: "request.userInfo.username != 'system:serviceaccount:velero:velero'"
  annotations: {service.beta.openshift.io/inject-cabundle: "true"}
`,
	"everything": `
replicas: 3
certificates: {mode: certManager}
clientCA: {configMap: api-server-ca}
image: {tag: v9, pullPolicy: Always}
imagePullSecrets: [{name: registry}]
maxConcurrentReviews: 0
shutdownDelaySeconds: 0
extraArgs: [--v=2]
extraEnv: [{name: GOMEMLIMIT, value: 200MiB}]
extraVolumes: [{name: scratch, emptyDir: {}}]
extraVolumeMounts: [{name: scratch, mountPath: /tmp}]
dnsPolicy: Default
service: {annotations: {a: b}}
networkPolicy:
  enabled: true
  webhookFrom: [{ipBlock: {cidr: 10.0.0.1/32}}, {ipBlock: {cidr: "fd00::1/128"}}]
  healthFrom: [{ipBlock: {cidr: 10.0.0.0/16}}]
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
metrics:
  requireToken: true
  readers: [{kind: ServiceAccount, name: prometheus-k8s, namespace: monitoring}, {kind: Group, name: admins}]
priorityClassName: system-cluster-critical
nodeSelector: {pool: system}
tolerations: [{key: pool, operator: Exists}]
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]
topologySpreadConstraints:
- {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}
strategy: {type: Recreate}
serviceAccount: {name: vet, annotations: {a: b}}
serviceMonitor: {enabled: true, interval: 1m, labels: {release: kube-prometheus-stack}}
prometheusRule: {enabled: true, labels: {release: kube-prometheus-stack}}
grafanaDashboard: {enabled: true, annotations: {folder: podvet}}
commonLabels: {team: platform}
commonAnnotations: {contact: platform}
podLabels: {a: b}
podAnnotations: {c: d}
`,
}
