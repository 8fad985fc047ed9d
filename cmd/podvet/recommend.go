package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/doctor"
	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/live"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/recommend"
	"github.com/podvet/podvet/webhook/budget"
)

// recommendFlags are what podvet recommend is told.
type recommendFlags struct {
	doctor.Kubeconfig
	recommend.Options
	cluster           bool
	namespace, output string
	files             []string
	prometheus        live.Prometheus
}

var recommendFormats = []string{"text", "json", "patch"}

func newRecommend() *cobra.Command {
	f := recommendFlags{}
	cmd := &cobra.Command{
		Use:   "recommend [TYPE/NAME]... [FILE]...",
		Short: "Say from the starts that pods had how long their probes must wait",
		Long: `Say from the starts that pods had how long a boot takes, and which numbers fit: the budget of a
startupProbe, an initialDelaySeconds, a grace period. It reads pods and their events, of the workloads that are named,
of a cluster, or from files, and changes nothing.

A start is the time from a container's start until it was Ready; sandbox and image are told apart. Starts that were
killed took longer than seen, and starts of pods that were Ready again later are left out. Of fewer than ten starts
podvet recommends nothing. docs/recommend.md explains the numbers.

-o patch prints a kubectl patch for each workload, or with FILE, a manifest or more, the changes as a diff.

Rights: list pods and events.

Exit status: 0, or 2 if not all of the work could be done.`,
		Example: `  podvet recommend deploy/web -n shop
  podvet recommend --cluster -o json
  kubectl get pods,events -n shop -o json | podvet recommend -f -
  podvet recommend -f pods.json -o patch deploy.yaml | patch -p0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			names, manifests, err := f.check(args)
			if err != nil {
				return err
			}
			return f.run(cmd, names, manifests)
		},
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.BoolVar(&f.cluster, "cluster", false, "look at all pods of a cluster, or of the namespace of -n")
	set.StringVarP(&f.namespace, "namespace", "n", "", "`NAMESPACE` (default: with --cluster all, else the context's)")
	set.StringArrayVarP(&f.files, "filename", "f", nil,
		"`FILE` with what kubectl get pods,events -o json prints, - for standard input (repeatable)")
	registerKubeconfig(&f.Kubeconfig, set)
	set.StringVar(&f.prometheus.URL, "prometheus", "",
		"`URL` of a Prometheus with the metrics of kube-state-metrics, which remembers pods that are gone")
	set.StringVar(&f.prometheus.Since, "since", "7d", "`TIME` for which it is asked")
	set.Float64Var(&f.Margin, "margin", recommend.DefaultMargin,
		"a boot needs the 99th percentile times this `NUMBER`, and at least the longest")
	set.BoolVar(&f.Few, "few", false, "recommend from fewer than ten starts, too")
	set.StringVarP(&f.output, "output", "o", "text", "`FORMAT`: "+strings.Join(recommendFormats, ", "))
	_ = cobra.MarkFlagFilename(set, "filename", "json", "yaml", "yml")
	completeWith(cmd, "output", recommendFormats)
	return cmd
}

// check names all flags and arguments that do not fit, and tells names from manifests.
func (f *recommendFlags) check(args []string) (names []live.Named, manifests []string, err error) {
	errs := []error{oneOf("-o", f.output, recommendFormats), f.Check()}
	for _, arg := range args {
		if f.output == "patch" && input.IsManifest(arg) {
			manifests = append(manifests, arg)
			continue
		}
		name, err := live.ParseName(arg)
		if err == nil && input.IsManifest(arg) && !strings.Contains(arg, "/") {
			err = fmt.Errorf("%s is a file: write -f %[1]s for one with pods, or -o patch %[1]s for a manifest", arg)
		}
		names, errs = append(names, name), append(errs, err)
	}
	f.Named = len(names) > 0
	switch {
	case f.prometheus.URL != "":
		errs = append(errs, f.prometheus.Check())
	case f.prometheus.Since != "7d":
		errs = append(errs, errors.New("--since is for --prometheus: write both, or leave it out"))
	}
	switch {
	case len(f.files) > 0 && f.cluster:
		errs = append(errs, errors.New("--cluster and -f exclude each other: choose one"))
	case len(f.files) == 0 && !f.cluster && len(names) == 0:
		errs = append(errs, errors.New("name a workload, such as deploy/web, or write --cluster or -f FILE"))
	}
	return names, manifests, flagErrors(errs)
}

func (f *recommendFlags) run(cmd *cobra.Command, names []live.Named, manifests []string) error {
	var problems []manifest.Problem
	problem := func(p manifest.Problem) { problems = append(problems, p) }
	c := recommend.NewCollector()
	wanted := live.Wanted{Names: names, Namespace: f.namespace, Event: c.Event, Pod: c.Pod, Past: c.Past}
	if len(f.files) > 0 {
		wanted.FromFiles(f.files, cmd.InOrStdin(), problem)
	} else if err := f.readCluster(cmd, &wanted, problem); err != nil {
		return err
	}
	if f.prometheus.URL != "" {
		wanted.FromPrometheus(cmd.Context(), f.prometheus, problem)
	}
	report, out := c.Report(f.Options), cmd.OutOrStdout()
	var err error
	switch {
	case f.output == "json":
		err = report.JSON(out)
	case len(manifests) > 0:
		change := input.Changer{Out: out, Said: cmd.ErrOrStderr(), Of: report.Change, Problem: problem}
		for _, file := range manifests {
			err = errors.Join(err, change.File(file))
		}
	case f.output == "patch":
		err = report.Commands(out)
	default:
		_, err = fmt.Fprint(out, report.Text(console.Width(out)))
	}
	return cmp.Or(err, allProblems(problems))
}

func (f *recommendFlags) readCluster(cmd *cobra.Command, w *live.Wanted, problem func(manifest.Problem)) error {
	budget.Memory() // in a pod there is a limit
	reach, stop := context.WithTimeout(cmd.Context(), reachTimeout)
	defer stop()
	connected, err := f.Connect(reach, "podvet-recommend/"+version())
	if err != nil {
		return err
	}
	if w.Namespace == "" && !f.cluster {
		w.Namespace = f.Namespace()
	}
	tell, done := console.Progress(cmd.ErrOrStderr())
	defer done()
	w.FromCluster(cmd.Context(), live.Cluster{Client: connected.Client, Read: tell("read")}, problem)
	return nil
}
