// Package play answers what the page in docs/play asks about a text: what podvet check finds in it, what podvet fix
// changes, and what podvet timeline draws of its pods. It opens no file: it runs in a browser.
package play

import (
	"strings"
	"time"

	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

// File is how answers call the text.
const File = "pasted.yaml"

// Longest bounds a text, in bytes, so that an answer comes in seconds.
const Longest = 256 << 10

// Page is what the answers of a page have in common.
type Page struct{ policy *policy.Policy }

// New is a page that judges by the built-in policy.
func New(now time.Time) (*Page, error) {
	p, err := policy.BuiltIn().Load(catalogue.All, now)
	return &Page{p}, err
}

// problem is what could not be done, and where.
type problem struct {
	Line    int    `json:"line"` // 0 where unknown
	Message string `json:"message"`
}

// judge is what judges a text. The namespaces in it count, also those that come after their pods.
func (p *Page) judge(text string) vet.Judge {
	j := vet.Judge{Policy: p.policy}
	j.Namespaces.Read(File, strings.NewReader(text), func() {})
	return j
}
