package kubelet

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// probe is a startupProbe or a livenessProbe.
type probe struct {
	Startup bool
	Probe   corev1.Probe
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// bounds are what podvet says of a probe, in seconds.
type bounds struct{ Guaranteed, Worst int64 }

// podvets asks podvet, which is built with the newest version of Kubernetes alone. parity is the folder of test/parity.
func podvets(t *testing.T, parity string, probes []probe) []bounds {
	t.Helper()
	question, err := json.Marshal(probes)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "./bounds")
	cmd.Dir, cmd.Stdin = parity, bytes.NewReader(question)
	var said bytes.Buffer
	cmd.Stderr = &said
	answer, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.Bytes())
	}
	var list []bounds
	if err := json.Unmarshal(answer, &list); err != nil || len(list) != len(probes) {
		t.Fatalf("%d answers: %v", len(list), err)
	}
	return list
}
