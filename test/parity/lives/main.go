// Command lives simulates pods: it reads one pod, scenario and timing after the other on standard input and writes the
// events of each life, as JSON. The modules of other versions of Kubernetes than podvet's cannot import rules/timeline.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lives: "+err.Error())
		os.Exit(1)
	}
}

func run() error {
	in := json.NewDecoder(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	for {
		var asked struct {
			Spec     corev1.PodSpec
			Scenario timeline.Scenario
			Timing   timeline.Timing
		}
		if err := in.Decode(&asked); errors.Is(err, io.EOF) {
			return out.Flush()
		} else if err != nil {
			return err
		}
		s, _ := pod.Read(&corev1.Pod{Spec: asked.Spec})
		life := timeline.Simulate(s, asked.Scenario, asked.Timing)
		if err := json.NewEncoder(out).Encode(life.Events); err != nil {
			return err
		}
	}
}
