package vet

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/pod"
)

// maxUnknown is how many unknown keys of an object are reported one by one.
const maxUnknown = 20

// unknownFields are the findings about keys of a document that the types of Kubernetes do not have, of a custom
// resource those about keys of its pod template. own tells of keys of the template's spec that its controller has, nil
// for none.
func unknownFields(
	doc *manifest.Document, s *pod.Subject, plan *rules.Plan, own func(field string) bool,
) []rules.Finding {
	if s.Mirror() || !plan.Reports(catalogue.UnknownField) {
		return nil
	}
	search := unknownKeys{own: own}
	root := newRoot(doc, s)
	search.below(root, root.fields.of)
	if search.next != nil && search.more == 0 { // it takes no more room than a count
		search.found = append(search.found, search.next)
	}
	var findings []rules.Finding
	report := func(p *place, text string) {
		f, on := plan.Report(catalogue.UnknownField, containerAt(s, p), p.from(nil), text)
		if on {
			findings = append(findings, f)
		}
	}
	for _, p := range search.found {
		report(p, fmt.Sprintf("%s has no field %s, so Kubernetes refuses or ignores it. %s",
			p.mapping().called("a container", "a "+s.Kind), quoted(p.key), belongs(p)))
	}
	if search.more > 0 {
		report(search.next, fmt.Sprintf("Kubernetes refuses or ignores this key, too, and %d after it. "+
			"Correct those above, then check again.", search.more))
	}
	if s.Custom != nil {
		rules.CapAtWarn(findings, false)
	}
	return findings
}

// newRoot is the object, or a custom resource's pod template.
func newRoot(doc *manifest.Document, s *pod.Subject) *place {
	if s.Custom == nil {
		root, _ := newPlace(nil, "", -1, doc.Root(), reflect.TypeOf(doc.Object))
		return root
	}
	path := templateOf(s)
	node, _ := doc.At(path)
	root, _ := newPlace(nil, "", -1, node, reflect.TypeFor[corev1.PodTemplateSpec]())
	root.path = path
	return root
}

// templateOf is the place of a custom resource's pod template.
func templateOf(s *pod.Subject) string { return strings.TrimSuffix(s.Path(), ".spec") }

// unknownKeys are what a search finds.
type unknownKeys struct {
	found []*place
	next  *place // the first that is only counted
	more  int    // after that
	own   func(field string) bool
}

// below looks at a value of a type and at all that it holds.
func (u *unknownKeys) below(p *place, t reflect.Type) {
	switch t.Kind() {
	case reflect.Slice:
		for i, item := range p.node.Items() {
			u.below(newPlace(p, "", i, item, t.Elem()))
		}
	case reflect.Map: // of the API's structs
		for _, field := range p.node.Fields() {
			u.below(newPlace(p, field.Key, -1, field.Value, t.Elem()))
		}
	case reflect.Struct:
		for _, field := range p.node.Fields() {
			switch of, known := p.fields.types[field.Key]; {
			case of != nil:
				u.below(newPlace(p, field.Key, -1, field.Value, of))
			case !known:
				u.add(&place{above: p, key: field.Key, index: -1, node: field.Value})
			}
		}
	}
}

func (u *unknownKeys) add(p *place) {
	inSpec := p.above.above != nil && p.above.above.above == nil && p.above.key == "spec"
	switch {
	case inSpec && u.own != nil && u.own(p.key):
	case len(u.found) < maxUnknown:
		u.found = append(u.found, p)
	case u.next == nil:
		u.next = p
	default:
		u.more++
	}
}

// containerAt is the container that a place is in, nil for none and for one that no rule looks at.
func containerAt(s *pod.Subject, p *place) *pod.Container {
	if p = p.container(); p == nil {
		return nil
	}
	at := func(c *pod.Container) bool { return p.above.key == c.List() && p.index == c.Index }
	for i := range s.Containers {
		if at(&s.Containers[i]) {
			return &s.Containers[i]
		}
	}
	for c := range s.InitContainers() {
		if at(c) {
			return c
		}
	}
	return nil
}

// quoted is a key in a sentence: in quotes where it is not one word.
func quoted(key string) string {
	if key == "" || strings.ContainsAny(key, " ,:;\t\n\"'") {
		return strconv.Quote(shown(key))
	}
	return shown(key)
}
