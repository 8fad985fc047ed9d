// Command demo shows on a real node what podvet is for: the stories, in a namespace that podvet is not asked about and
// in one that it is, side by side. It fails where a story does not end as it should.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podvet/podvet/test/node"
)

// The two namespaces, whose names head the lines.
const (
	without = "without-podvet"
	with    = "with-podvet"
)

const (
	version = "v0.0.0-demo"
	limit   = 4 * time.Minute // of the stories, which take under 2
)

var stories = []string{"slow-boot", "unresolved-port", "prestop"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo: "+err.Error())
		stop()
		os.Exit(1)
	}
}

// run expects to be in test/node, where the stories are.
func run(ctx context.Context, out io.Writer) (err error) {
	fmt.Fprintln(out, "Starting a node: control plane, kubelet, containerd ...")
	n, err := node.Start(ctx, node.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Stop()) }()

	fmt.Fprintln(out, "Installing podvet with Helm: policy.mode=enforce ...")
	if err := n.ImportPodvet(ctx, version); err != nil {
		return err
	}
	values := "{policy: {mode: enforce}, webhooks: {excludeNamespaces: [" + without + "]}}"
	_, err = n.Helm(ctx, version, values, "install", "podvet", "CHART", "--namespace=podvet-system",
		"--create-namespace", "--wait")
	if err != nil {
		return err
	}
	s := &show{n: n, out: out, begin: time.Now(), pods: map[string]*seen{}, told: map[string]bool{}}
	return s.play(ctx)
}

// A show is the stories as they go on.
type show struct {
	n     *node.Node
	out   io.Writer
	begin time.Time

	writing sync.Mutex // out

	mu      sync.Mutex
	pods    map[string]*seen // by namespace and story
	refused error            // of the pod that can never be ready
	told    map[string]bool  // events that were told
}

// seen is what was seen of a story's pod.
type seen struct {
	name           string
	running, ready bool
	restarts       int32
	ended          *corev1.ContainerStateTerminated
	readyAfter     time.Duration
}

func (s *show) play(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the stories took longer than %v", limit))
	defer cancel()
	for _, namespace := range []string{without, with} {
		if _, err := s.n.Kubectl(ctx, "", "create", "namespace", namespace); err != nil {
			return err
		}
		if err := s.watch(ctx, namespace); err != nil {
			return err
		}
	}
	for _, story := range stories {
		manifest, err := os.ReadFile(filepath.Join("stories", story+".yaml"))
		if err != nil {
			return err
		}
		about, _, _ := strings.Cut(string(manifest), "\napiVersion")
		s.print("\n%s\n", about)
		for _, namespace := range []string{without, with} {
			said, err := s.n.Kubectl(ctx, string(manifest), "apply", "-n", namespace, "-f", "-")
			if err != nil && story == "unresolved-port" && namespace == with {
				s.refused = err
				_, words, _ := strings.Cut(err.Error(), "Error from server")
				said = "refused: Error from server" + words
			} else if err != nil {
				return err
			}
			s.say(namespace, "%s", strings.TrimSpace(said))
		}
	}
	s.print("\n")
	if err := s.until(ctx, s.prestopsReady); err != nil {
		return err
	}
	for _, namespace := range []string{without, with} {
		s.say(namespace, "prestop: kubectl delete pod")
		if _, err := s.n.Kubectl(ctx, "", "delete", "pod", "prestop", "-n", namespace, "--wait=false"); err != nil {
			return err
		}
	}
	if err := s.until(ctx, s.over); err != nil {
		return err
	}
	return s.sumUp(ctx)
}

// until waits for a moment of the stories.
func (s *show) until(ctx context.Context, reached func() bool) error {
	for {
		s.mu.Lock()
		done := reached()
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *show) prestopsReady() bool {
	return s.of(without, "prestop").ready && s.of(with, "prestop").ready
}

// over: the app that is killed again and again has been twice, and everything else has come to its end.
func (s *show) over() bool {
	return s.of(without, "slow-boot").restarts >= 2 && s.of(with, "slow-boot").ready &&
		s.of(without, "prestop").ended != nil && s.of(with, "prestop").ended != nil
}

// of is what was seen of a story's pod, of which there may be none yet.
func (s *show) of(namespace, story string) *seen {
	if s.pods[namespace+"/"+story] == nil {
		s.pods[namespace+"/"+story] = &seen{}
	}
	return s.pods[namespace+"/"+story]
}

// watch tells what happens in a namespace.
func (s *show) watch(ctx context.Context, namespace string) error {
	pods, err := s.n.Client.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	events, err := s.n.Client.CoreV1().Events(namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	go func() {
		for change := range pods.ResultChan() {
			if pod, ok := change.Object.(*corev1.Pod); ok && len(pod.Status.ContainerStatuses) > 0 {
				s.see(namespace, pod)
			}
		}
	}()
	go func() {
		for change := range events.ResultChan() {
			if event, ok := change.Object.(*corev1.Event); ok {
				s.tell(namespace, event)
			}
		}
	}()
	return nil
}

// see notes how a pod is, and says what is new about it.
func (s *show) see(namespace string, pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	story := pod.Labels["app"]
	p, now := s.of(namespace, story), pod.Status.ContainerStatuses[0]
	if fixed := pod.Annotations["podvet.dev/fixed"]; p.name == "" && fixed != "" {
		s.say(namespace, "%s: podvet repaired the pod: %s", story, fixed)
	}
	p.name = pod.Name
	if now.Ready && !p.ready {
		p.ready, p.readyAfter = true, time.Since(pod.CreationTimestamp.Time)
		s.say(namespace, "%s: the pod is Ready, its container was restarted %d times", story, now.RestartCount)
	}
	if now.RestartCount > p.restarts {
		p.restarts = now.RestartCount
		s.say(namespace, "%s: the container is restarted, time %d", story, p.restarts)
	}
	if end := now.State.Terminated; end != nil && pod.DeletionTimestamp != nil && p.ended == nil {
		p.ended = end
		s.say(namespace, "%s: the container ended with exit code %d", story, end.ExitCode)
	}
	p.running = now.State.Running != nil
}

// tell tells an event that the stories turn on, the first time and, if it is a kill, each time.
func (s *show) tell(namespace string, event *corev1.Event) {
	switch event.Reason {
	case "Unhealthy", "Killing", "FailedPreStopHook", "ExceededGracePeriod":
	default:
		return
	}
	key := event.InvolvedObject.Name + event.Reason + event.Message
	if event.Reason == "Killing" {
		key += strconv.Itoa(int(event.Count))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.told[namespace+key] {
		s.told[namespace+key] = true
		s.say(namespace, "event of %s: %s: %s", event.InvolvedObject.Name, event.Reason,
			strings.TrimSpace(event.Message))
	}
}

func (s *show) say(namespace, format string, args ...any) {
	s.print("%4.0f s  %-14s  %s\n", time.Since(s.begin).Seconds(), namespace, fmt.Sprintf(format, args...))
}

func (s *show) print(format string, args ...any) {
	s.writing.Lock()
	defer s.writing.Unlock()
	fmt.Fprintf(s.out, format, args...)
}

// sumUp says how the stories ended, and what was not as it should be.
func (s *show) sumUp(ctx context.Context) error {
	for _, namespace := range []string{without, with} {
		pods, err := s.n.Kubectl(ctx, "", "get", "pods", "-n", namespace)
		if err != nil {
			return err
		}
		s.print("\nkubectl get pods -n %s\n%s", namespace, pods)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slow, repaired := s.of(without, "slow-boot"), s.of(with, "slow-boot")
	killed, clean := s.of(without, "prestop").ended.ExitCode, s.of(with, "prestop").ended.ExitCode
	s.print("\n%-16s  %-44s  %s\n", "", without, with)
	s.print("%-16s  %-44s  Ready after %.0f s, restarted %d times\n", "slow-boot",
		fmt.Sprintf("killed %d times and never Ready", slow.restarts), repaired.readyAfter.Seconds(), repaired.restarts)
	s.print("%-16s  %-44s  refused, and told what to write\n", "unresolved-port", "Running, but never Ready")
	s.print("%-16s  %-44s  exit code %d\n", "prestop", fmt.Sprintf("SIGKILL, exit code %d", killed), clean)

	var wrong error
	for what, holds := range map[string]bool{
		"without podvet the slow app was ready":  !slow.ready,
		"with podvet the slow app was restarted": repaired.restarts == 0,
		"without podvet the pod with the wrong port was ready": !s.of(without, "unresolved-port").ready &&
			s.of(without, "unresolved-port").running,
		"with podvet the pod with the wrong port was created": s.refused != nil &&
			strings.Contains(s.refused.Error(), "Use port http."),
		"without podvet the app was not killed before its end":   killed == 137,
		"with podvet the app was killed before its end, as ever": clean == 0,
	} {
		if !holds {
			wrong = errors.Join(wrong, errors.New(what))
		}
	}
	return wrong
}
