package input

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
)

// contentAnnotation has the hash of a report that podvet wrote, so that nothing is sent that is there.
const contentAnnotation = "podvet.dev/content"

// reportManager owns the fields of a report (server-side apply).
const reportManager = "podvet-check"

// Apply writes a report's PolicyReports into a cluster, in place of writing them out, and says what it did. Those of
// namespaces without findings are deleted, of one namespace or of all. Its errors are for people.
func Apply(
	ctx context.Context, requests rest.Interface, found *report.Report, namespace string,
) func(out io.Writer, format string, o report.Options) error {
	return func(out io.Writer, format string, o report.Options) error {
		r := &reports{requests: requests, api: report.PolicyReportAPIs[format], namespace: namespace,
			there: map[string]string{}}
		if err := r.read(ctx); err != nil {
			return err
		}
		// What could not be read may still be wrong.
		err := r.write(ctx, found.PolicyReports(r.api, o), found.Unread())
		fmt.Fprintf(out, "%s: %d written, %d unchanged, %d deleted\n",
			r.api.Resource, r.written, r.unchanged, r.deleted)
		return err
	}
}

// reports are those that a cluster holds, of one API.
type reports struct {
	requests  rest.Interface
	api       report.PolicyReportAPI
	namespace string            // that is looked at, "" for all
	there     map[string]string // hashes by path, of those that podvet wrote

	written, unchanged, deleted int
}

// read finds the reports that podvet wrote.
func (r *reports) read(ctx context.Context) error {
	group, _, _ := strings.Cut(r.api.Version, "/")
	err := r.list(ctx, r.api.Resource)
	if err == nil && r.namespace == "" { // only some kinds need the cluster's, so that it may be missing
		if err = r.list(ctx, r.api.ClusterResource); apierrors.IsNotFound(err) {
			err = nil
		}
	}
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("the cluster has no %s.%s: install this CustomResourceDefinition", r.api.Resource, group)
	case err != nil:
		return fmt.Errorf("%s.%s cannot be listed because %s", r.api.Resource, group, console.Reason(err))
	}
	return nil
}

func (r *reports) path(namespace, resource string) string {
	path := "/apis/" + r.api.Version
	if namespace != "" {
		path += "/namespaces/" + namespace
	}
	return path + "/" + resource
}

// list asks for the metadata alone: a report is large.
func (r *reports) list(ctx context.Context, resource string) error {
	for next := ""; ; {
		request := r.requests.Get().AbsPath(r.path(r.namespace, resource)).
			SetHeader("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").
			Param("labelSelector", report.ManagedBy+"=podvet").Param("limit", "500")
		if next != "" {
			request = request.Param("continue", next)
		}
		var page metav1.PartialObjectMetadataList
		text, err := request.DoRaw(ctx)
		if err == nil {
			err = json.Unmarshal(text, &page)
		}
		if err != nil {
			return err
		}
		for _, one := range page.Items {
			r.there[r.path(one.Namespace, resource)+"/"+one.Name] = one.Annotations[contentAnnotation]
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// write applies the reports that differ from those that are there, and deletes those that are not among them unless
// they are to be kept. It goes on after a failure and names the first.
func (r *reports) write(ctx context.Context, all iter.Seq[*report.PolicyReport], keep bool) error {
	var failures []error
	failed := func(path, verb string, err error) {
		failures = append(failures, fmt.Errorf("%s cannot be %s because %s", path, verb, console.Reason(err)))
	}
	for one := range all {
		resource := r.api.Resource
		if one.Metadata.Namespace == "" { // in a cluster only the cluster's own objects have none
			resource, one.Kind = r.api.ClusterResource, r.api.ClusterKind
		}
		path := r.path(one.Metadata.Namespace, resource) + "/" + one.Metadata.Name
		if err := r.apply(ctx, path, one); err != nil {
			failed(path, "written", err)
		}
		delete(r.there, path)
	}
	for _, path := range slices.Sorted(maps.Keys(r.there)) {
		if keep {
			break
		}
		switch err := r.requests.Delete().AbsPath(path).Do(ctx).Error(); {
		case err == nil:
			r.deleted++
		case !apierrors.IsNotFound(err):
			failed(path, "deleted", err)
		}
	}
	if len(failures) > 1 {
		failures = []error{fmt.Errorf("%w (and %d more)", failures[0], len(failures)-1)}
	}
	return errors.Join(failures...)
}

func (r *reports) apply(ctx context.Context, path string, one *report.PolicyReport) error {
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:16])
	if r.there[path] == hash {
		r.unchanged++
		return nil
	}
	one.Metadata.Annotations = map[string]string{contentAnnotation: hash}
	if text, err = json.Marshal(one); err != nil {
		return err
	}
	err = r.requests.Patch(types.ApplyYAMLPatchType).AbsPath(path).Param("fieldManager", reportManager).
		Param("force", "true").Body(text).Do(ctx).Error()
	switch {
	case err == nil:
		r.written++
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || one.Metadata.Namespace != "" &&
		apierrors.IsNotFound(err):
		return nil // its namespace is going or gone
	}
	return err
}
