// Package doctor examines a podvet in a cluster: the webhook configurations, the Service and its replicas, the
// certificates, what happens while podvet is down, and the policy in force. It changes nothing.
//
// It knows how an installation by the chart looks, and what to do about each fault. It is handed the cluster that it
// asks (Connect makes one of a client's configuration), and must not know flags, kubeconfigs, exit statuses or what a
// rule is about.
package doctor
