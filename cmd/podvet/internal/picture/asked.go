package picture

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// Asked is what someone asks for, by flags of the command line that have these names.
type Asked struct {
	Container, Boot, Kubelet string
	Does                     timeline.Behavior
	DeleteAt, Length         time.Duration
	Seed                     uint64
	Fixed                    bool
	Changed                  func(flag string) bool // by whoever asks
}

var kubelets = pod.Kubelets{From: 35, To: 38}

// Check names all flags that do not fit.
func (f *Asked) Check() []error {
	nodes, err := pod.ParseKubelets(f.Kubelet)
	if err != nil || nodes.From != nodes.To || nodes.From < kubelets.From || nodes.To > kubelets.To {
		err = fmt.Errorf("--kubernetes %s: write one version from 1.%d to 1.%d, without a third number", f.Kubelet,
			kubelets.From, kubelets.To)
	}
	errs := []error{err}
	_, err = f.boots()
	errs = append(errs, err)
	for _, flag := range []struct {
		name  string
		value time.Duration
	}{{"hang-at", f.Does.HangAt}, {"crash-after", f.Does.Crash}, {"delete-at", f.DeleteAt}, {"for", f.Length}} {
		if f.Changed(flag.name) && flag.value <= 0 {
			errs = append(errs, fmt.Errorf("--%s %s: write a time above 0, such as 10m", flag.name, flag.value))
		}
	}
	if f.Does.StopTakes < 0 {
		errs = append(errs, fmt.Errorf("--stop-takes %s: write 0s or more", f.Does.StopTakes))
	}
	if f.Changed("for") {
		for _, flag := range []struct {
			name  string
			value time.Duration
		}{{"hang-at", f.Does.HangAt}, {"delete-at", f.DeleteAt}} {
			if flag.value >= f.Length {
				errs = append(errs, fmt.Errorf("--%s %s is not before the end of --for %s: write a longer --for",
					flag.name, flag.value, f.Length))
			}
		}
	}
	if max(f.Does.HangAt, f.DeleteAt) >= longestLook {
		errs = append(errs, fmt.Errorf("--hang-at and --delete-at: write less than %s", longestLook))
	}
	if f.Length > longestLook {
		errs = append(errs, fmt.Errorf("--for %s: write at most %s", f.Length, longestLook))
	}
	if f.Changed("exit-code") && f.Does.Crash == 0 {
		errs = append(errs, errors.New("--exit-code goes with --crash-after: say when the container ends"))
	}
	if f.Does.ExitCode < 0 || f.Does.ExitCode > 255 {
		errs = append(errs, fmt.Errorf("--exit-code %d: write a number from 0 to 255", f.Does.ExitCode))
	}
	return errs
}

const (
	longestLook = 24 * time.Hour  // bounds how long a simulation takes
	afterwards  = 5 * time.Minute // looked at after the last thing that flags name
)

// boots reads --boot: by container, "" for the one that flags are about.
func (f *Asked) boots() (map[string]time.Duration, error) {
	boots := map[string]time.Duration{}
	if f.Boot == "" {
		return boots, nil
	}
	for part := range strings.SplitSeq(f.Boot, ",") {
		name, text, named := strings.Cut(part, "=")
		if !named {
			name, text = "", part
		}
		boot, err := time.ParseDuration(text)
		_, again := boots[name]
		if err != nil || boot < 0 || boot > longestLook || again || named && name == "" {
			return nil, fmt.Errorf("--boot %s: write a time up to 24h, such as 45s, or app=45s,proxy=2s", f.Boot)
		}
		boots[name] = boot
	}
	return boots, nil
}

// whatHappens are the flags about what happens, but for how long a stop takes.
var whatHappens = []string{"boot", "hang-at", "crash-after", "delete-at"}

// told says what happens in the scenario of the flags to a container; nil where there is no such flag.
func (f *Asked) told(boots map[string]time.Duration) func(container string) []string {
	asked := f.Changed
	if !asked("stop-takes") && !slices.ContainsFunc(whatHappens, asked) {
		return nil
	}
	return func(container string) []string { return Told(container, boots, f.Does, f.DeleteAt) }
}

// Timelines simulates what is asked for.
func (f *Asked) Timelines() *Timelines {
	boots, _ := f.boots() // check has named what is wrong
	nodes, _ := pod.ParseKubelets(f.Kubelet)
	does := f.Does
	does.Boot = boots[""]
	asked := f.Changed
	if asked("stop-takes") && !slices.ContainsFunc(whatHappens, asked) {
		f.DeleteAt = ADeletion // for how it stops is all that the flags are about
	}
	length := f.Length
	if !asked("for") { // until what is asked for has come and has been seen
		last := max(does.HangAt, f.DeleteAt+does.StopTakes)
		for _, boot := range boots {
			last = max(last, boot)
		}
		length = min(max(length, last+afterwards), longestLook)
	}
	t := &Timelines{Told: f.told(boots), Container: f.Container, Fixed: f.Fixed, Boots: map[string]bool{},
		Exactly: asked("for"),
		Scenario: timeline.Scenario{Kubelet: nodes.To, Length: length, DeleteAt: f.DeleteAt,
			Containers: map[string]timeline.Behavior{"": does}}}
	for name, boot := range boots {
		if name != "" {
			t.Boots[name] = true
			t.Scenario.Containers[name] = timeline.Behavior{Boot: boot}
		}
	}
	if f.Changed("seed") {
		t.Seed = &f.Seed
	}
	return t
}

// Write draws all timelines in a format.
func Write(w io.Writer, format string, all []Timeline) error {
	switch {
	case format == "json":
		return JSON(w, all)
	case format == "svg" && len(all) > 1:
		return fmt.Errorf("-o svg draws one pod, and there are %d: split the file, or write -o text or -o json",
			len(all))
	case format == "svg" && len(all) == 1:
		_, err := io.WriteString(w, SVG(all[0]))
		return err
	}
	for i, t := range all {
		text := Text(t)
		if i > 0 {
			text = "\n" + text
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}
