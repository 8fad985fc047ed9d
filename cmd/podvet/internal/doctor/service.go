package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// checkService looks at the Service, and finds the replicas by it.
func (in *installation) checkService(ctx context.Context) []Finding {
	service, missing := in.findReplicas(ctx)
	if missing != nil {
		return []Finding{*missing}
	}
	what, selector := in.titleOfService(), labels.SelectorFromSet(service.Spec.Selector)
	found := in.checkPorts(what, service)
	ready, err := in.readyEndpoints(ctx)
	if err != nil {
		found = append(found, unreadable("the endpoints of "+what, err))
		ready = len(in.ready())
	}
	for _, r := range in.replicas {
		if !r.ready() {
			why := cmp.Or(in.readUnready(ctx, r), r.whyNotReady())
			found = append(found, warning(
				fmt.Sprintf("kubectl describe pod -n %s %s, and its log, say more", r.Namespace, r.Name),
				"pod %s is not ready: %s", r.Name, console.OneLine(why)))
		}
	}
	if ready == 0 {
		return append(found, problem(
			fmt.Sprintf("make a pod ready: kubectl get pods -n %s -l %s", in.namespace, selector),
			"%s has no ready endpoint, so the API server gets no answer", what))
	}
	if len(found) == 0 {
		return []Finding{ok("%s has %d ready endpoints", what, ready)}
	}
	return found
}

func (in *installation) titleOfService() string {
	return "the Service " + in.namespace + "/" + in.service
}

// findReplicas finds the pods that the Service selects, or says why there are none.
func (in *installation) findReplicas(ctx context.Context) (*corev1.Service, *Finding) {
	none := func(f Finding) (*corev1.Service, *Finding) { return nil, &f }
	if in.namespace == "" {
		return none(unknown("write --namespace", "no webhook names podvet's Service"))
	}
	what := in.titleOfService()
	service, err := in.Client.CoreV1().Services(in.namespace).Get(ctx, in.service, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return none(problem("helm upgrade --reuse-values brings it back",
			"%s that the webhooks call does not exist", what))
	case err != nil:
		return none(unreadable(what, err))
	case len(service.Spec.Selector) == 0:
		return none(unknown("give it the selector of the chart", "%s selects no pods, so doctor finds none", what))
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	if err := in.listReplicas(ctx, selector); err != nil {
		return none(unreadable("the pods of "+what, err))
	}
	if len(in.replicas) == 0 {
		return none(problem(
			fmt.Sprintf("kubectl describe deployments,replicasets -n %s says why none is made", in.namespace),
			"%s selects the pods with %s, and there are none", what, selector))
	}
	return service, nil
}

// listReplicas finds the pods that have not ended and are not about to.
func (in *installation) listReplicas(ctx context.Context, selector labels.Selector) error {
	options := metav1.ListOptions{LabelSelector: selector.String()}
	pods, err := in.Client.CoreV1().Pods(in.namespace).List(ctx, options)
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		ended := pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
		if pod.DeletionTimestamp == nil && !ended {
			in.replicas = append(in.replicas, &replica{Pod: &pod})
		}
	}
	return nil
}

// checkPorts looks at the way from the webhooks over the Service to the replicas.
func (in *installation) checkPorts(what string, service *corev1.Service) []Finding {
	var found []Finding
	var seen []int32
	for _, w := range in.webhooks {
		if w.ClientConfig.Service == nil {
			continue
		}
		port := int32(443)
		if p := w.ClientConfig.Service.Port; p != nil {
			port = *p
		}
		if slices.Contains(seen, port) {
			continue
		}
		seen = append(seen, port)
		at := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port })
		if at < 0 {
			found = append(found, problem("helm upgrade --reuse-values, or write it back",
				"webhook %s calls port %d, which %s does not have", w.Name, port, what))
			continue
		}
		to := service.Spec.Ports[at].TargetPort
		if to.Type != intstr.String {
			continue
		}
		for _, r := range in.replicas {
			if r.port(to.StrVal, 0) == 0 {
				found = append(found, problem("give the container that port's name",
					"%s leads to the port %q, which pod %s does not name", what, to.StrVal, r.Name))
			}
		}
	}
	return found
}

// readyEndpoints counts those that the API server could call.
func (in *installation) readyEndpoints(ctx context.Context) (int, error) {
	list, err := in.Client.DiscoveryV1().EndpointSlices(in.namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + in.service,
	})
	if err != nil {
		return 0, err
	}
	pods := map[string]bool{} // a pod with two addresses stands in two slices
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			name := strings.Join(e.Addresses, ",")
			if e.TargetRef != nil {
				name = e.TargetRef.Name
			}
			pods[name] = true
		}
	}
	return len(pods), nil
}
