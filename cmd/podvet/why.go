package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/doctor"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/live"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/why"
)

type whyFlags struct {
	doctor.Kubeconfig
	namespace, output, at string
	files                 []string
}

func newWhy() *cobra.Command {
	f := whyFlags{}
	cmd := &cobra.Command{
		Use:   "why POD|TYPE/NAME... [-f FILE...]",
		Short: "Say why a pod is not well: who killed it, what it waits for, and what to write",
		Long: `Say why a pod is not well: who killed it, what it waits for, and what to write.

why reads a pod, or all pods of a workload, with their events and owners, and compares their times with what the
kubelet does. It names the gravest first, each with its evidence, and the worst pods of a workload. Nothing is changed,
and nothing is stored. Events are kept for an hour: what they told before is lost.

With -f it reads what kubectl get -o json printed, such as kubectl get pod,event -o json: all pods in it, or those that
are named.

Exit status: 0 nothing is wrong that podvet can see, 1 something is, 2 podvet could not look.
docs/why.md lists what it finds, and the rights that it needs.`,
		Example: `  podvet why deploy/web
  podvet why web-5d4f9c7b6-x2x7k -n shop -o json
  podvet why -f pod.json events.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			now, names, err := f.check(cmd, args)
			if err != nil {
				return err
			}
			found, err := f.read(cmd, names, now)
			if err != nil {
				return err
			}
			return f.write(cmd.OutOrStdout(), why.Of(found.Workloads, found.Pods, found.Events, ownerText, now))
		},
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.StringVarP(&f.namespace, "namespace", "n", "", "`NAMESPACE` (default: the context's)")
	set.StringArrayVarP(&f.files, "filename", "f", nil,
		"`FILE` with pods, events and workloads as kubectl prints them, - for standard input; more may follow")
	set.StringVar(&f.at, "at", "", "`TIME` as of which to look, such as 2026-01-31T12:00:00Z (default: now)")
	registerKubeconfig(&f.Kubeconfig, set)
	set.StringVarP(&f.output, "output", "o", "text", "`FORMAT`: text or json")
	completeWith(cmd, "output", []string{"text", "json"})
	return cmd
}

// check names all flags and arguments that do not fit, reads the time, and tells names from files.
func (f *whyFlags) check(cmd *cobra.Command, args []string) (now time.Time, names []live.Named, err error) {
	errs := []error{usage.OneOf("-o", f.output, "text", "json")}
	now = time.Now()
	if f.at != "" {
		if now, err = time.Parse(time.RFC3339, f.at); err != nil {
			errs = append(errs, fmt.Errorf("--at %s: write a time such as 2026-01-31T12:00:00Z", f.at))
		}
	}
	inFiles := len(f.files) > 0
	for _, flag := range []string{"kubeconfig", "context"} {
		if inFiles && cmd.Flags().Changed(flag) {
			errs = append(errs, fmt.Errorf("--%s is about a cluster: leave it out, or leave out -f", flag))
		}
	}
	for _, arg := range args {
		if _, err := os.Stat(arg); inFiles && (err == nil || arg == input.Stdin || input.IsManifest(arg)) {
			f.files = append(f.files, arg)
			continue
		}
		name, err := live.ParseName(arg)
		names, errs = append(names, name), append(errs, err)
	}
	if !inFiles && names == nil {
		errs = append(errs, errors.New("name a pod or a workload, such as deploy/web, or a file with -f"))
	}
	return now, names, flagErrors(errs)
}

// read reads what is named, from files or from a cluster.
func (f *whyFlags) read(cmd *cobra.Command, names []live.Named, now time.Time) (*live.Objects, error) {
	if len(f.files) > 0 {
		var problems []manifest.Problem
		found := live.ReadFiles(f.files, cmd.InOrStdin(), names, f.namespace, now,
			func(p manifest.Problem) { problems = append(problems, p) })
		return found, allProblems(problems)
	}
	ctx, stop := context.WithTimeout(cmd.Context(), lookTimeout)
	defer stop()
	connected, err := f.Connect(ctx, "podvet-why/"+version())
	if err != nil {
		return nil, err
	}
	tell, done := console.Progress(cmd.ErrOrStderr())
	cluster := live.Cluster{Client: connected.Client, Read: tell("read")}
	found, missing, err := cluster.Look(ctx, cmp.Or(f.namespace, f.Namespace()), names)
	done()
	if missing != nil {
		warn(cmd, missing)
	}
	return found, err
}

// lookTimeout bounds all that is read of a cluster.
const lookTimeout = 2 * time.Minute

// ownerText is the owner of a pod as a person names it, "" for none.
func ownerText(p *corev1.Pod) string {
	kind, name := live.OwnerOf(p)
	if kind == "Pod" {
		return ""
	}
	return kind + "/" + name
}

// write prints the report. The error is the exit status.
func (f *whyFlags) write(out io.Writer, found *why.Report) error {
	var err error
	if f.output == "json" {
		err = found.JSON(out)
	} else {
		_, err = io.WriteString(out, found.Text(console.Width(out)))
	}
	if err == nil && found.Wrong() {
		err = errFound
	}
	return err
}
