package preview_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/cmd/podvet/internal/preview"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

const header = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"

func loadManifest(file string, text []byte, now time.Time) (*policy.Policy, error) {
	source, err := preview.ReadPolicy(file, text)
	if err != nil {
		return nil, err
	}
	return source.Load(catalogue.All, now)
}

// TestConfigMap: a policy in a ConfigMap is read where it stands, and its mistakes have the file's lines.
func TestConfigMap(t *testing.T) {
	wrap := func(policy string) string {
		return `apiVersion: v1
kind: ConfigMap
metadata: {name: p}
data:
  policy.yaml: |
    ` + strings.ReplaceAll(strings.TrimSpace(policy), "\n", "\n    ") + "\n"
	}
	p, err := loadManifest("cm.yaml", []byte(wrap(header+"profile: strict")), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	strict, err := policy.Load(catalogue.All, "x", []byte(header+"profile: strict"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strict.Settings(), p.Settings()); diff != "" {
		t.Error(diff)
	}
	_, err = loadManifest("cm.yaml", []byte(wrap(header+"profile: strikt")), time.Now())
	if err == nil || !strings.HasPrefix(err.Error(), "cm.yaml:8: profile: ") {
		t.Errorf("%v", err)
	}
	_, err = loadManifest("cm.yaml", []byte("apiVersion: v1\nkind: ConfigMap\ndata: {other: x}\n"), time.Now())
	if err == nil || !strings.Contains(err.Error(), "no ConfigMap here has the key policy.yaml") {
		t.Errorf("%v", err)
	}
	if _, err = loadManifest("p.yaml", []byte(header), time.Now()); err != nil {
		t.Errorf("a plain document: %v", err)
	}
}
