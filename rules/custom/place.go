package custom

import (
	"regexp"
	"strconv"
	"strings"
)

// Tree is a value in an object of any kind, in the format that it was read from. A value of another form than is asked
// for has nothing of it.
type Tree[N any] interface {
	Field(name string) (N, bool)             // of a mapping, false for null too
	Text(name string) string                 // a field that is text, "" for none
	Entries(yield func(n N) bool)            // of a list
	Values(yield func(key string, n N) bool) // of a mapping, in the order of the text
}

// Place is a value that a path leads to.
type Place[N any] struct {
	Path  string // with the entries of lists and maps that it went through: spec.groups[2].template
	Node  N
	Above N // what holds it
}

// PathSyntax is what a path may be: names joined by dots. Every entry of a list has [] after the list's name, and *
// stands for every value of a map.
var PathSyntax = regexp.MustCompile(`^` + pathName + `(\[\])?(\.(\*|` + pathName + `)(\[\])?)*$`)

const pathName = `[A-Za-z_][A-Za-z0-9_-]*`

// maxPlaces is how many entries of an object a path leads to: nobody writes so many but to keep podvet busy.
const maxPlaces = 1000

// Places are the values that a path leads to, in the order of the text. Where nothing is written, or something else
// than the path expects, there are none. Of more than 1,000 they are the first.
func Places[N Tree[N]](root N, path string) []Place[N] {
	places := []Place[N]{{Node: root, Above: root}}
	for path != "" {
		var step string
		step, path, _ = strings.Cut(path, ".")
		name, list := strings.CutSuffix(step, "[]")
		places = through(places, name, list)
	}
	return places
}

// through goes one step on from each place.
func through[N Tree[N]](places []Place[N], name string, list bool) (next []Place[N]) {
	for _, p := range places {
		step := func(key string, n N) bool {
			path := Below(p.Path, key)
			if !list {
				next = append(next, Place[N]{path, n, p.Node})
				return len(next) < maxPlaces
			}
			i := 0
			for entry := range n.Entries {
				if next = append(next, Place[N]{path + "[" + strconv.Itoa(i) + "]", entry, n}); len(next) >= maxPlaces {
					return false
				}
				i++
			}
			return true
		}
		if len(next) >= maxPlaces {
			break
		}
		if name == "*" {
			p.Node.Values(step)
		} else if n, found := p.Node.Field(name); found {
			step(name, n)
		}
	}
	return next
}

// Below is the path of a key. One that would be read as several stands in brackets.
func Below(path, key string) string {
	switch {
	case key == "" || strings.ContainsAny(key, "./[]"):
		return path + "[" + key + "]"
	case path == "":
		return key
	}
	return path + "." + key
}
