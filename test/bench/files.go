package main

import (
	"bytes"
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
	if *rounds < 1 {
		return errors.New("-rounds is at least 1")
	}

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
	fixable := (*number + 5) / 6 // every third Deployment
	judged := fmt.Sprintf("\n%d objects: 0 deny, 0 warn, 0 audit, %d fixable\nskipped: ConfigMap %d\n",
		*number/2, fixable, *number/2)
	const fixed = "+        startupProbe:\n"
	runs := []*fileRun{
		{name: "check, a folder", args: []string{"check", all}, says: judged},
		{name: "check, one file", args: []string{"check", one}, says: judged},
		{name: "check, a pipe", args: []string{"check", "-"}, input: one, says: judged},
		{name: "fix --diff, a folder", args: []string{"fix", "--diff", all}, says: fixed, fixes: fixable},
		{name: "fix --diff, one file", args: []string{"fix", "--diff", one}, says: fixed, fixes: fixable},
		{name: "fix --diff, a pipe", args: []string{"fix", "--diff", "-"}, input: one, says: fixed, fixes: fixable},
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
	says  string // in the last kilobytes
	fixes int    // that it tells of

	took, processor []time.Duration
	peak            int64 // bytes
}

// end keeps the last of what is written: this process must stay small.
type end []byte

func (e *end) Write(p []byte) (int, error) {
	all := append(*e, p...)
	*e = append((*e)[:0], all[max(0, len(all)-4<<10):]...)
	return len(p), nil
}

func (r *fileRun) once(ctx context.Context, binary string) error {
	cmd := exec.CommandContext(ctx, binary, r.args...)
	var out end
	cmd.Stdout = &out
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
	if !bytes.Contains(out, []byte(r.says)) {
		return fmt.Errorf("it does not say %q: ...%s", r.says, out)
	}
	if fixes := strings.Count(said.String(), ": fixed no-startup-probe/app\n"); fixes != r.fixes {
		return fmt.Errorf("it says %d fixes, not %d", fixes, r.fixes)
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
