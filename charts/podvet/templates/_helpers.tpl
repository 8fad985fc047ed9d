{{- define "podvet.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- /* At most 40 characters, so that what is added to it stays a name, and without dots, which a Service's name cannot have. */ -}}
{{- define "podvet.fullname" -}}
{{- $name := include "podvet.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "podvet.selectorLabels" -}}
app.kubernetes.io/name: {{ include "podvet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "podvet.labels" -}}
{{- $labels := dict
  "app.kubernetes.io/name" (include "podvet.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_")
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- toYaml (merge $labels .Values.commonLabels) -}}
{{- end -}}

{{- /* The metadata of every object. Takes: root, name, and for some labels, annotations, cluster (true where it has no namespace). */ -}}
{{- define "podvet.metadata" -}}
{{- $root := .root -}}
metadata:
  name: {{ .name }}
  {{- if not .cluster }}
  namespace: {{ $root.Release.Namespace }}
  {{- end }}
  labels:
    {{- merge (include "podvet.labels" $root | fromYaml) (.labels | default dict) | toYaml | nindent 4 }}
  {{- with merge dict (.annotations | default dict) $root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "podvet.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "podvet.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- /* The account that writes reports: not podvet's, which may read much less. */ -}}
{{- define "podvet.reportsAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- include "podvet.fullname" . }}-reports
{{- else -}}
{{- .Values.reports.serviceAccountName | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "podvet.policyConfigMap" -}}
{{- .Values.policyConfigMap.name | default (printf "%s-policy" (include "podvet.fullname" .)) -}}
{{- end -}}

{{- /* YAML 1.1, which Helm reads, takes the word off for false. */ -}}
{{- define "podvet.policy" -}}
{{- $document := merge (dict "apiVersion" "podvet.dev/v1alpha1" "kind" "Policy") .Values.policy -}}
{{- regexReplaceAll "(?m)^([- ]*(?:mode|level|workloads):| *-) false$" (toYaml $document) "${1} \"off\"" -}}
{{- end -}}

{{- /* Of a duration such as 2160h or 1h30m. */ -}}
{{- define "podvet.seconds" -}}
{{- $hours := regexFind "[0-9]+h" . | trimSuffix "h" | int -}}
{{- $minutes := regexFind "[0-9]+m" . | trimSuffix "m" | int -}}
{{- $seconds := regexFind "[0-9]+s" . | trimSuffix "s" | int -}}
{{- add (mul 3600 $hours) (mul 60 $minutes) $seconds -}}
{{- end -}}

{{- define "podvet.selfManagedSecret" -}}
{{- include "podvet.fullname" . }}-self-managed-ca
{{- end -}}

{{- /* The Secret whose certificate podvet serves, where it is in one. */ -}}
{{- define "podvet.tlsSecret" -}}
{{- if eq .Values.certificates.mode "existingSecret" -}}
{{- required "certificates.existingSecret.name: write the name of the Secret with the certificate" .Values.certificates.existingSecret.name -}}
{{- else -}}
{{- include "podvet.fullname" . }}-tls
{{- end -}}
{{- end -}}

{{- define "podvet.image" -}}
{{- $image := .Values.image -}}
{{- if $image.registry }}{{ $image.registry }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion | replace "+" "_" }}{{ end -}}
{{- end -}}

{{- /* The namespaces for which podvet is never called, as JSON. */ -}}
{{- define "podvet.excludedNamespaces" -}}
{{- $excluded := concat (list "kube-system" .Release.Namespace) .Values.webhooks.excludeNamespaces -}}
{{- if eq .Values.certificates.mode "certManager" -}}
{{- $excluded = append $excluded .Values.certificates.certManager.namespace -}}
{{- end -}}
{{- $excluded | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- /* What the webhooks about pods and workloads have in common. */ -}}
{{- define "podvet.webhook" -}}
{{- $root := .root -}}
{{- $namespaces := $root.Values.webhooks.namespaceSelector -}}
admissionReviewVersions: [v1]
sideEffects: None
failurePolicy: {{ .failurePolicy }}
timeoutSeconds: {{ int $root.Values.webhooks.timeoutSeconds }}
clientConfig:
  service:
    name: {{ include "podvet.fullname" $root }}
    namespace: {{ $root.Release.Namespace }}
    path: {{ .path }}
    port: 443
namespaceSelector:
  {{- with $namespaces.matchLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ include "podvet.excludedNamespaces" $root }}
  {{- with $namespaces.matchExpressions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $root.Values.webhooks.objectSelector }}
objectSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
matchConditions:
# The kubelet made these from files on its node: refusing one would only hide it.
- name: no-mirror-pod
  expression: "request.resource.resource != 'pods' || !('kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({}))"
{{- with $root.Values.webhooks.matchConditions }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* How the API server learns which CA to trust. caBundle is written by podvet or cert-manager, never here. */ -}}
{{- define "podvet.webhookAnnotations" -}}
{{- $annotations := deepCopy .Values.webhooks.annotations -}}
{{- if eq .Values.certificates.mode "certManager" -}}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "podvet.tlsSecret" .)) -}}
{{- end -}}
{{- toYaml $annotations -}}
{{- end -}}
