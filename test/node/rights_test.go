package node

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/cluster"
)

// wantRights compares what podvet may do with what the API server has seen it do: it was never forbidden anything, and
// has no right that it did not use.
func (r *release) wantRights(t *testing.T) {
	t.Helper()
	r.meetTrouble(t)
	granted, wrong, err := cluster.Rights(r.rules(t), filepath.Join(r.n.Logs, "audit.log"),
		"system:serviceaccount:"+r.namespace+":podvet")
	if err != nil {
		t.Fatal(err)
	}
	for _, right := range wrong {
		// cert-manager's library makes a lost Secret by the request that has no name; podvet by the one that has.
		if right != "forbidden: create secrets/" {
			t.Error(right)
		}
	}
	t.Logf("%d rights, each of them used: %s", len(granted), strings.Join(granted, ", "))
}

// meetTrouble brings about what podvet needs its rarer rights for: a policy that it cannot read, which arrives while it
// is away, objects of its own that are lost, and a namespace that it does not know.
func (r *release) meetTrouble(t *testing.T) {
	t.Helper()
	good := kubectl(t, r.n, "", "get", "configmap", "podvet-policy", "-n", r.namespace,
		"-o", `jsonpath={.data.policy\.yaml}`)
	r.scale(t, 0)
	r.writePolicy(t, strings.Replace(good, "mode: warn", "mode: wran", 1))
	r.scale(t, 2)
	eventually(t, func() error {
		events := kubectl(t, r.n, "", "get", "events", "-n", r.namespace,
			"--field-selector=involvedObject.name=podvet-policy")
		if !strings.Contains(events, "wran") {
			return fmt.Errorf("the events about the bad policy are %q", events)
		}
		return nil
	})
	r.writePolicy(t, good)
	for _, lost := range []string{"configmap/podvet-policy-last-good", "secret/podvet-self-managed-ca"} {
		if _, err := r.n.Kubectl(t.Context(), "", "delete", lost, "-n", r.namespace); err != nil {
			continue // in this mode there is no such Secret
		}
		eventually(t, func() error {
			data, err := r.n.Kubectl(t.Context(), "", "get", lost, "-n", r.namespace, "-o", "jsonpath={.data}")
			if err == nil && data == "" {
				err = fmt.Errorf("%s is empty", lost)
			}
			return err
		})
	}
	r.review(t, "a-namespace-that-is-not-there")
}

func (r *release) writePolicy(t *testing.T, text string) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"data": map[string]string{"policy.yaml": text}})
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, r.n, "", "patch", "configmap", "podvet-policy", "-n", r.namespace, "--type=merge", "-p", string(patch))
}

// review has a replica judge a pod in a namespace. A namespace without an object, which no pod can come from, is how to
// make podvet ask for one without a race against its watch.
func (r *release) review(t *testing.T, namespace string) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: r.n.Dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	url := "https://" + r.pods(t)[0].Status.PodIP + ":9443/validate"
	if err := cluster.Admits(&client, url, namespace); err != nil {
		t.Error(err)
	}
}

// rules are those of the chart's roles.
func (r *release) rules(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	rbac := r.n.Client.RbacV1()
	everywhere, err := rbac.ClusterRoles().Get(t.Context(), "podvet", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := rbac.Roles(r.namespace).Get(t.Context(), "podvet", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(everywhere.Rules, own.Rules)
}
