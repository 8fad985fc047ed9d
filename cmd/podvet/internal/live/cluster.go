package live

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/pager"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
	"github.com/podvet/podvet/rules/pod"
)

// Cluster is read by pages.
type Cluster struct {
	Client kubernetes.Interface
	Read   func() // is told of each object of a list
}

// each hands on the objects of a list, page by page, and tells of each. Where the API server no longer knows the
// version that the list began with, the rest comes in one answer (k8s.io/client-go/tools/pager).
func each[T runtime.Object, L runtime.Object](
	ctx context.Context, tell func(), options metav1.ListOptions,
	list func(context.Context, metav1.ListOptions) (L, error), hand func(T),
) error {
	pages := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		return list(ctx, options)
	})
	pages.PageBufferSize = 1 // each page may be some megabytes
	return pages.EachListItem(ctx, options, func(o runtime.Object) error {
		tell()
		hand(o.(T))
		return nil
	})
}

// Pods hands on the pods of a namespace, "" for all.
func (c Cluster) Pods(ctx context.Context, namespace string, hand func(*corev1.Pod)) error {
	return each(ctx, c.Read, metav1.ListOptions{}, c.Client.CoreV1().Pods(namespace).List, hand)
}

// Events hands on the events about pods in a namespace, "" for all.
func (c Cluster) Events(ctx context.Context, namespace string, hand func(*corev1.Event)) error {
	options := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("involvedObject.kind", "Pod").String()}
	return each(ctx, c.Read, options, c.Client.CoreV1().Events(namespace).List, hand)
}

// Named is what a person names: a pod, or a workload by its kind.
type Named struct{ Kind, Name string }

func (n Named) String() string {
	if n.Kind == "Pod" {
		return fmt.Sprintf("pod %q", n.Name)
	}
	return n.Kind + "/" + n.Name
}

// short are the names that kubectl takes for kinds, beside the kind itself and its plural.
var short = map[string]string{
	"po": "Pod", "deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet",
	"rc": "ReplicationController", "cj": "CronJob",
}

// ParseName reads POD or TYPE/NAME, as kubectl takes them: deploy/web, deployments.apps/web, sts/db.
func ParseName(text string) (Named, error) {
	kind, name, typed := strings.Cut(text, "/")
	if !typed {
		kind, name = "pod", text
	}
	if kind == "" || name == "" || strings.Contains(name, "/") {
		return Named{}, fmt.Errorf("%q is not a name: write POD or TYPE/NAME, such as deploy/web", text)
	}
	kind, _, _ = strings.Cut(strings.ToLower(kind), ".")
	if known := short[kind]; known != "" {
		kind = known
	}
	return Named{pod.OwnerKindLike(kind), name}, nil
}

// Owns tells whether a pod is what is named, or belongs to it.
func (n Named) Owns(p *corev1.Pod) bool {
	if n.Kind == "Pod" {
		return p.Name == n.Name
	}
	kind, name := OwnerOf(p)
	owner := metav1.GetControllerOfNoCopy(p)
	return n.is(kind, name) || owner != nil && n.is(owner.Kind, owner.Name)
}

func (n Named) is(kind, name string) bool {
	return n.Name == name && (strings.EqualFold(n.Kind, kind) || strings.EqualFold(n.Kind, kind+"s"))
}

// Find is what is named in a namespace, with its pods, their owners and no events.
func (c Cluster) Find(ctx context.Context, namespace string, n Named) (*Objects, error) {
	found := &Objects{}
	if n.Kind == "Pod" {
		p, err := c.Client.CoreV1().Pods(namespace).Get(ctx, n.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		found.Pods = append(found.Pods, p)
		kind, name := OwnerOf(p)
		if owner, err := c.workload(ctx, namespace, Named{kind, name}); err == nil && owner != nil {
			found.Workloads = append(found.Workloads, owner) // who may not read it is told of the pod alone
		}
		return found, nil
	}
	workload, err := c.workload(ctx, namespace, n)
	if err != nil {
		return nil, err
	}
	if workload != nil {
		found.Workloads = append(found.Workloads, workload)
	}
	return found, c.Pods(ctx, namespace, func(p *corev1.Pod) {
		if n.Owns(p) {
			p.ManagedFields = nil // half of it
			p = p.DeepCopy()      // it is a part of its page, which would stay
			found.Pods = append(found.Pods, p)
		}
	})
}

// workload reads one of Kubernetes' own kinds, nil for any other.
func (c Cluster) workload(ctx context.Context, namespace string, n Named) (pod.Object, error) {
	get := metav1.GetOptions{}
	switch n.Kind {
	case "Deployment":
		return c.Client.AppsV1().Deployments(namespace).Get(ctx, n.Name, get)
	case "ReplicaSet":
		return c.Client.AppsV1().ReplicaSets(namespace).Get(ctx, n.Name, get)
	case "StatefulSet":
		return c.Client.AppsV1().StatefulSets(namespace).Get(ctx, n.Name, get)
	case "DaemonSet":
		return c.Client.AppsV1().DaemonSets(namespace).Get(ctx, n.Name, get)
	case "ReplicationController":
		return c.Client.CoreV1().ReplicationControllers(namespace).Get(ctx, n.Name, get)
	case "Job":
		return c.Client.BatchV1().Jobs(namespace).Get(ctx, n.Name, get)
	case "CronJob":
		return c.Client.BatchV1().CronJobs(namespace).Get(ctx, n.Name, get)
	}
	return nil, nil
}

// manyPods are so many that the events of all pods are listed at once.
const manyPods = 10

// Look reads what is named in a namespace with its pods and events. missing says why events are not among it.
func (c Cluster) Look(ctx context.Context, namespace string, names []Named) (found *Objects, missing, err error) {
	found = &Objects{}
	for _, n := range names {
		one, err := c.Find(ctx, namespace, n)
		switch {
		case apierrors.IsNotFound(err), err == nil && len(one.Pods)+len(one.Workloads) == 0:
			return nil, nil, fmt.Errorf("there is no %s in namespace %q: see kubectl get pods -n %[2]s, or write -n", n,
				namespace)
		case err != nil:
			return nil, nil, fmt.Errorf("%s cannot be read because %s", n, console.Reason(err))
		}
		found.Pods = append(found.Pods, one.Pods...)
		found.Workloads = append(found.Workloads, one.Workloads...)
	}
	if err := c.eventsOf(ctx, namespace, found); err != nil {
		missing = fmt.Errorf("events cannot be read because %s: what they tell is missing", console.Reason(err))
	}
	return found, missing, nil
}

// eventsOf adds the events about what was found.
func (c Cluster) eventsOf(ctx context.Context, namespace string, found *Objects) error {
	add := func(e *corev1.Event) { found.Events = append(found.Events, e) }
	about := func(o metav1.Object) error { // by name: those about a static pod have another UID than its mirror
		options := metav1.ListOptions{
			FieldSelector: fields.OneTermEqualSelector("involvedObject.name", o.GetName()).String(),
		}
		return each(ctx, c.Read, options, c.Client.CoreV1().Events(namespace).List, add)
	}
	for _, w := range found.Workloads {
		if err := about(w); err != nil {
			return err
		}
	}
	if len(found.Pods) > manyPods {
		wanted := map[string]bool{}
		for _, p := range found.Pods {
			wanted[p.Name] = true
		}
		return c.Events(ctx, namespace, func(e *corev1.Event) {
			if wanted[e.InvolvedObject.Name] {
				e.ManagedFields = nil
				add(e.DeepCopy())
			}
		})
	}
	for _, p := range found.Pods {
		if err := about(p); err != nil {
			return err
		}
	}
	return nil
}
