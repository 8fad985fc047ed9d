// Package house_test keeps podvet's house in order: rooms (packages) of a bearable size on few floors (imports point
// down), and inside a room files that stand on each other like floors, never two on one another. It knows the form of
// the product's code and nothing of what it does. Which room may stand on which is in .golangci.yml.
package house_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	root = "../.."

	catalogue = "rules/catalogue"

	// Two of them are for timelines: the model, and what draws it; one for the page that runs in browsers; three for
	// pods as they are: what reads them, why one is not well, and which numbers fit.
	maxRooms     = 28
	maxFloors    = 8 // the eighth is rules/custom, between the policy, which can name templates, and rules/pod
	maxRoomLines = 2000
	// The admission core is rules without the catalogue and the timeline, webhook and certs. What it grew by since it
	// was 18 rules is facts about Kubernetes, in rules/pod, lines wrapped at 120 columns, keys of the policy for old
	// workloads and namespaces' modes, pod templates in custom resources, what bounds what callers can make podvet say
	// and ask, the sight of watches that no longer follow, the withdrawal of CAs, who may read the metrics, how what a
	// review takes is weighed and shared out, what of it is not read and so cut out, what the pods of a custom resource
	// become, answers that are written without reflection, ports that are read without a decoder for each, rooms in
	// which pods are decoded again and again, and the reading of plain reviews in one pass, which took /validate from a
	// half of the speed of a handler that does nothing to three fifths.
	maxCoreLines = 13_800
)

// A room is a package of the product, without its tests.
type room struct {
	name      string // its folder
	imports   []string
	positions *token.FileSet
	files     []*ast.File
	types     *types.Package
	uses      map[*ast.Ident]types.Object
}

// position is that of a node, with the path from the root of the repository.
func (r *room) position(at token.Pos) token.Position { return r.positions.Position(at) }

func (r *room) lines() (sum int) {
	for _, file := range r.files {
		sum += r.positions.File(file.FileStart).LineCount()
	}
	return sum
}

// rooms are all packages of the product: go list finds them, and has the compiler say what they import.
var rooms = sync.OnceValues(func() ([]*room, error) {
	const fields = "-json=ImportPath,Dir,GoFiles,Imports,Export,Module"
	list := exec.Command("go", "list", "-deps", "-export", fields,
		"./cmd/...", "./rules/...", "./webhook/...", "./certs/...")
	list.Dir = root
	var said bytes.Buffer
	list.Stderr = &said
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, said.Bytes())
	}
	exports := map[string]string{}
	positions := token.NewFileSet()
	imported := importer.ForCompiler(positions, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	var all []*room
	for packages := json.NewDecoder(bytes.NewReader(out)); ; {
		var listed struct {
			ImportPath, Dir, Export string
			GoFiles, Imports        []string
			Module                  *struct {
				Path string
				Main bool
			}
		}
		if err := packages.Decode(&listed); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		exports[listed.ImportPath] = listed.Export
		if listed.Module == nil || !listed.Module.Main {
			continue
		}
		r := &room{name: strings.TrimPrefix(listed.ImportPath, listed.Module.Path+"/"), positions: positions}
		for _, path := range listed.Imports {
			if name, ours := strings.CutPrefix(path, listed.Module.Path+"/"); ours {
				r.imports = append(r.imports, name)
			}
		}
		for _, name := range listed.GoFiles {
			text, err := os.ReadFile(filepath.Join(root, r.name, name))
			if err != nil {
				return nil, err
			}
			if err := r.add(r.name+"/"+name, text); err != nil {
				return nil, err
			}
		}
		if err := r.check(imported); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
})

// add parses a file of the room.
func (r *room) add(path string, text []byte) error {
	file, err := parser.ParseFile(r.positions, path, text, parser.ParseComments|parser.SkipObjectResolution)
	r.files = append(r.files, file)
	return err
}

// check finds out what each name in the room stands for.
func (r *room) check(imported types.Importer) (err error) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	r.types, err = (&types.Config{Importer: imported}).Check(r.name, r.positions, r.files, info)
	r.uses = info.Uses
	return err
}

func mustRooms(t *testing.T) []*room {
	t.Helper()
	all, err := rooms()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// below tells whether a room is in a folder, or the folder itself.
func below(folder, name string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

// TestRooms: there are few of them, none is crowded, and they stand on few floors. Go refuses imports in a circle.
func TestRooms(t *testing.T) {
	all := mustRooms(t)
	if len(all) > maxRooms {
		t.Errorf("%d rooms, and %d are the most", len(all), maxRooms)
	}
	if len(all) < 6 {
		t.Errorf("only %d rooms: is one that is missing looked for elsewhere?", len(all))
	}
	chains := map[string][]string{} // the longest way down from each room
	core := 0
	for _, r := range all { // what a room imports comes before it
		lines := r.lines()
		if r.name != catalogue && lines > maxRoomLines {
			t.Errorf("%s: %d lines, and %d are the most of a room: split it where its parts stand alone",
				r.name, lines, maxRoomLines)
		}
		if !below("cmd", r.name) && !below(catalogue, r.name) && !below("rules/timeline", r.name) {
			core += lines
		}
		var chain []string
		for _, name := range r.imports {
			if len(chains[name]) > len(chain) {
				chain = chains[name]
			}
		}
		chains[r.name] = append([]string{r.name}, chain...)
		t.Logf("%-24s %5d lines, floor %d", r.name, lines, len(chains[r.name]))
	}
	deepest := slices.MaxFunc(slices.Collect(maps.Values(chains)), func(a, b []string) int { return len(a) - len(b) })
	if len(deepest) > maxFloors {
		t.Errorf("%d floors, and %d are the most: %s", len(deepest), maxFloors, strings.Join(deepest, " -> "))
	}
	if core > maxCoreLines {
		t.Errorf("the admission core has %d lines, and %d are the most", core, maxCoreLines)
	}
}
