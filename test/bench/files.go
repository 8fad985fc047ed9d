package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// benchFiles times podvet check and podvet fix on 10,000 manifests: as files, as one file and through a pipe.
func benchFiles(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench files", flag.ExitOnError)
	binary := flags.String("podvet", "bin/podvet", "`FILE` of the podvet to measure")
	rounds := flags.Int("rounds", 5, "`N` rounds; in each, every command runs once")
	number := flags.Int("manifests", 10_000, "`N` manifests")
	_ = flags.Parse(args)

	folder, err := os.MkdirTemp("", "podvet-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	// In another process: what this one has held would count as its children's (getrusage(2), execve(2)).
	self, err := os.Executable()
	if err != nil {
		return err
	}
	size, err := exec.CommandContext(ctx, self, "manifests", folder, strconv.Itoa(*number)).Output()
	if err != nil {
		return err
	}
	all, one := filepath.Join(folder, "all"), filepath.Join(folder, "one.yaml")
	runs := []*fileRun{
		{name: "check, a folder", args: []string{"check", all}},
		{name: "check, one file", args: []string{"check", one}},
		{name: "check, a pipe", args: []string{"check", "-"}, input: one},
		{name: "fix --diff, a folder", args: []string{"fix", "--diff", all}},
		{name: "fix --diff, one file", args: []string{"fix", "--diff", one}},
	}
	for range *rounds {
		for _, r := range runs {
			if err := r.once(ctx, *binary); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	fmt.Printf("| %d manifests, %s MB | median | spread | processor | resident at most |\n|---|---:|---:|---:|---:|\n",
		*number, size)
	for _, r := range runs {
		r.print()
	}
	return nil
}

// A fileRun is a command, and what it took each time.
type fileRun struct {
	name  string
	args  []string
	input string // a file that comes through a pipe, "" for none

	took, processor []time.Duration
	peak            int64 // bytes
}

func (r *fileRun) once(ctx context.Context, binary string) error {
	cmd := exec.CommandContext(ctx, binary, r.args...)
	cmd.Stdout = io.Discard
	var said bytes.Buffer
	cmd.Stderr = &said
	if r.input != "" {
		file, err := os.Open(r.input)
		if err != nil {
			return err
		}
		defer file.Close()
		cmd.Stdin = struct{ io.Reader }{file} // what is no file comes through a pipe
	}
	begin := time.Now()
	err := cmd.Run()
	r.took = append(r.took, time.Since(begin))
	exit, ok := errors.AsType[*exec.ExitError](err)
	if found := ok && exit.ExitCode() == 1; err != nil && !found {
		return fmt.Errorf("%w: %.300s", err, said.String())
	}
	r.processor = append(r.processor, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.peak = max(r.peak, usage.Maxrss<<10)
	}
	return nil
}

func (r *fileRun) print() {
	slices.Sort(r.took)
	slices.Sort(r.processor)
	middle := r.took[len(r.took)/2]
	spread := 50 * float64(r.took[len(r.took)-1]-r.took[0]) / float64(middle)
	fmt.Printf("| %s | %.2f s | +-%.0f %% | %.2f s | %d MB |\n", r.name, middle.Seconds(), spread,
		r.processor[len(r.processor)/2].Seconds(), r.peak/1e6)
}

// writeManifests is the process that writes manifests of realistic sizes, 2.6 kB on average, as a file each and as one:
// manifests FOLDER NUMBER. Half of them are workloads, the others what stands beside them. It prints how many megabytes
// they are.
func writeManifests(_ context.Context, args []string) error {
	folder := args[0]
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	examples, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(examples) == 0 {
		return cmp.Or(err, errors.New("examples/ is empty: run this in the root of the repository"))
	}
	texts := make([]string, len(examples))
	for i, file := range examples {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		texts[i] = string(text)
	}
	var one bytes.Buffer
	for i := range number {
		text := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c-%d\ndata:\n  settings.yaml: |\n%s",
			i, strings.Repeat("    some.setting: and its value\n", 80))
		if i%2 == 0 {
			text = texts[i/2%len(texts)] + "# " + strings.Repeat("labels, annotations, environment, volumes", 48) + "\n"
		}
		part := filepath.Join(folder, "all", fmt.Sprintf("team-%02d", i%50))
		if err := os.MkdirAll(part, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(part, fmt.Sprintf("%05d.yaml", i)), []byte(text), 0o600); err != nil {
			return err
		}
		one.WriteString("---\n" + text)
	}
	fmt.Printf("%.1f", float64(one.Len())/1e6)
	return os.WriteFile(filepath.Join(folder, "one.yaml"), one.Bytes(), 0o600)
}
