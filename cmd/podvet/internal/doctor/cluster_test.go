package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
	"github.com/podvet/podvet/test/authority"
)

const (
	day    = 24 * time.Hour
	server = "podvet.podvet.svc"
)

// cluster is a healthy podvet in a cluster that is not there: what the API server has, and how the replicas answer. A
// test breaks a piece of it. A nil object does not exist.
type cluster struct {
	t          *testing.T
	mutating   *admissionv1.MutatingWebhookConfiguration
	validating *admissionv1.ValidatingWebhookConfiguration
	service    *corev1.Service
	pods       []*corev1.Pod
	endpoints  []*discoveryv1.EndpointSlice
	policy     *corev1.ConfigMap
	namespaces map[string]map[string]string // labels by name
	refused    map[string]error             // by verb and resource

	ca       *authority.Certificate
	served   map[string]*authority.Certificate // what each pod serves
	undialed error                             // why no pod can be dialed
	metrics  func(pod string) (string, error)
	readyz   func(pod string) (string, error)
	reviews  map[string]int // answered by all, by endpoint
	dryRun   func() error   // what the API server answers to one
	warnings []string       // what it has said with its answers
}

// newCluster has to be called in a synctest bubble: its certificates are for the time there.
func newCluster(t *testing.T) *cluster {
	c := &cluster{
		t: t, refused: map[string]error{}, reviews: map[string]int{"mutate": 3, "validate": 5},
		namespaces: map[string]map[string]string{
			"default": {}, "kube-system": {"spared": "yes"}, "podvet": {"spared": "yes"},
		},
	}
	c.ca = authority.Issue(t, nil, "ca", -day, 1000*day)
	c.served = map[string]*authority.Certificate{}
	for _, name := range []string{"a", "b"} {
		c.pods = append(c.pods, podvetPod(name))
		c.served[name] = authority.Issue(t, c.ca, server, -day, 100*day)
	}
	c.addWebhooks()
	c.service = &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "podvet", Namespace: "podvet"},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "podvet"},
			Ports:    []corev1.ServicePort{{Port: 443, TargetPort: intstr.FromString("webhook")}},
		},
	}
	c.endpoints = []*discoveryv1.EndpointSlice{{
		ObjectMeta: metav1.ObjectMeta{
			Name: "podvet-1", Namespace: "podvet", Labels: map[string]string{discoveryv1.LabelServiceName: "podvet"},
		},
		Endpoints: []discoveryv1.Endpoint{endpoint("a", true), endpoint("b", true)},
	}}
	c.policy = &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "podvet-policy", Namespace: "podvet"},
		Data:       map[string]string{policy.Key: string(policy.DefaultText)},
	}
	c.metrics = func(string) (string, error) { return c.page(policy.Default(catalogue.All).Hash, "configmap"), nil }
	c.readyz = func(string) (string, error) { return "ok", nil }
	c.dryRun = func() error {
		c.reviews["mutate"]++
		c.reviews["validate"]++
		return nil
	}
	return c
}

func podvetPod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "podvet", Labels: map[string]string{"app": "podvet"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "podvet", Image: "podvet:1", Args: []string{"serve", "--policy-configmap=podvet/podvet-policy"},
			Ports: []corev1.ContainerPort{
				{Name: "webhook", ContainerPort: 9443}, {Name: "metrics", ContainerPort: 8080},
				{Name: "health", ContainerPort: 8081},
			},
		}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1",
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
}

func endpoint(pod string, ready bool) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod},
	}
}

// addWebhooks makes those of the chart.
func (c *cluster) addWebhooks() {
	call := func(path string) admissionv1.WebhookClientConfig {
		return admissionv1.WebhookClientConfig{
			CABundle: c.ca.PEM(),
			Service:  &admissionv1.ServiceReference{Namespace: "podvet", Name: "podvet", Path: &path},
		}
	}
	about := func(resource string, operations ...admissionv1.OperationType) []admissionv1.RuleWithOperations {
		return []admissionv1.RuleWithOperations{{
			Operations: operations,
			Rule: admissionv1.Rule{
				APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{resource},
			},
		}}
	}
	meta := metav1.ObjectMeta{Name: "podvet"}
	sparing := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: "spared", Operator: metav1.LabelSelectorOpDoesNotExist},
	}}
	versions := []string{"v1"}
	c.mutating = &admissionv1.MutatingWebhookConfiguration{ObjectMeta: meta, Webhooks: []admissionv1.MutatingWebhook{{
		Name: "mutate.podvet.dev", ClientConfig: call("/mutate"), Rules: about("pods", admissionv1.Create),
		FailurePolicy: new(admissionv1.Ignore), NamespaceSelector: sparing, AdmissionReviewVersions: versions,
		MatchConditions: []admissionv1.MatchCondition{{Name: "no-mirror-pod", Expression: "true"}},
	}}}
	c.validating = &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: meta, Webhooks: []admissionv1.ValidatingWebhook{{
			Name: "validate.podvet.dev", ClientConfig: call("/validate"), Rules: about("pods", admissionv1.Create),
			FailurePolicy: new(admissionv1.Ignore), NamespaceSelector: sparing, AdmissionReviewVersions: versions,
		}, {
			Name: "validate-policy.podvet.dev", ClientConfig: call("/validate-policy"),
			Rules:         about("configmaps", admissionv1.Create, admissionv1.Update),
			FailurePolicy: new(admissionv1.Ignore), AdmissionReviewVersions: versions,
		}},
	}
}

// page is what a replica says of itself.
func (c *cluster) page(hash, source string) string {
	return fmt.Sprintf(`# HELP podvet_policy_info 1 because the policy in force.
# TYPE podvet_policy_info gauge
podvet_policy_info{hash="%s",source="%s"} 1
# HELP podvet_reviews_total AdmissionReviews by endpoint and decision.
# TYPE podvet_reviews_total counter
podvet_reviews_total{decision="error",endpoint="mutate"} 7
podvet_reviews_total{decision="patched",endpoint="mutate"} %d
podvet_reviews_total{decision="allowed",endpoint="validate"} %d
`, hash, source, c.reviews["mutate"], c.reviews["validate"])
}

// follows lets one pod say that another policy is in force.
func (c *cluster) follows(pod, hash, source string) {
	others := c.metrics
	c.metrics = func(name string) (string, error) {
		if name == pod {
			return c.page(hash, source), nil
		}
		return others(name)
	}
}

// validator is the webhook that is about pods.
func (c *cluster) validator() *admissionv1.ValidatingWebhook { return &c.validating.Webhooks[0] }

func (c *cluster) setBundles(bundle []byte) {
	c.mutating.Webhooks[0].ClientConfig.CABundle = bundle
	for i := range c.validating.Webhooks {
		c.validating.Webhooks[i].ClientConfig.CABundle = bundle
	}
}

// forbid takes a right away, in the API server's words.
func (c *cluster) forbid(verb, resource, where string) {
	name, group, _ := strings.Cut(resource, ".")
	c.refused[verb+" "+name] = apierrors.NewForbidden(corev1.Resource(name), "", fmt.Errorf(
		`User "me" cannot %s resource %q in API group %q %s`, verb, name, group, where))
}

// setUnready lets a pod be not ready.
func (c *cluster) setUnready(pod *corev1.Pod) {
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	for _, slice := range c.endpoints {
		for i, e := range slice.Endpoints {
			if e.TargetRef.Name == pod.Name {
				slice.Endpoints[i].Conditions.Ready = new(false)
			}
		}
	}
}

// connect is the cluster as doctor sees it.
func (c *cluster) connect() Cluster {
	var objects []runtime.Object
	for name, labels := range c.namespaces {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
	for _, pod := range c.pods {
		objects = append(objects, pod)
	}
	for _, slice := range c.endpoints {
		objects = append(objects, slice)
	}
	if c.mutating != nil {
		objects = append(objects, c.mutating)
	}
	if c.validating != nil {
		objects = append(objects, c.validating)
	}
	if c.service != nil {
		objects = append(objects, c.service)
	}
	if c.policy != nil {
		objects = append(objects, c.policy)
	}
	client := fake.NewSimpleClientset(objects...)
	client.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if err := c.refused[action.GetVerb()+" "+action.GetResource().Resource]; err != nil {
			return true, nil, err
		}
		create, isCreate := action.(clienttesting.CreateActionImpl)
		if !isCreate {
			if verb := action.GetVerb(); verb != "get" && verb != "list" {
				c.t.Errorf("doctor does %s of %s", verb, action.GetResource().Resource)
			}
			return false, nil, nil
		}
		if options := create.GetCreateOptions(); len(options.DryRun) != 1 || options.DryRun[0] != metav1.DryRunAll {
			c.t.Errorf("doctor creates for real: %+v", options)
		}
		return true, create.GetObject(), c.dryRun()
	})
	return Cluster{
		Client: client, Dial: c.dial, Warnings: func() []string { return c.warnings },
		Page: func(_ context.Context, pod *corev1.Pod, port int32, path string) (string, error) {
			switch {
			case port == 8080 && path == "metrics":
				return c.metrics(pod.Name)
			case port == 8081 && path == "readyz":
				return c.readyz(pod.Name)
			}
			return "", fmt.Errorf("404 Not Found port %d has no %s", port, path)
		},
	}
}

func (c *cluster) dial(_ context.Context, pod *corev1.Pod, port int32) (net.Conn, error) {
	if c.undialed != nil {
		return nil, c.undialed
	}
	if port != 9443 {
		return nil, fmt.Errorf("connection to %d refused", port)
	}
	ours, theirs := net.Pipe()
	serving := c.served[pod.Name]
	go func() {
		defer func() { _ = theirs.Close() }()
		if serving == nil { // it speaks plain HTTP
			_, _ = theirs.Read(make([]byte, 1<<16))
			_, _ = io.WriteString(theirs, "HTTP/1.0 400 Bad Request\r\n\r\n")
			return
		}
		config := &tls.Config{Certificates: []tls.Certificate{serving.TLS()}}
		_ = tls.Server(theirs, config).Handshake() // the check looks
	}()
	return ours, nil
}

// brokenCluster is what a check finds where something is broken.
type brokenCluster struct {
	name   string
	breaks func(*cluster)
	want   []Finding
}

// wantFindings examines each of the clusters, and compares what one check says.
func wantFindings(t *testing.T, check string, cases []brokenCluster) {
	t.Helper()
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				test.breaks(c)
				var found []Finding
				for _, f := range Examine(t.Context(), c.connect(), "podvet", "").Checks {
					if f.Check == check {
						f.Check = ""
						found = append(found, f)
					}
				}
				if diff := gocmp.Diff(test.want, found); diff != "" {
					t.Errorf("%s (-want +found):\n%s", check, diff)
				}
			})
		})
	}
}

var errBroken = errors.New("it is\nbroken")
