package house_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
	"testing"
)

// A tie is a file that uses what another file of the room declares.
type tie struct{ from, to string }

// A reference is one such use, by the name of what is used: a declaration of the package or a method.
type reference struct {
	at, declared token.Position
	name         string
}

// ties are all uses between the files of a room. A method belongs to the file that declares it.
func (r *room) ties() map[tie][]reference {
	all := map[tie][]reference{}
	for _, file := range r.files {
		ast.Inspect(file, func(n ast.Node) bool {
			name, _ := n.(*ast.Ident)
			used := r.uses[name]
			if used == nil || used.Pkg() != r.types {
				return true
			}
			method, _ := used.(*types.Func)
			isMethod := method != nil && method.Signature().Recv() != nil
			if used.Parent() != r.types.Scope() && !isMethod {
				return true
			}
			use := reference{r.position(name.Pos()), r.position(used.Pos()), name.Name}
			if between := (tie{use.at.Filename, use.declared.Filename}); between.from != between.to {
				all[between] = append(all[between], use)
			}
			return true
		})
	}
	return all
}

// circles names the uses that have to go so that no two files stand on each other, nor more of them in a circle: as
// long as there is a circle, those of the tie in it that has the fewest.
func (r *room) circles() []string {
	ties := r.ties()
	var faults []string
	for {
		var thinnest tie
		var back []tie
		order := sorted(ties)
		for _, between := range order {
			if back != nil && len(ties[between]) >= len(ties[thinnest]) {
				continue
			}
			if way := wayBetween(order, between.to, between.from); way != nil {
				thinnest, back = between, way
			}
		}
		if back == nil {
			return faults
		}
		var rest strings.Builder
		for i, next := range back {
			first := ties[next][0]
			place := path.Base(next.to)
			if i == len(back)-1 {
				place += fmt.Sprintf(":%d", first.declared.Line)
			}
			fmt.Fprintf(&rest, ", which uses %s (%s)", first.name, place)
		}
		for _, use := range ties[thinnest] {
			faults = append(faults, fmt.Sprintf("%s:%d uses %s (%s)%s",
				use.at.Filename, use.at.Line, use.name, path.Base(thinnest.to), rest.String()))
		}
		faults = slices.Compact(faults) // a line may use a name twice
		delete(ties, thinnest)
	}
}

// wayBetween is the shortest way from one file to another by what they use, nil where there is none.
func wayBetween(ties []tie, from, to string) []tie {
	ways := map[string][]tie{from: {}}
	for reached := []string{from}; len(reached) > 0; reached = reached[1:] {
		for _, next := range ties {
			if _, seen := ways[next.to]; seen || next.from != reached[0] {
				continue
			}
			ways[next.to] = append(slices.Clone(ways[next.from]), next)
			if next.to == to {
				return ways[to]
			}
			reached = append(reached, next.to)
		}
	}
	return nil
}

func sorted(ties map[tie][]reference) []tie {
	var all []tie
	for between := range ties {
		all = append(all, between)
	}
	slices.SortFunc(all, func(a, b tie) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	return all
}

// TestNoCircles: files of a room are ordered, each uses only what is below it. Move a declaration that a lower file
// needs down into it, or into a new file below both.
func TestNoCircles(t *testing.T) {
	for _, r := range mustRooms(t) {
		t.Run(r.name, func(t *testing.T) {
			report(t, "uses run back up", r.circles())
		})
	}
}

func report(t *testing.T, what string, faults []string) {
	t.Helper()
	if len(faults) > 0 {
		t.Errorf("%d %s:\n%s", len(faults), what, strings.Join(faults, "\n"))
	}
}

// TestCirclesAreFound in a room that has some.
func TestCirclesAreFound(t *testing.T) {
	r := &room{name: "a", positions: token.NewFileSet()}
	for _, file := range []struct{ name, text string }{
		{"top.go", "func Top() int { return middle() + last }"},
		{"middle.go", "func middle() int { return ground{}.size() }\nfunc (ground) up() int { return 1 }"},
		{"ground.go", "type ground struct{}\nfunc (g ground) size() int {\nreturn g.up()\n}\nvar last = 1"},
		{"x.go", "var x = y"},
		{"y.go", "var y, yes = z, 1"},
		{"z.go", "var z = func() int { return w }()"},
		{"w.go", "var w = 1\nfunc init() { _ = x + x + yes }"},
	} {
		if err := r.add("a/"+file.name, []byte("package a\n"+file.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.check(nil); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a/ground.go:4 uses up (middle.go), which uses ground (ground.go:2)",
		"a/w.go:3 uses yes (y.go), which uses z (z.go), which uses w (w.go:2)",
		"a/x.go:2 uses y (y.go), which uses z (z.go), which uses w (w.go), which uses x (x.go:2)",
	}
	if got := r.circles(); !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
