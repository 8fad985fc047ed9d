package custom

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/podvet/podvet/rules/pod"
	"github.com/podvet/podvet/rules/policy/strict"
)

// Entry is a pod template in a custom resource, as a policy lists it.
type Entry struct {
	APIVersion entryVersion `json:"apiVersion" required:"write the group and version of the kind, such as example.com/v1" doc:"group and version of the kind"`
	Kind       entryKind    `json:"kind" required:"write the kind" doc:"the kind that holds the template"`
	Path       entryPath    `json:"path" required:"say where the template is, such as spec.template" doc:"where the pod template is: names joined by dots; [] after a name is every entry of a list, * every value of a map"`
	Like       entryLike    `json:"like" required:"name the kind whose pods these are like, such as Deployment" doc:"the kind whose pods these are judged as"`
}

// Row is the entry as a row of the table.
func (e Entry) Row() Template {
	group, version, _ := strings.Cut(string(e.APIVersion), "/")
	return Template{Custom: pod.Custom{Kind: string(e.Kind), Like: string(e.Like)},
		Group: group, Versions: []string{version}, Path: string(e.Path)}
}

func (e Entry) String() string {
	return fmt.Sprintf("%s of %s %s, like %s", e.Path, e.APIVersion, e.Kind, e.Like)
}

// Same tells whether two entries are about one template.
func (e Entry) Same(other Entry) bool {
	return e.APIVersion == other.APIVersion && e.Kind == other.Kind && e.Path == other.Path
}

// entryVersion is an apiVersion in a group that is not one of Kubernetes' oldest: those have no dot.
type entryVersion string

var entryVersions = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+/[a-z0-9]+$`)

func (entryVersion) Schema() strict.Schema { return strict.TextLike(entryVersions) }

func (v entryVersion) Problem() string {
	if entryVersions.MatchString(string(v)) {
		return ""
	}
	return fmt.Sprintf("is %q: write the group and version of a custom resource, such as example.com/v1", string(v))
}

type entryKind string

// kindSyntax is what the name of a kind may be.
var kindSyntax = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

func (entryKind) Schema() strict.Schema { return strict.TextLike(kindSyntax) }

func (k entryKind) Problem() string {
	if kindSyntax.MatchString(string(k)) {
		return ""
	}
	return fmt.Sprintf("is %q: write a kind, such as Shop", string(k))
}

type entryPath string

func (entryPath) Schema() strict.Schema { return strict.TextLike(PathSyntax) }

func (p entryPath) Problem() string {
	if PathSyntax.MatchString(string(p)) {
		return ""
	}
	return fmt.Sprintf("is %q: write names joined by dots, such as spec.groups[].template", string(p))
}

type entryLike string

// Words are the kinds that make pods.
func (entryLike) Words() []string {
	return slices.DeleteFunc(pod.OwnerKinds(), func(kind string) bool { return kind == "Pod" })
}
