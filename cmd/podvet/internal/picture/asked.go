package picture

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/timeline"
)

// Asked is what a person asks of a timeline, by the flags of podvet timeline.
type Asked struct {
	Container, Boot, Kubelet string
	Does                     timeline.Behavior
	DeleteAt, Length         time.Duration
	Seed                     uint64
	Fixed                    bool

	Given func(flag string) bool // tells whether a flag was written
}

// kubelets are those that can be simulated.
var kubelets = pod.Kubelets{From: 35, To: 38}

// Check names all flags that do not fit.
func (a *Asked) Check() []error {
	nodes, err := pod.ParseKubelets(a.Kubelet)
	if err != nil || nodes.From != nodes.To || nodes.From < kubelets.From || nodes.To > kubelets.To {
		err = fmt.Errorf("--kubernetes %s: write one version from 1.%d to 1.%d, without a third number", a.Kubelet,
			kubelets.From, kubelets.To)
	}
	_, inBoots := a.boots()
	errs := []error{err, inBoots}
	for _, flag := range []struct {
		name  string
		value time.Duration
	}{{"hang-at", a.Does.HangAt}, {"crash-after", a.Does.Crash}, {"delete-at", a.DeleteAt}, {"for", a.Length}} {
		if a.Given(flag.name) && flag.value <= 0 {
			errs = append(errs, fmt.Errorf("--%s %s: write a time above 0, such as 10m", flag.name, flag.value))
		}
	}
	if a.Does.StopTakes < 0 {
		errs = append(errs, fmt.Errorf("--stop-takes %s: write 0s or more", a.Does.StopTakes))
	}
	if a.Given("for") {
		for _, flag := range []struct {
			name  string
			value time.Duration
		}{{"hang-at", a.Does.HangAt}, {"delete-at", a.DeleteAt}} {
			if flag.value >= a.Length {
				errs = append(errs, fmt.Errorf("--%s %s is not before the end of --for %s: write a longer --for",
					flag.name, flag.value, a.Length))
			}
		}
	}
	if max(a.Does.HangAt, a.DeleteAt) >= longestLook {
		errs = append(errs, fmt.Errorf("--hang-at and --delete-at: write less than %s", longestLook))
	}
	if a.Length > longestLook {
		errs = append(errs, fmt.Errorf("--for %s: write at most %s", a.Length, longestLook))
	}
	if a.Given("exit-code") && a.Does.Crash == 0 {
		errs = append(errs, errors.New("--exit-code goes with --crash-after: say when the container ends"))
	}
	if a.Does.ExitCode < 0 || a.Does.ExitCode > 255 {
		errs = append(errs, fmt.Errorf("--exit-code %d: write a number from 0 to 255", a.Does.ExitCode))
	}
	return errs
}

const (
	longestLook = 24 * time.Hour  // bounds how long a simulation takes
	afterwards  = 5 * time.Minute // looked at after the last thing that flags name
)

// boots reads --boot: by container, "" for the one that flags are about.
func (a *Asked) boots() (map[string]time.Duration, error) {
	boots := map[string]time.Duration{}
	if a.Boot == "" {
		return boots, nil
	}
	for part := range strings.SplitSeq(a.Boot, ",") {
		name, text, named := strings.Cut(part, "=")
		if !named {
			name, text = "", part
		}
		boot, err := time.ParseDuration(text)
		_, again := boots[name]
		if err != nil || boot < 0 || boot > longestLook || again || named && name == "" {
			return nil, fmt.Errorf("--boot %s: write a time up to 24h, such as 45s, or app=45s,proxy=2s", a.Boot)
		}
		boots[name] = boot
	}
	return boots, nil
}

// whatHappens are the flags about what happens, but for how long a stop takes.
var whatHappens = []string{"boot", "hang-at", "crash-after", "delete-at"}

// told says what happens in the scenario of the flags to a container; nil where there is no such flag.
func (a *Asked) told(boots map[string]time.Duration) func(container string) []string {
	if !a.Given("stop-takes") && !slices.ContainsFunc(whatHappens, a.Given) {
		return nil
	}
	return func(container string) []string { return Told(container, boots, a.Does, a.DeleteAt) }
}

// Timelines are those that are asked for; Check has found nothing wrong.
func (a *Asked) Timelines() *Timelines {
	boots, _ := a.boots() // Check has named what is wrong
	nodes, _ := pod.ParseKubelets(a.Kubelet)
	does := a.Does
	does.Boot = boots[""]
	if a.Given("stop-takes") && !slices.ContainsFunc(whatHappens, a.Given) {
		a.DeleteAt = ADeletion // for how it stops is all that the flags are about
	}
	length := a.Length
	if !a.Given("for") { // until what is asked for has come and has been seen
		last := max(does.HangAt, a.DeleteAt+does.StopTakes)
		for _, boot := range boots {
			last = max(last, boot)
		}
		length = min(max(length, last+afterwards), longestLook)
	}
	t := &Timelines{Told: a.told(boots), Container: a.Container, Fixed: a.Fixed, Boots: map[string]bool{},
		Exactly: a.Given("for"),
		Scenario: timeline.Scenario{Kubelet: nodes.To, Length: length, DeleteAt: a.DeleteAt,
			Containers: map[string]timeline.Behavior{"": does}}}
	for name, boot := range boots {
		if name != "" {
			t.Boots[name] = true
			t.Scenario.Containers[name] = timeline.Behavior{Boot: boot}
		}
	}
	if a.Given("seed") {
		t.Seed = &a.Seed
	}
	return t
}
