package doctor

import (
	"context"
	"fmt"
	"testing"

	"github.com/podvet/podvet/rules/catalogue"
	"github.com/podvet/podvet/rules/policy"
)

func TestReplicas(t *testing.T) {
	const again = "run doctor again, with more --timeout where time ran out"
	wantFindings(t, "replicas", []brokenCluster{
		{"healthy", func(*cluster) {}, []Finding{ok("2 replicas of one version judge by one policy")}},
		{"nothing runs", notRunning, []Finding{unknown("see service", "no replica runs")}},
		{"forbidden", func(c *cluster) {
			c.metrics = func(pod string) (string, error) {
				return "", fmt.Errorf(`pods %q is forbidden: User "me" cannot get resource "pods/proxy" `+
					`in API group "" in the namespace "podvet"`, pod)
			}
		}, []Finding{
			unknown("ask for that right, or let someone who has it run doctor",
				"the metrics of pod a cannot be read because you may not get pods/proxy in the namespace podvet"),
			unknown("ask for that right, or let someone who has it run doctor",
				"the metrics of pod b cannot be read because you may not get pods/proxy in the namespace podvet"),
		}},
		{"one does not answer, and is not asked again", func(c *cluster) {
			others, asked := c.metrics, 0
			c.metrics = func(pod string) (string, error) {
				if pod == "a" {
					return others(pod)
				}
				if asked++; asked > 1 {
					t.Error("it was asked again")
				}
				return "", context.DeadlineExceeded
			}
		}, []Finding{unknown(again, "the metrics of pod b cannot be read because there was no answer in time")}},
		{"something else answers", func(c *cluster) {
			c.metrics = func(string) (string, error) { return "<html>hello</html>", nil }
		}, []Finding{
			unknown(again, "the metrics of pod a cannot be read because they name no policy"),
			unknown(again, "the metrics of pod b cannot be read because they name no policy"),
		}},
		{"the metrics need a token", func(c *cluster) {
			c.pods = c.pods[:1]
			podvet := &c.pods[0].Spec.Containers[0]
			podvet.Args = append(podvet.Args, "--metrics-authorization=true")
		}, []Finding{unknown("read them yourself with a token whose holder may get /metrics",
			"the metrics of pod a cannot be read because they need a token, which the API server does not pass on")}},
		{"two policies", func(c *cluster) { c.follows("a", "old", "configmap") }, []Finding{problem(
			"give all replicas the same --policy-configmap; the log of the one that lags says why it does not follow",
			"the replicas judge by different policies: %s in b; old in a", policy.Default(catalogue.All).Hash)}},
		{"one no longer follows", func(c *cluster) {
			others := c.metrics
			c.metrics = func(pod string) (string, error) {
				page, err := others(pod)
				if pod == "b" {
					page += "podvet_watch_follows{watched=\"namespaces\"} 0\n" +
						"podvet_watch_follows{watched=\"configmaps/policy-last-good\"} 1\n" +
						"podvet_watch_follows{watched=\"configmaps/policy\"} 0\n"
				}
				return page, err
			}
		}, []Finding{problem("its log says why it does not follow",
			"pod b no longer follows namespaces, configmaps/policy in the API server, "+
				"so it judges by what it last saw")}},
		{"two versions", func(c *cluster) {
			c.pods = append(c.pods, podvetPod("c"))
			c.served["c"] = c.served["a"]
			c.pods[1].Spec.Containers[0].Image = "podvet:2"
		}, []Finding{warning(
			"wait for the rollout to end; kubectl rollout status -n podvet deployment says whether it does",
			"the replicas are of different versions: podvet:1 in a, c; podvet:2 in b")}},
	})
}
