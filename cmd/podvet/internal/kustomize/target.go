package kustomize

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Object is one that a file holds.
type Object struct {
	File                              string
	APIVersion, Kind, Namespace, Name string
	Containers                        []string
	Accelerated                       []string // those of them that have an accelerator
}

// meant is how sure it is that a patch is about an object.
type meant uint8

const (
	no meant = iota
	perhaps
	surely
)

// target chooses objects, with regular expressions (sigs.k8s.io/kustomize/api/types Selector).
type target struct {
	Group, Version, Kind, Name, Namespace string
	LabelSelector                         string `yaml:"labelSelector"`
	AnnotationSelector                    string `yaml:"annotationSelector"`
}

// identity are the names and namespaces by which patches can find an object: those that it is written with, and those
// that kustomizations on the way to the patch give it.
type identity struct {
	names, namespaces []string
	any               renamed // what a patch on the way may have changed to anything
}

// renamed is what a patch changes of what later patches find an object by, and its containers.
type renamed struct {
	name, kind, containers bool // the name with the namespace, the kind with its version
}

func (r renamed) or(other renamed) renamed {
	return renamed{r.name || other.name, r.kind || other.kind, r.containers || other.containers}
}

// means tells whether the target chooses an object.
func (t *target) means(o Object, id identity) meant {
	group, version, found := strings.Cut(o.APIVersion, "/")
	if !found {
		group, version = "", o.APIVersion
	}
	named := slices.ContainsFunc(id.names, func(name string) bool { return fits(t.Name, name) }) &&
		slices.ContainsFunc(id.namespaces, func(name string) bool { return fits(t.Namespace, cmp.Or(name, "default")) })
	kind := fits(t.Group, group) && fits(t.Version, version) && fits(t.Kind, o.Kind)
	switch {
	case !kind && !id.any.kind, !named && !id.any.name:
		return no
	case !kind, !named, t.LabelSelector != "", t.AnnotationSelector != "": // labels are not followed
		return perhaps
	}
	return surely
}

// fits tells whether all of a text is what a pattern says; "" is any, and one that kustomize could not read either too.
func fits(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	r, err := regexp.Compile("^(?:" + pattern + ")$")
	return err != nil || r.MatchString(text)
}
