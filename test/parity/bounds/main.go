// Command bounds says what podvet does of probes: it reads a list of them on standard input and writes a list of
// bounds, both as JSON. The modules of other versions of Kubernetes than podvet's cannot import rules/pod.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bounds: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	var probes []struct {
		Startup bool
		Probe   corev1.Probe
	}
	if err := json.NewDecoder(os.Stdin).Decode(&probes); err != nil {
		return err
	}
	bounds := make([]struct{ Guaranteed, Worst int64 }, len(probes))
	for i := range probes {
		probe := pod.Probe{Probe: &probes[i].Probe, Kind: pod.Liveness}
		if probes[i].Startup {
			probe.Kind = pod.Startup
		}
		bounds[i].Guaranteed, bounds[i].Worst = probe.Guaranteed(), probe.Worst()
	}
	return json.NewEncoder(os.Stdout).Encode(bounds)
}
