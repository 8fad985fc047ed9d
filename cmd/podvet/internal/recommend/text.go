package recommend

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// many containers are so many that those without advice are only counted.
const many = 50

// Text is the report for people.
func (r *Report) Text(width int) string {
	var out strings.Builder
	counted := map[string]int{}
	for i := range r.Containers {
		one := &r.Containers[i]
		if one.Note != "" && len(r.Containers) > many {
			counted[one.Note]++
			continue
		}
		out.WriteString(console.Printable(one.title()) + "\n")
		for _, line := range one.lines() {
			out.WriteString("  " + console.Wrap(console.Printable(line), 2, width, "    "))
		}
		out.WriteString("\n")
	}
	for _, note := range slices.Sorted(maps.Keys(counted)) {
		out.WriteString(count(counted[note], "container") + " more: " + note + ".\n")
	}
	if len(r.Containers) > 0 {
		out.WriteString(r.summary() + "\n")
	}
	for _, line := range r.nothing() {
		out.WriteString(console.Wrap(console.Printable(line), 0, width, "  "))
	}
	return out.String()
}

// nothing says where nothing was seen: of all pods, or of the workloads that were named.
func (r *Report) nothing() (lines []string) {
	const leftOut = " Jobs and mirror Pods are left out."
	switch {
	case r.options.Named:
		for _, o := range r.unseen {
			lines = append(lines, fmt.Sprintf("No starts of %s/%s were seen.%s", o.Kind, o.Name, leftOut))
		}
	case len(r.Containers) == 0 && len(r.unseen) > 0:
		lines = append(lines, "No long-running container was found."+leftOut)
	}
	slices.Sort(lines)
	return lines
}

func (r *Report) summary() string {
	changes := 0
	for i := range r.Containers {
		if len(r.Containers[i].Advice) > 0 {
			changes++
		}
	}
	return fmt.Sprintf("%s, %d with something to change.", count(len(r.Containers), "container"), changes)
}

func (r *Result) title() string {
	namespace := ""
	if r.Namespace != "" {
		namespace = r.Namespace + " "
	}
	return fmt.Sprintf("%s%s/%s, container %s: %s", namespace, r.Kind, r.Name, r.Container, count(r.Starts, "start"))
}

func (r *Result) lines() (lines []string) {
	if r.Starts > 0 {
		lines = append(lines, r.timesLine())
	}
	if r.Killed > 0 {
		lines = append(lines, fmt.Sprintf("Not seen to end, so longer than seen: %s.", count(r.Killed, "start")))
	}
	if n := r.LeftOut.ReadyAgain; n > 0 {
		lines = append(lines, fmt.Sprintf("Left out: %s after which the pod was Ready later than its probes let a "+
			"boot take. It was Ready before, or waits for something else.", count(n, "start")))
	}
	if n := r.LeftOut.WithAnother; n > 0 {
		lines = append(lines, fmt.Sprintf("Left out: %s whose pod was Ready with another container.",
			count(n, "start")))
	}
	if len(r.wrong) > 0 {
		lines = append(lines, r.wrongLine())
	}
	if r.Sandbox != nil {
		lines = append(lines, fmt.Sprintf("Before the start: median %d s for the sandbox, %d s for image and "+
			"init containers, longest %d s and %d s.", r.Sandbox.Median, r.Image.Median, r.Sandbox.Longest,
			r.Image.Longest))
	}
	if r.Stops != nil {
		lines = append(lines, fmt.Sprintf("%s: median %d s, longest %d s, %d by SIGKILL.", count(r.Stops.Count, "stop"),
			r.Stops.Median, r.Stops.Longest, r.Stops.Forced))
	}
	if r.Needs > 0 {
		lines = append(lines, fmt.Sprintf("A boot needs %d s, %s.", r.Needs, r.because))
	}
	if r.Note != "" {
		return append(lines, strings.ToUpper(r.Note[:1])+r.Note[1:]+".")
	}
	for _, a := range r.Advice {
		lines = append(lines, "-> "+a.Text)
		if a.Policy != nil {
			params, _ := json.Marshal(a.Policy.Params) // numbers by names
			lines = append(lines, fmt.Sprintf("As a policy, rules: {%s: {params: %s}}", a.Policy.Rule, params))
		}
	}
	return lines
}

func (r *Result) wrongLine() string {
	left := fmt.Sprintf("Left out: %s that %s ended", count(len(r.wrong), "start"), r.wrong[0].probe)
	for _, k := range r.wrong {
		if k.answer != "" {
			return fmt.Sprintf("%s after the app had answered (%s). More time would not help. Fix what %s checks.",
				left, k.answer, k.probe)
		}
	}
	return left + ". Every boot that was seen took less time, and no start outlived the probe, so it may never " +
		"succeed. Check the probe."
}

func (r *Result) timesLine() string {
	line := "Boots: " + timeOr(r.Median, "median") + ", " + timeOr(r.P99, "99th percentile")
	if r.Longest > 0 {
		line += fmt.Sprintf(", longest %d s", r.Longest)
	}
	line += "."
	if r.Late > 0 {
		line += fmt.Sprintf(" Ready can come %d s later, when the probe asks.", r.Late)
	}
	if r.AtMost {
		line += " Other containers of the pod have probes too, so these are at most its own."
	}
	return line
}

func timeOr(seconds int64, name string) string {
	if seconds == 0 {
		return name + " unknown"
	}
	return fmt.Sprintf("%s %d s", name, seconds)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
