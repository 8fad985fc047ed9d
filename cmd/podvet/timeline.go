package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
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
	"github.com/podvet/podvet/rules/timeline"
)

// timelineFlags are what podvet timeline is told beside its input.
type timelineFlags struct {
	policyFlags
	container, boot, kubelet, output string
	does                             timeline.Behavior
	deleteAt, length                 time.Duration
	seed                             uint64
	fixed                            bool
}

var (
	timelineFormats  = []string{"text", "svg", "json"}
	timelineKubelets = pod.Kubelets{From: 35, To: 38}
)

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
			if err := flags.check(cmd); err != nil {
				return err
			}
			return drawTimelines(cmd, args, &flags)
		},
	}
	flags.register(cmd)
	set := cmd.Flags()
	set.StringVar(&flags.container, "container", "",
		"`NAME` of the one that boots, hangs and ends (default: the first)")
	set.StringVar(&flags.boot, "boot", "", "`TIME` that the container takes to boot, or NAME=TIME,NAME=TIME")
	set.DurationVar(&flags.does.HangAt, "hang-at", 0, "the container stops answering at this `TIME`")
	set.DurationVar(&flags.does.Crash, "crash-after", 0, "the container ends by itself this `TIME` after each start")
	set.Int32Var(&flags.does.ExitCode, "exit-code", 0, "`NUMBER` with which it ends by itself")
	set.DurationVar(&flags.deleteAt, "delete-at", 0, "the pod is deleted at this `TIME`")
	set.DurationVar(&flags.does.StopTakes, "stop-takes", time.Second, "`TIME` that containers take to stop")
	set.DurationVar(&flags.length, "for", 15*time.Minute, "`TIME` to look at")
	set.StringVar(&flags.kubelet, "kubernetes", fmt.Sprintf("1.%d", pod.Newest), "`VERSION` of the kubelet")
	set.Uint64Var(&flags.seed, "seed", 0, "draw one random run: `N` says which")
	set.BoolVar(&flags.fixed, "fixed", false, "draw the pod with podvet's fixes below, too")
	set.StringVarP(&flags.output, "output", "o", "text", "`FORMAT`: "+strings.Join(timelineFormats, ", "))
	completeWith(cmd, "output", timelineFormats)
	return cmd
}

// check names all flags that do not fit.
func (f *timelineFlags) check(cmd *cobra.Command) error {
	nodes, err := pod.ParseKubelets(f.kubelet)
	if err != nil || nodes.From != nodes.To || nodes.From < timelineKubelets.From || nodes.To > timelineKubelets.To {
		err = fmt.Errorf("--kubernetes %s: write one version from 1.%d to 1.%d, without a third number", f.kubelet,
			timelineKubelets.From, timelineKubelets.To)
	}
	errs := []error{err, oneOf("-o", f.output, timelineFormats)}
	_, err = f.boots()
	errs = append(errs, err)
	for _, flag := range []struct {
		name  string
		value time.Duration
	}{{"hang-at", f.does.HangAt}, {"crash-after", f.does.Crash}, {"delete-at", f.deleteAt}, {"for", f.length}} {
		if cmd.Flags().Changed(flag.name) && flag.value <= 0 {
			errs = append(errs, fmt.Errorf("--%s %s: write a time above 0, such as 10m", flag.name, flag.value))
		}
	}
	if f.does.StopTakes < 0 {
		errs = append(errs, fmt.Errorf("--stop-takes %s: write 0s or more", f.does.StopTakes))
	}
	if cmd.Flags().Changed("for") {
		for _, flag := range []struct {
			name  string
			value time.Duration
		}{{"hang-at", f.does.HangAt}, {"delete-at", f.deleteAt}} {
			if flag.value >= f.length {
				errs = append(errs, fmt.Errorf("--%s %s is not before the end of --for %s: write a longer --for",
					flag.name, flag.value, f.length))
			}
		}
	}
	if max(f.does.HangAt, f.deleteAt) >= longestLook {
		errs = append(errs, fmt.Errorf("--hang-at and --delete-at: write less than %s", longestLook))
	}
	if f.length > longestLook {
		errs = append(errs, fmt.Errorf("--for %s: write at most %s", f.length, longestLook))
	}
	if cmd.Flags().Changed("exit-code") && f.does.Crash == 0 {
		errs = append(errs, errors.New("--exit-code goes with --crash-after: say when the container ends"))
	}
	if f.does.ExitCode < 0 || f.does.ExitCode > 255 {
		errs = append(errs, fmt.Errorf("--exit-code %d: write a number from 0 to 255", f.does.ExitCode))
	}
	return flagErrors(errs)
}

const (
	longestLook = 24 * time.Hour  // bounds how long a simulation takes
	afterwards  = 5 * time.Minute // looked at after the last thing that flags name
)

// boots reads --boot: by container, "" for the one that flags are about.
func (f *timelineFlags) boots() (map[string]time.Duration, error) {
	boots := map[string]time.Duration{}
	if f.boot == "" {
		return boots, nil
	}
	for part := range strings.SplitSeq(f.boot, ",") {
		name, text, named := strings.Cut(part, "=")
		if !named {
			name, text = "", part
		}
		boot, err := time.ParseDuration(text)
		_, again := boots[name]
		if err != nil || boot < 0 || boot > longestLook || again || named && name == "" {
			return nil, fmt.Errorf("--boot %s: write a time up to 24h, such as 45s, or app=45s,proxy=2s", f.boot)
		}
		boots[name] = boot
	}
	return boots, nil
}

// whatHappens are the flags about what happens, but for how long a stop takes.
var whatHappens = []string{"boot", "hang-at", "crash-after", "delete-at"}

// told says what happens in the scenario of the flags to a container; nil where there is no such flag.
func (f *timelineFlags) told(cmd *cobra.Command, boots map[string]time.Duration) func(container string) []string {
	asked := cmd.Flags().Changed
	if !asked("stop-takes") && !slices.ContainsFunc(whatHappens, asked) {
		return nil
	}
	return func(container string) []string { return picture.Told(container, boots, f.does, f.deleteAt) }
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
	t := f.timelines(cmd)
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
	if err := writeTimelines(cmd.OutOrStdout(), f.output, t.All); err != nil {
		return err
	}
	return allProblems(t.Problems)
}

func (f *timelineFlags) timelines(cmd *cobra.Command) *picture.Timelines {
	boots, _ := f.boots() // check has named what is wrong
	nodes, _ := pod.ParseKubelets(f.kubelet)
	does := f.does
	does.Boot = boots[""]
	asked := cmd.Flags().Changed
	if asked("stop-takes") && !slices.ContainsFunc(whatHappens, asked) {
		f.deleteAt = picture.ADeletion // for how it stops is all that the flags are about
	}
	length := f.length
	if !asked("for") { // until what is asked for has come and has been seen
		last := max(does.HangAt, f.deleteAt+does.StopTakes)
		for _, boot := range boots {
			last = max(last, boot)
		}
		length = min(max(length, last+afterwards), longestLook)
	}
	t := &picture.Timelines{Told: f.told(cmd, boots), Container: f.container, Fixed: f.fixed, Boots: map[string]bool{},
		Exactly: asked("for"),
		Scenario: timeline.Scenario{Kubelet: nodes.To, Length: length, DeleteAt: f.deleteAt,
			Containers: map[string]timeline.Behavior{"": does}}}
	for name, boot := range boots {
		if name != "" {
			t.Boots[name] = true
			t.Scenario.Containers[name] = timeline.Behavior{Boot: boot}
		}
	}
	if cmd.Flags().Changed("seed") {
		t.Seed = &f.seed
	}
	return t
}

func writeTimelines(w io.Writer, format string, all []picture.Timeline) error {
	switch {
	case format == "json":
		return picture.JSON(w, all)
	case format == "svg" && len(all) > 1:
		return fmt.Errorf("-o svg draws one pod, and there are %d: split the file, or write -o text or -o json",
			len(all))
	case format == "svg" && len(all) == 1:
		_, err := io.WriteString(w, picture.SVG(all[0]))
		return err
	}
	for i, t := range all {
		text := picture.Text(t)
		if i > 0 {
			text = "\n" + text
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}
