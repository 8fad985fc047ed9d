// Package live_test has podvet judge what a real API server holds, in a cluster of its own: what all of it holds must
// stand still while two look at it.
package live_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/e2e/env"
)

var whole = flag.Bool("whole", false, "fill the cluster with 10,000 pods and 3,000 workloads, and not with a twentieth")

func TestMain(m *testing.M) {
	os.Exit(env.Main(m, nil))
}

// run is a podvet that has ended.
type run struct {
	stdout, stderr string
	status         int
	took           time.Duration
	peak           int64 // of its memory, in bytes
}

// check runs podvet check with what a kubeconfig names, "" for the one of the tests' own administrator.
func check(t *testing.T, kubeconfig, stdin string, args ...string) run {
	t.Helper()
	return podvetAs(t, env.Binary, kubeconfig, stdin, append([]string{"check"}, args...)...)
}

func podvetAs(t *testing.T, binary, kubeconfig, stdin string, args ...string) run {
	t.Helper()
	if kubeconfig == "" {
		kubeconfig = env.API.Kubeconfig
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if stdin == "" {
		cmd.Stdin = nil
	}
	start := time.Now()
	if err := cluster.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	r := run{stdout: stdout.String(), stderr: stderr.String(), status: cmd.ProcessState.ExitCode(),
		took: time.Since(start)}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.peak = usage.Maxrss << 10 // Linux counts it in KiB
	}
	return r
}

// found is what a report says, by the object.
type found struct {
	Summary struct{ Subjects, Deny, Warn, Audit, Fixable, Invalid, PassedOver int }
	Skipped []skipped
	Invalid []struct{ File, Message string }

	subjects map[string][]string // by kind/namespace/name: what is found in each, without its place
}

type skipped struct {
	Kind, Reason string
	Count        int
}

// reported reads a report in JSON.
func (r run) reported(t *testing.T) found {
	t.Helper()
	f := found{subjects: map[string][]string{}}
	var all struct {
		Subjects []struct {
			Kind, Namespace, Name, Owner string
			Findings, Fixed              []struct{ Level, Path, Message string }
		}
	}
	if json.Unmarshal([]byte(r.stdout), &f) != nil || json.Unmarshal([]byte(r.stdout), &all) != nil {
		t.Fatalf("status %d, no report: %s%s", r.status, r.stdout, r.stderr)
	}
	for _, s := range all.Subjects {
		name := s.Kind + "/" + s.Namespace + "/" + s.Name
		if _, twice := f.subjects[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		lines := []string{"of " + s.Owner}
		for _, one := range slices.Concat(s.Findings, s.Fixed) {
			lines = append(lines, one.Level+" "+one.Path+": "+one.Message)
		}
		slices.Sort(lines)
		f.subjects[name] = lines
	}
	return f
}
