package input

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
)

// wanted is a kind that is listed where a cluster serves it.
type wanted struct {
	group, kind string
	versions    []string // nil for any
}

// wantedKinds are those that podvet judges, with those of a policy in the versions that it names: the one place to add
// some. Pods come last, after their workloads.
func wantedKinds(templates []custom.Entry) []wanted {
	var list, pods []wanted
	for _, kind := range pod.OwnerKinds() {
		group, version := splitVersion(pod.APIVersion(kind))
		one := wanted{group, kind, []string{version}}
		if kind == "Pod" {
			pods = append(pods, one)
			continue
		}
		list = append(list, one)
	}
	for _, entry := range templates {
		row := entry.Row()
		list = append(list, wanted{row.Group, row.Kind, row.Versions})
	}
	for _, row := range custom.Table() {
		if row.Versions == nil { // else a kind of Kubernetes' own in a version that it has no longer
			list = append(list, wanted{group: row.Group, kind: row.Kind})
		}
	}
	// Not judged itself, but what leads from a Service of Knative to the Deployments that it makes.
	list = append(list, wanted{group: "serving.knative.dev", kind: "Revision"})
	return append(list, pods...)
}

// splitVersion is the group, "" for the core's, and the version in an apiVersion.
func splitVersion(apiVersion string) (group, version string) {
	if group, version, found := strings.Cut(apiVersion, "/"); found {
		return group, version
	}
	return "", apiVersion
}

// resource is a kind that a cluster serves.
type resource struct {
	apiVersion, kind string
	name             string // in paths: the plural
	path             string // of the version
	namespaced       bool
}

// title names the resource as the API server does: deployments.apps.
func (r resource) title() string {
	if group, _ := splitVersion(r.apiVersion); group != "" {
		return r.name + "." + group
	}
	return r.name
}

// served finds the kinds that the cluster serves, each once, however often and in how many versions it is wanted.
// problem is told of what cannot be found out.
func (a api) served(ctx context.Context, kinds []wanted, problem func(what string, err error)) []resource {
	preferred, err := a.groups(ctx)
	if err != nil {
		problem("/apis", err)
		return nil
	}
	found := make([]resource, 0, len(kinds))
	known := map[string]*metav1.APIResourceList{} // by path
	listed := map[[2]string]bool{}
	for _, kind := range kinds {
		for _, version := range preferred[kind.group] {
			self := [2]string{kind.group, kind.kind}
			if listed[self] || kind.versions != nil && !slices.Contains(kind.versions, version) {
				continue
			}
			apiVersion, path := version, "/api/"+version
			if kind.group != "" {
				apiVersion = kind.group + "/" + version
				path = "/apis/" + apiVersion
			}
			if known[path] == nil {
				known[path] = &metav1.APIResourceList{}
				if err := a.get(ctx, path, known[path]); err != nil {
					problem(apiVersion, err)
				}
			}
			at := slices.IndexFunc(known[path].APIResources, func(r metav1.APIResource) bool {
				return r.Kind == kind.kind && slices.Contains(r.Verbs, "list") && !strings.Contains(r.Name, "/")
			})
			if at >= 0 {
				listed[self] = true
				r := known[path].APIResources[at]
				found = append(found, resource{apiVersion, kind.kind, r.Name, path, r.Namespaced})
				break
			}
		}
	}
	return found
}

// groups are the versions that the cluster serves of each group, the preferred one first.
func (a api) groups(ctx context.Context) (map[string][]string, error) {
	var list metav1.APIGroupList
	if err := a.get(ctx, "/apis", &list); err != nil {
		return nil, err
	}
	versions := map[string][]string{"": {"v1"}}
	for _, group := range list.Groups {
		served := []string{group.PreferredVersion.Version}
		for _, v := range group.Versions {
			served = append(served, v.Version)
		}
		versions[group.Name] = served
	}
	return versions, nil
}
