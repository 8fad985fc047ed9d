package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

// The manifests that files are timed with, 2.8 kB on average. Half of them are Deployments as teams write them, a third
// of which podvet fixes, the others are what stands beside them.
var manifests = template.Must(template.New("").Parse(`
{{- define "Deployment" -}}
# The shop's front end. Owned by team checkout.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-{{.Number}}
  namespace: team-{{.Team}}
  labels:
    app.kubernetes.io/name: shop-{{.Number}}
    app.kubernetes.io/part-of: shop
    app.kubernetes.io/managed-by: argocd
    team: checkout
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: shop-{{.Number}}
      app.kubernetes.io/part-of: shop
  template:
    metadata:
      labels:
        app.kubernetes.io/name: shop-{{.Number}}
        app.kubernetes.io/part-of: shop
        app.kubernetes.io/managed-by: argocd
        team: checkout
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "8080"
    spec:
      serviceAccountName: shop
      terminationGracePeriodSeconds: 45
      containers:
      - name: app
        image: registry.example/shop/front:1.27.3
        env:
{{- range $i, $_ := .Settings}}
        - name: SHOP_SETTING_{{$i}}
          value: "https://service-{{$i}}.shop.svc:8443"
{{- end}}
        ports:
        - name: http
          containerPort: 8080
        resources:
          requests:
            cpu: 100m
            memory: 256Mi
          limits:
            memory: 512Mi
        readinessProbe:
          httpGet:
            path: /ready
            port: http
{{- if .Fixed}}
        livenessProbe:
          httpGet:
            path: /live
            port: http
{{- end}}
        lifecycle:
          preStop:
            sleep:
              seconds: 5
        volumeMounts:
        - name: settings
          mountPath: /etc/shop
          readOnly: true
      volumes:
      - name: settings
        configMap:
          name: settings-{{.Number}}
{{end}}
{{- define "ConfigMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings-{{.Number}}
data:
  settings.yaml: |
{{.Data}}{{end}}`))

// writeManifests is the process that writes manifests, as a file each and as one: manifests FOLDER NUMBER. It prints
// how many megabytes they are.
func writeManifests(_ context.Context, args []string) error {
	folder := args[0]
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var one bytes.Buffer
	for i := range number {
		team, kind := fmt.Sprintf("%02d", i%50), "ConfigMap"
		if i%2 == 0 {
			kind = "Deployment"
		}
		var text bytes.Buffer
		if err := manifests.ExecuteTemplate(&text, kind, map[string]any{"Number": i, "Team": team, "Fixed": i%3 == 0,
			"Settings": make([]int, 13), "Data": strings.Repeat("    some.setting: and its value\n", 93)}); err != nil {
			return err
		}
		part := filepath.Join(folder, "all", "team-"+team)
		if err := os.MkdirAll(part, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(part, fmt.Sprintf("%05d.yaml", i)), text.Bytes(), 0o600); err != nil {
			return err
		}
		one.WriteString("---\n" + text.String())
	}
	fmt.Printf("%.1f", float64(one.Len())/1e6)
	return os.WriteFile(filepath.Join(folder, "one.yaml"), one.Bytes(), 0o600)
}
