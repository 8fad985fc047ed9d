package input

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/podvet/podvet/cmd/podvet/internal/kustomize"
	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
)

// Read looks through the input for namespaces before anything is judged, for one may come after its pods. What
// cannot be read is left for the second look to report. No argument is standard input. The input must be closed.
func Read(
	args []string, in io.Reader, which Selection, progress func(),
) (*Input, manifest.Namespaces, error) {
	paceCollector()
	if len(args) == 0 {
		args = []string{Stdin}
	}
	all := &Input{Selection: which, args: args, pipes: map[string]*kept{Stdin: {source: in}}, charts: charts{},
		built: kustomize.New(Relative), skipped: map[string]string{}}
	all.eachFolder(all.built.Above)
	found := all.lookAtAll(progress)
	if which.Around {
		all.eachFolder(all.built.Around)
	}
	return all, found, all.Rewind()
}

// eachFolder calls for the folder of each argument.
func (in *Input) eachFolder(call func(absolute string)) {
	for _, arg := range in.args {
		absolute, err := filepath.Abs(arg)
		if arg == Stdin || err != nil {
			continue
		}
		if info, err := os.Stat(arg); err != nil || !info.IsDir() {
			absolute = filepath.Dir(absolute)
		}
		call(absolute)
	}
}

// A look is what a file is read for before anything is judged.
type look struct {
	name    string
	found   manifest.Namespaces
	flux    bool   // it may hold a Kustomization of Flux
	skipped string // why, where it holds no manifests
}

// lookAtAll reads all files: those in folders on all processors, since most of the time goes into opening them.
func (in *Input) lookAtAll(progress func()) manifest.Namespaces {
	var looks []*look
	inFolders := make(chan *look, 1<<10) // waiting for each one would take longer than to read it
	var reading sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		reading.Go(func() {
			for l := range inFolders {
				l.open(in.SkipOthers, progress)
			}
		})
	}
	in.Files(Entries{File: func(name string, inFolder bool) {
		l := &look{name: name}
		looks = append(looks, l)
		if inFolder {
			inFolders <- l
		} else {
			in.lookAt(l, progress)
		}
	}, Skipped: func(string, string, string) {}, Problem: func(manifest.Problem) {}})
	close(inFolders)
	reading.Wait()
	var found manifest.Namespaces
	for _, l := range looks {
		found.Merge(l.found)
		if l.skipped != "" {
			in.skipped[l.name] = l.skipped
		}
		if l.flux && in.pipes[l.name] == nil {
			in.built.Flux(l.name)
		}
	}
	return found
}

// open reads a regular file; one that cannot be read is left for the second look.
func (l *look) open(skipOthers bool, progress func()) {
	if file, err := openFile(l.name); err == nil {
		defer func() { _ = file.Close() }() // it was only read
		l.read(file, skipOthers, progress)
	}
}

// lookAt reads standard input or a file that was named, and keeps what can be read only once.
func (in *Input) lookAt(l *look, progress func()) {
	if l.name == Stdin {
		l.read(in.pipes[Stdin].tee(), in.SkipOthers, progress)
		return
	}
	file, err := os.Open(l.name)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // it was only read
	r := io.Reader(file)
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		in.pipes[l.name] = &kept{source: file}
		r = in.pipes[l.name].tee()
	}
	l.read(r, in.SkipOthers, progress)
}

// read reads the namespaces of a file and, with skipOthers, finds out whether it holds manifests.
func (l *look) read(r io.Reader, skipOthers bool, progress func()) {
	var flux kustomize.FluxFinder
	var seen glance
	r = io.TeeReader(r, &flux)
	if skipOthers {
		r = io.TeeReader(r, &seen)
	}
	l.found.Read(NameOf(l.name), r, progress)
	switch l.flux = flux.Found; {
	case !skipOthers:
	case seen.template:
		l.skipped = report.NotRendered
	case !seen.holdsObject():
		l.skipped = report.NoObject
	}
}
