package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// Diagnosis is what an examination found. Its JSON form is a contract: fields may be added, never renamed.
type Diagnosis struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Summary    map[string]int `json:"summary"` // by result
	Checks     []Finding      `json:"checks"`
}

// Examine looks at the podvet whose webhook configurations have a name. Its namespace may be "": that is the one of the
// Service that the webhooks call.
func Examine(ctx context.Context, cluster Cluster, configuration, namespace string) Diagnosis {
	in := &installation{
		Cluster: cluster, configuration: configuration, namespace: namespace, service: configuration,
	}
	diagnosis := Diagnosis{
		APIVersion: "podvet.dev/v1alpha1", Kind: "Diagnosis",
		Summary: map[string]int{OK: 0, Warning: 0, Problem: 0, Unknown: 0},
	}
	for _, check := range []struct {
		name string
		run  func(context.Context) []Finding
	}{
		{"configuration", in.checkConfiguration},
		{"service", in.checkService},
		{"reached", in.checkReached},
		{"names", in.checkNames},
		{"ca-bundle", in.checkBundles},
		{"expiry", in.checkExpiry},
		{"failure-policy", in.checkFailurePolicy},
		{"policy", in.checkPolicy},
		{"replicas", in.checkReplicas},
	} {
		for _, f := range check.run(ctx) {
			f.Check = check.name
			diagnosis.Summary[f.Result]++
			diagnosis.Checks = append(diagnosis.Checks, f)
		}
	}
	return diagnosis
}

// Text is the diagnosis for people, wrapped to a width that is not 0.
func (d Diagnosis) Text(width int) string {
	var text strings.Builder
	for _, f := range d.Checks {
		line := fmt.Sprintf("%-7s  %s: %s", f.Result, f.Check, f.What)
		if f.Remedy != "" {
			line += ": " + f.Remedy
		}
		line = console.Printable(line)
		if width > 0 {
			text.WriteString(console.Wrap(line, 0, width, "         "))
			continue
		}
		text.WriteString(line + "\n")
	}
	fmt.Fprintf(&text, "\n%d ok, %d unknown, %d with a warning, %d with a problem\n",
		d.Summary[OK], d.Summary[Unknown], d.Summary[Warning], d.Summary[Problem])
	return text.String()
}
