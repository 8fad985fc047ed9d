package input

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/cmd/podvet/internal/stream"
	"github.com/podvet/podvet/cmd/podvet/internal/vet"
	"github.com/podvet/podvet/rules/custom"
)

// Cluster is what a cluster holds that podvet judges. It is only read.
type Cluster struct {
	api        api
	namespace  string   // that is looked at, "" for all
	namespaces []string // that were found
	problems   []manifest.Problem
}

// ReadCluster reads the namespaces of a cluster, or the one that is named. What cannot be read is left for Objects to
// report; the error is of a name that no namespace has.
func ReadCluster(
	ctx context.Context, requests rest.Interface, namespace string,
) (*Cluster, manifest.Namespaces, error) {
	c := &Cluster{api: api{requests}, namespace: namespace}
	var found manifest.Namespaces
	add := func(o object) {
		c.namespaces = append(c.namespaces, o.Metadata.Name)
		found.Add(chunkOf("v1", "Namespace", o))
	}
	const path = "/api/v1/namespaces"
	if namespace == "" {
		if err := c.list(ctx, path, add); err != nil {
			c.cannot("namespaces", "be listed", err, "Policies cannot tell them by their labels.")
		}
		return c, found, nil
	}
	var one corev1.Namespace
	err := c.api.get(ctx, path+"/"+url.PathEscape(namespace), &one)
	switch {
	case apierrors.IsNotFound(err):
		return nil, found, fmt.Errorf("there is no namespace %q: kubectl get namespaces lists them", namespace)
	case err != nil:
		c.cannot("namespaces", "be read", err, "Policies cannot tell this one by its labels.")
		return c, found, nil
	}
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"name": namespace, "labels": one.Labels}})
	add(object{Metadata: metadata{Name: namespace}, text: text})
	return c, found, err
}

// cannot notes what misses from the outcome, and why.
func (c *Cluster) cannot(what, verb string, err error, missing string) {
	c.problems = append(c.problems, manifest.Problem{File: what,
		Text: fmt.Sprintf("cannot %s because %s. %s", verb, whyNot(err), missing)})
}

// Objects hands on all objects of the kinds that podvet judges, those with a policy's templates included, page by page.
func (c *Cluster) Objects(ctx context.Context, templates []custom.Entry, to vet.Input) {
	for _, name := range c.namespaces {
		to.Skipped("Namespace/"+name, "Namespace", report.NotAWorkload)
	}
	kinds := c.api.served(ctx, wantedKinds(templates), func(what string, err error) {
		c.cannot(what, "be read", err, "The kinds in it are missing from the counts.")
	})
	for _, r := range kinds {
		path := r.path
		if c.namespace != "" {
			path += "/namespaces/" + url.PathEscape(c.namespace)
		}
		if c.namespace != "" && !r.namespaced {
			continue
		}
		err := c.list(ctx, path+"/"+r.name, func(o object) {
			if r.kind == "ReplicaSet" && isOld(o) {
				to.Skipped(nameOf(r.kind, o), r.kind, report.OldReplicaSet)
				return
			}
			to.Chunk(chunkOf(r.apiVersion, r.kind, o))
		})
		if err != nil {
			c.cannot(r.title(), "be listed", err, "They are missing from the counts.")
		}
	}
	for _, p := range c.problems {
		to.Problem(p)
	}
}

// maxRestarts is how often a list is read again from its start.
const maxRestarts = 3

// list hands on all objects of a list, each once. Where the API server no longer knows the version that it began with
// (410 Expired) the list is read again from its start.
func (c *Cluster) list(ctx context.Context, path string, each func(object)) error {
	seen := map[[2]string]bool{}
	next := ""
	for restarts := 0; ; {
		after, err := c.api.page(ctx, path, next, func(o object) {
			if self := [2]string{o.Metadata.Namespace, o.Metadata.Name}; !seen[self] {
				seen[self] = true
				each(o)
			}
		})
		switch {
		case apierrors.IsResourceExpired(err) && restarts < maxRestarts:
			restarts++
			next = ""
		case err != nil || after == "":
			return err
		default:
			next = after
		}
	}
}

// nameOf is what reports call an object of a cluster.
func nameOf(kind string, o object) string {
	return report.ObjectName(kind, o.Metadata.Namespace, o.Metadata.Name)
}

// chunkOf is an object as a document. It has no lines.
func chunkOf(apiVersion, kind string, o object) stream.Chunk {
	return stream.Chunk{File: nameOf(kind, o), JSON: true,
		Listed: stream.ItemsOf(apiVersion, kind+"List"), Text: o.text}
}

// isOld tells whether a ReplicaSet is one that its owner keeps for a rollback.
func isOld(o object) bool {
	var owners []metav1.OwnerReference
	var rest struct {
		Spec struct {
			Replicas *int32 `json:"replicas"`
		} `json:"spec"`
	}
	if json.Unmarshal(o.Metadata.Owners, &owners) != nil || json.Unmarshal(o.Rest, &rest, asItIs) != nil {
		return false
	}
	owned := slices.ContainsFunc(owners, func(owner metav1.OwnerReference) bool {
		return owner.Controller != nil && *owner.Controller
	})
	return owned && rest.Spec.Replicas != nil && *rest.Spec.Replicas == 0
}
