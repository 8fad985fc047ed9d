package manifest

import (
	"reflect"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/podvet/podvet/rules/pod"
)

// TestOwnKinds: what Kubernetes' own types say of groups and kinds is what the table says. Scale is part of other
// objects and no manifest.
func TestOwnKinds(t *testing.T) {
	known := 0
	groups := map[string]bool{"audit.k8s.io": true, "apiextensions.k8s.io": true, "apiregistration.k8s.io": true}
	for kind, goType := range scheme.Scheme.AllKnownTypes() {
		groups[kind.Group] = true
		if _, isObject := reflect.TypeAssert[metav1.Object](reflect.New(goType)); !isObject || kind.Kind == "Scale" {
			continue
		}
		known++
		if own := ownKindLike(kind.Kind); own == nil || !own.takes(kind.GroupVersion().String()) {
			t.Errorf("%s is missing", kind)
		}
	}
	if known < 100 {
		t.Errorf("only %d kinds", known)
	}
	for _, own := range byLowerCase {
		for _, apiVersion := range own.apiVersions {
			if group := groupOf(apiVersion); !groups[group] {
				t.Errorf("%s: there is no group %q", own.name, group)
			}
			if !OfKubernetes(apiVersion) {
				t.Errorf("%s is not Kubernetes' own", apiVersion)
			}
		}
		judged := slices.Contains(pod.OwnerKinds(), own.name)
		kind := own.apiVersions[0]
		if !judged && own.name != "List" && !served(kind, own.name) &&
			!slices.Contains([]string{"CustomResourceDefinition", "APIService"}, own.name) {
			t.Errorf("the types do not have %s of %s", own.name, kind)
		}
	}
}

func groupOf(apiVersion string) string {
	version, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return apiVersion
	}
	return version.Group
}

func served(apiVersion, kind string) bool {
	return scheme.Scheme.Recognizes(schema.FromAPIVersionAndKind(apiVersion, kind))
}
