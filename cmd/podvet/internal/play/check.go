package play

import (
	"strings"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
)

// Checked is what is wrong with a text, and what the fixes make of it.
type Checked struct {
	Report string    `json:"report"` // the bytes of podvet check -o json
	Diff   string    `json:"diff"`   // of podvet fix --diff, "" for no change
	Fixed  string    `json:"fixed"`  // the whole text with the fixes
	Left   []problem `json:"left"`   // what is not fixed, and why
}

// Check judges and fixes a text.
func (p *Page) Check(text string) (Checked, error) {
	j := p.judge(text)
	found := j.All(func(in vet.Input) {
		in.Text(vet.Text{Name: File, Reader: strings.NewReader(text)})
	}, func() {}, nil)
	if !found.Holds() && found.Summary.Invalid == 0 {
		found.Refuse(report.Problem{File: File,
			Message: "holds no Kubernetes object. Paste a Pod, a Deployment or another workload."})
	}
	var out strings.Builder
	if err := found.JSON(&out); err != nil {
		return Checked{}, err
	}
	checked := Checked{Report: out.String(), Fixed: text, Left: []problem{}}
	checked.fix(j, text)
	return checked, nil
}

func (c *Checked) fix(j vet.Judge, text string) {
	changes := vet.Changes{Judge: j}
	var all manifest.Repairs
	unread := false
	stream.Split(File, strings.NewReader(text), func(chunk stream.Chunk) {
		all.Add(manifest.Repair(chunk, changes.Of))
	}, func(manifest.Problem) { unread = true })
	for _, left := range append(all.Problems, changes.Left...) {
		c.Left = append(c.Left, problem{left.Line, left.Text})
	}
	if unread || len(all.Edits) == 0 { // the report says what cannot be read
		return
	}
	c.Fixed = string(manifest.Splice([]byte(text), all.Edits))
	c.Diff = string(manifest.Diff(File, []byte(text), []byte(c.Fixed)))
}
