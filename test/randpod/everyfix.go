package randpod

import (
	"fmt"
	"strings"

	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// EveryFix is the text of a strict policy that turns on every fix there is. Where a fix needs a handler the policy
// declares one for the port http.
func EveryFix(list *rules.Catalogue) string {
	var text strings.Builder
	text.WriteString("apiVersion: podvet.dev/v1alpha1\nkind: Policy\nprofile: strict\nrules:\n")
	for _, rule := range list.Fixes() {
		fmt.Fprintf(&text, "  %s:\n    fix: true\n", rule.ID)
		if !rule.NeedsTemplate {
			continue
		}
		handler := "tcpSocket: {port: http}, timeoutSeconds: 2"
		if strings.Contains(rule.ID, strings.TrimSuffix(pod.Readiness.String(), "Probe")) {
			handler = "httpGet: {path: /ready, port: http}"
		}
		fmt.Fprintf(&text, "    params: {template: {portName: http, probe: {%s}}}\n", handler)
	}
	return text.String()
}
