package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podvet/podvet/cmd/podvet/internal/report"
)

type doctorFlags struct {
	kubeconfig, context, namespace, configuration, output string
	direct                                                bool
	timeout                                               time.Duration
}

func newDoctor() *cobra.Command {
	f := doctorFlags{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with podvet in a cluster, and what to do",
		Long: `Say what is wrong with podvet in a cluster, and what to do.

doctor looks at the webhook configurations, the Service and its replicas, the certificate that each replica serves
against the CA bundles, what happens while podvet is down, and the policy in force. It asks the API server for a dry run
of a pod in the namespace default, to see whether podvet is asked. It changes nothing.

What you may not read is unknown, and the right that is missing is named. All rights together: get services,
configmaps, namespaces and the webhook configurations, list pods and endpointslices, get pods/proxy, create pods in the
namespace default, and outside of the cluster get and create pods/portforward.

Exit status: 0 no problem, 1 a problem, 2 nothing could be found out.`,
		Example: `  podvet doctor
  podvet doctor --context production -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.output != "text" && f.output != "json" {
				return fmt.Errorf("-o %s is no output format: write text or json", f.output)
			}
			if f.timeout <= 0 {
				return fmt.Errorf("--timeout %s leaves no time: write more, such as 1m", f.timeout)
			}
			quietLibraries(slog.DiscardHandler) // they tell of what doctor says in its own words
			ctx, stop := context.WithTimeout(cmd.Context(), f.timeout)
			defer stop()
			d, err := f.doctor(ctx)
			if err != nil {
				return err
			}
			return d.examine(ctx).write(cmd.OutOrStdout(), f.output)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "`FILE` that names the cluster (default: KUBECONFIG, ~/.kube/config, or the cluster that doctor runs in)")
	flags.StringVar(&f.context, "context", "", "`NAME` of the kubeconfig's context")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "`NAMESPACE` of podvet (default: the one that the webhook configurations name)")
	flags.StringVar(&f.configuration, "webhook-configuration", "podvet", "`NAME` of the mutating and the validating webhook configuration")
	flags.BoolVar(&f.direct, "direct", false, "dial the pods' own addresses, not through port-forward: for machines on the pods' network, in a cluster the default")
	flags.StringVarP(&f.output, "output", "o", "text", "`FORMAT`: text or json")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "`TIME` for all of it")
	_ = cmd.MarkFlagFilename("kubeconfig")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// podToken is where the kubelet puts the token of a pod's account (client-go rest.InClusterConfig).
const podToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path

// doctor connects to the cluster. The error says why there is none.
func (f *doctorFlags) doctor(ctx context.Context) (*doctor, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("no cluster: %w: write --kubeconfig or --context, set KUBECONFIG, or run doctor in a pod", err)
	}
	config.UserAgent = "podvet-doctor/" + version()
	config.QPS = -1 // a few dozen requests
	d := &doctor{config: config, configuration: f.configuration, namespace: f.namespace, service: f.configuration, warnings: &warnings{}}
	config.WarningHandler = d.warnings
	// Whoever has a pod's own account is on the network of the pods; who has a kubeconfig may be anywhere, in a pod too.
	d.direct = f.direct || config.BearerTokenFile == podToken
	if d.http, err = rest.HTTPClientFor(config); err == nil {
		d.client, err = kubernetes.NewForConfigAndClient(config, d.http)
	}
	if err != nil {
		return nil, fmt.Errorf("no cluster: %w", err)
	}
	_, err = d.client.CoreV1().RESTClient().Get().AbsPath("/version").DoRaw(ctx)
	switch {
	case apierrors.IsUnauthorized(err):
		return nil, fmt.Errorf("the API server %s does not know you: log in, or choose another user with --context", config.Host)
	case err != nil && !apierrors.IsForbidden(err):
		return nil, fmt.Errorf("the API server %s does not answer: %w: see that the cluster runs, or choose another with --context", config.Host, oneLine(err))
	}
	return d, nil
}

// warnings are those that the API server sent with its answers.
type warnings struct {
	mu    sync.Mutex
	lines []string
}

// HandleWarningHeader notes a warning.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, text)
}

func (w *warnings) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.lines, "\n")
}

// Results of a check.
const (
	resultOK      = "ok"
	resultWarning = "warning"
	resultProblem = "problem"
	resultUnknown = "unknown"
)

// finding is one thing that a check found: what is, and where that is not good what to do.
type finding struct {
	Check  string `json:"name"`
	Result string `json:"result"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

func well(format string, args ...any) []finding {
	return []finding{{Result: resultOK, What: fmt.Sprintf(format, args...)}}
}

func wrong(result, remedy, format string, args ...any) finding {
	return finding{Result: result, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

// doctor is one examination of a cluster. Checks run in order: what the first ones read the later ones use.
type doctor struct {
	config        *rest.Config
	client        kubernetes.Interface
	http          *http.Client // of the client
	warnings      *warnings
	direct        bool
	configuration string // name of the two webhook configurations

	namespace, service string // of podvet
	hooks              []hook
	replicas           []*replica
}

// diagnosis is what `podvet doctor -o json` prints.
type diagnosis struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Summary    map[string]int `json:"summary"` // by result
	Checks     []finding      `json:"checks"`
}

func (d *doctor) examine(ctx context.Context) diagnosis {
	found := diagnosis{APIVersion: "podvet.dev/v1alpha1", Kind: "Diagnosis",
		Summary: map[string]int{resultOK: 0, resultWarning: 0, resultProblem: 0, resultUnknown: 0}}
	for _, c := range []struct {
		name string
		run  func(context.Context) []finding
	}{
		{"configuration", d.checkConfiguration},
		{"service", d.checkService},
		{"reached", d.checkReached},
		{"names", d.checkNames},
		{"ca-bundle", d.checkBundles},
		{"expiry", d.checkExpiry},
		{"failure-policy", d.checkFailurePolicy},
		{"policy", d.checkPolicy},
		{"replicas", d.checkReplicas},
	} {
		for _, f := range c.run(ctx) {
			f.Check = c.name
			found.Summary[f.Result]++
			found.Checks = append(found.Checks, f)
		}
	}
	return found
}

// write prints the diagnosis. The error is its exit status.
func (g diagnosis) write(w io.Writer, output string) error {
	if err := g.print(w, output); err != nil {
		return err
	}
	switch {
	case g.Summary[resultProblem] > 0:
		return errFound
	case g.Summary[resultUnknown] == len(g.Checks):
		return errors.New("nothing could be found out: the lines above say why")
	}
	return nil
}

func (g diagnosis) print(w io.Writer, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(g)
	}
	var text strings.Builder
	width := terminal(w).Width
	for _, f := range g.Checks {
		line := fmt.Sprintf("%-7s  %s: %s", f.Result, f.Check, f.What)
		if f.Remedy != "" {
			line += ": " + f.Remedy
		}
		line = report.Printable(line)
		if width > 0 {
			text.WriteString(wrap(line, width, "         "))
			continue
		}
		text.WriteString(line + "\n")
	}
	fmt.Fprintf(&text, "\n%d ok, %d unknown, %d with a warning, %d with a problem\n",
		g.Summary[resultOK], g.Summary[resultUnknown], g.Summary[resultWarning], g.Summary[resultProblem])
	_, err := fmt.Fprint(w, text.String())
	return err
}
