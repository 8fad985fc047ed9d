package picture

import (
	"fmt"
	"slices"

	"github.com/podvet/podvet/rules/timeline"
)

// maxLanes bounds a picture: 200 kB and a screen.
const maxLanes = 12

// shown are the containers that are drawn, and how many are not. With too many these are the ones that restart or are
// stopped, and then the first ones, in the order of the pod.
func (l Life) shown() (list []timeline.Container, left int) {
	free := maxLanes
	take := map[string]bool{}
	for _, something := range []bool{true, false} {
		for _, c := range l.Containers {
			if free > 0 && !take[c.Name] && (!something || l.eventful(c.Name)) {
				take[c.Name] = true
				free--
			}
		}
	}
	for _, c := range l.Containers {
		if take[c.Name] {
			list = append(list, c)
		}
	}
	return list, len(l.Containers) - len(list)
}

// eventful tells whether more happens to a container than that it starts and runs.
func (l Life) eventful(name string) bool {
	return l.Scenario.Containers[name].Boot > initTakes || slices.ContainsFunc(l.Moments, func(m timeline.Moment) bool {
		again := m.Kind == timeline.Created && m.Restart > 0
		return m.Container == name && (again || m.Kind == timeline.Killing || m.Kind == timeline.Hangs)
	})
}

func notShown(left int) string {
	return fmt.Sprintf("%d more containers are not drawn: -o json has all.", left)
}

// titleOf is the name of a container's lane.
func titleOf(c timeline.Container) string {
	if c.Class == "app" {
		return c.Name
	}
	return c.Name + " (" + c.Class + ")"
}
