package why

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// answer is what a probe's failures say of the container.
type answer struct {
	says  string // a sentence, "" where it says nothing more
	write string // what to write, "" where the answer is that of a container which boots
	never bool   // the probe asks for what this app never gives
}

var statusCode = regexp.MustCompile(`statuscode: (\d+)`)

// answerOf reads the words of a failed probe (K pkg/probe/http/http.go, pkg/probe/exec/exec.go, and Go's net/http).
func answerOf(subject *pod.Subject, probe pod.Probe, message string) answer {
	field := probe.Kind.String()
	has := func(text string) bool { return strings.Contains(message, text) }
	code := statusCode.FindStringSubmatch(message)
	switch {
	case subject.DialsNodeLoopback(probe.Handler):
		return answer{"The kubelet connects to " + probe.Host() + " on the node, not in the pod.",
			"Leave out host in " + field + ".", true}
	case has("server gave HTTP response to HTTPS client"):
		return answer{"The app answers HTTP, and the probe speaks HTTPS.", "Set " + field + ".httpGet.scheme to HTTP.",
			true}
	case has("malformed HTTP response"):
		return answer{"The app does not answer in HTTP.",
			"If it serves TLS, set " + field + ".httpGet.scheme to HTTPS.", true}
	case code != nil && code[1] == "400":
		return answer{"It answers with status 400.",
			"If the app serves TLS on that port, set " + field + ".httpGet.scheme to HTTPS.", true}
	case code != nil && code[1] == "404":
		return answer{"It answers with status 404.", "Set " + field + ".httpGet.path to a path that the app serves.",
			true}
	case code != nil && (code[1] == "401" || code[1] == "403"):
		return answer{"It answers with status " + code[1] + ".",
			"Point " + field + " to a path that needs no login.", true}
	case has("does not implement the grpc health protocol"):
		return answer{"The app does not implement gRPC health checking.",
			"Implement grpc.health.v1.Health in the app, or write tcpSocket in " + field + ".", true}
	case code != nil:
		return answer{says: "It answers with status " + code[1] + "."}
	case has("connection refused"), has("actively refused"): // the latter on Windows
		if number, ok := probe.Port(); ok {
			return answer{says: fmt.Sprintf("Nothing listens on port %d.", number)}
		}
		return answer{says: "Nothing listens on its port."}
	case has("command timed out"):
		return answer{says: "The command takes longer than " + seconds(probe.Timeout()) + ".",
			write: "Raise " + field + ".timeoutSeconds above the time that the command takes."}
	case has("deadline exceeded"), has("timed out"), has("i/o timeout"):
		return answer{says: "There is no answer within " + seconds(probe.Timeout()) + "."}
	case probe.Exec != nil:
		return answer{says: "The command ends with an error."}
	}
	return answer{}
}

// thrownAway says why no attempt of a probe counts.
func thrownAway(subject *pod.Subject, probe pod.Probe) answer {
	field := probe.Kind.String()
	if name, unresolved := probe.Unresolved(); unresolved {
		write := "Declare a port with that name, or write its number in " + field + "."
		if declared := portNames(probe.Container); declared != "" {
			write = "Use a name that it declares: " + declared + "."
		}
		return answer{fmt.Sprintf("The container declares no port %q.", name), write, true}
	}
	if probe.Exec != nil {
		write := "Write a command that the image has in " + field + ", one word per item."
		if no, _ := probe.NoShell(); no && (subject.Spec.OS == nil || subject.Spec.OS.Name != corev1.Windows) {
			write = "Run it in a shell: [sh, -c, '" + strings.Join(probe.Exec.Command, " ") + "']."
		}
		return answer{"Its command cannot be run.", write, true}
	}
	return answer{"Its attempts break off.", "See what the app answers to the probe.", true}
}

func portNames(c *pod.Container) string {
	var names []string
	for _, port := range c.Ports {
		if port.Name != "" {
			names = append(names, port.Name)
		}
	}
	return strings.Join(names, ", ")
}
