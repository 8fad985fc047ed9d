package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/podvet/podvet/cmd/podvet/internal/input"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/picture"
	"github.com/podvet/podvet/cmd/podvet/internal/preview"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/pod"
)

// timelineFlags are what podvet timeline is told beside its input.
type timelineFlags struct {
	policyFlags
	picture.Asked
	output string
}

func newTimeline() *cobra.Command {
	flags := timelineFlags{}
	cmd := &cobra.Command{
		Use:   "timeline [FILE|-]",
		Short: "Draw what the kubelet will do with a pod: probes, restarts, kills, the endpoints",
		Long: `Draw what the kubelet will do with a pod in a scenario: when its probes run and what they find, when it
is ready, in the endpoints, killed and restarted, and what kubectl get pods prints. Nothing is started: the pod is
simulated.

Without flags about what happens podvet chooses the scenario that shows what is wrong with the pod, and says which: such
as a boot just longer than its probes allow. The verdict says in words what comes of it.

The kubelet leaves much to chance, such as when probes run. The picture shows a run in the middle, the table beside each
time also the earliest and the latest of 100 runs. --seed draws one run. docs/timeline.md explains how to read it.

Exit status: 0, or 2 if the pod could not be drawn.`,
		Example: `  podvet timeline deployment.yaml
  podvet timeline --boot 45s --fixed -o svg deployment.yaml > timeline.svg
  podvet timeline --boot app=45s,proxy=2s --delete-at 20m --stop-takes 40s --for 25m pod.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("timeline takes one file, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := nothingToRead(cmd, args); err != nil {
				return err
			}
			flags.Given = cmd.Flags().Changed
			if err := flagErrors(append(flags.Check(), oneOf("-o", flags.output, picture.Formats))); err != nil {
				return err
			}
			return drawTimelines(cmd, args, &flags)
		},
	}
	flags.register(cmd)
	set := cmd.Flags()
	set.StringVar(&flags.Container, "container", "",
		"`NAME` of the one that boots, hangs and ends (default: the first)")
	set.StringVar(&flags.Boot, "boot", "", "`TIME` that the container takes to boot, or NAME=TIME,NAME=TIME")
	set.DurationVar(&flags.Does.HangAt, "hang-at", 0, "the container stops answering at this `TIME`")
	set.DurationVar(&flags.Does.Crash, "crash-after", 0, "the container ends by itself this `TIME` after each start")
	set.Int32Var(&flags.Does.ExitCode, "exit-code", 0, "`NUMBER` with which it ends by itself")
	set.DurationVar(&flags.DeleteAt, "delete-at", 0, "the pod is deleted at this `TIME`")
	set.DurationVar(&flags.Does.StopTakes, "stop-takes", time.Second, "`TIME` that containers take to stop")
	set.DurationVar(&flags.Length, "for", 15*time.Minute, "`TIME` to look at")
	set.StringVar(&flags.Kubelet, "kubernetes", fmt.Sprintf("1.%d", pod.Newest), "`VERSION` of the kubelet")
	set.Uint64Var(&flags.Seed, "seed", 0, "draw one random run: `N` says which")
	set.BoolVar(&flags.Fixed, "fixed", false, "draw the pod with podvet's fixes below, too")
	set.StringVarP(&flags.output, "output", "o", "text", "`FORMAT`: "+strings.Join(picture.Formats, ", "))
	completeWith(cmd, "output", picture.Formats)
	return cmd
}

func drawTimelines(cmd *cobra.Command, args []string, f *timelineFlags) error {
	p, err := f.load(cmd, args)
	if err != nil {
		return err
	}
	object := input.Stdin
	if len(args) > 0 {
		object = args[0]
	}
	in, namespaces, err := readOne(cmd, object)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	t := f.Timelines()
	t.Judge = vet.Judge{Policy: p, Namespaces: namespaces}
	var left []manifest.Problem
	t.Left = func(doc *manifest.Document, reason string) {
		p, _ := preview.Elsewhere(doc, reason, "podvet timeline -")
		left = append(left, p)
	}
	in.Text(object, func(name string, r io.Reader) { stream.Split(name, r, t.Chunk, t.Problem) }, t.Problem)
	t.Finish()
	switch {
	case len(t.All) > 0 || len(t.Problems) > 0:
	case len(left) > 0:
		t.Problems = left[:min(len(left), preview.MaxElsewhere)]
	default:
		t.Problem(holdsNone(object))
	}
	if err := picture.Write(cmd.OutOrStdout(), f.output, t.All); err != nil {
		return err
	}
	return allProblems(t.Problems)
}
