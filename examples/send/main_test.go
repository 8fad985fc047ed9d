package main

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/webhook"
)

var update = flag.Bool("update", false, "write the transcripts in the READMEs again")

// TestTranscripts: what the READMEs show is what podvet answers to the examples.
func TestTranscripts(t *testing.T) {
	t.Chdir("../..")
	s, out := newTestSender(t)
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d examples (%v)", len(files), err)
	}
	answers := map[string]string{}
	for _, file := range files {
		out.Reset()
		if err := s.apply(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		answers[file] = strings.TrimPrefix(out.String(), "\n")
	}
	block := regexp.MustCompile("(?s)```console\n\\$ kubectl apply -f (\\S+)\n.*?```\n")
	for _, readme := range []string{"README.md", "README.ko.md"} {
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		want := block.ReplaceAllStringFunc(string(text), func(old string) string {
			shown++
			return "```console\n" + answers[block.FindStringSubmatch(old)[1]] + "```\n"
		})
		if shown < 3 {
			t.Errorf("%s shows %d examples", readme, shown)
		}
		if *update {
			if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Errorf("%s is stale: run go test ./examples/send -update\n%s", readme, diff)
		}
	}
}

// TestExamples says of each example what it is there to show.
func TestExamples(t *testing.T) {
	t.Chdir("../..")
	s, out := newTestSender(t)
	quiet := []string{"05-startup", "07-restart-always", "08-restart-on-failure", "09-restart-never", "11-job",
		"12-native-sidecar"}
	for file, wants := range map[string][]string{
		"01-nginx":       {"[no-readiness-probe]", "pod/nginx created"},
		"02-nginx-redis": {`container "redis": no readinessProbe`, "pod/nginx-redis created"},
		"03-exec-liveness": {
			"# patched: /spec/containers/0/livenessProbe/timeoutSeconds 5", "[no-startup-probe]",
		},
		"04-exec-readiness": {
			"# patched: /spec/containers/0/readinessProbe/timeoutSeconds 5", "pod/exec-readiness created",
		},
		"05-startup":                   {"pod/startup created"},
		"06-startup-port-not-declared": {"Error from server (Forbidden)", "[probe-port-unresolved]"},
		"07-restart-always":            {"pod/restart-always created"},
		"08-restart-on-failure":        {"pod/restart-on-failure created"},
		"09-restart-never":             {"pod/restart-never created"},
		"10-deployment": {
			"deployment.apps/web created", "# patched: /spec/containers/0/startupProbe",
			"# patched: /spec/terminationGracePeriodSeconds 35", "# admitted",
		},
		"11-job":            {"job.batch/once created", "# admitted"},
		"12-native-sidecar": {"pod/native-sidecar created"},
	} {
		out.Reset()
		if err := s.apply(t.Context(), "examples/"+file+".yaml"); err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", file, want, out)
			}
		}
		if slices.Contains(quiet, file) && strings.Contains(out.String(), "Warning") {
			t.Errorf("%s is warned about:\n%s", file, out)
		}
	}
}

func newTestSender(t *testing.T) (*sender, *bytes.Buffer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	dir := t.TempDir()
	if err := certs.Local(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	handler := webhook.NewHandler(policy.Default(catalogue.All), 0, slog.New(slog.DiscardHandler))
	certificate, err := certs.NewFiles(dir, slog.New(slog.DiscardHandler), handler.Registry())
	if err != nil {
		t.Fatal(err)
	}
	options := webhook.ServeOptions{
		Address: "127.0.0.1", Port: port, Certificate: certificate, Started: func() { close(started) },
	}
	go func() { done <- handler.Serve(ctx, options) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-started
	out := &bytes.Buffer{}
	s, err := newSender("https://127.0.0.1:"+strconv.Itoa(port), filepath.Join(dir, certs.CAFile), out)
	if err != nil {
		t.Fatal(err)
	}
	return s, out
}
