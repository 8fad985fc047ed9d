package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/podvet/podvet/certs"
	"github.com/podvet/podvet/test/cluster"
)

// replicaProcess says what a replica in a process of its own does. The process is this test's binary.
type replicaProcess struct {
	Kubeconfig, Namespace, Configuration string
	Step                                 string // where it stops itself with SIGSTOP, once, after SIGUSR1
	LeafDuration                         time.Duration
}

const replicaEnv = "PODVET_TEST_REPLICA"

func init() {
	if text := os.Getenv(replicaEnv); text != "" {
		if err := runReplica(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// runReplica prints its address, then "ready".
func runReplica(text string) error {
	var r replicaProcess
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return err
	}
	admin, err := clientcmd.BuildConfigFromFlags("", r.Kubeconfig)
	if err != nil {
		return err
	}
	o := (&site{namespace: r.Namespace, configuration: r.Configuration}).options(admin)
	o.Log, o.Metrics = slog.New(slog.NewTextHandler(os.Stderr, nil)), prometheus.NewRegistry()
	o.LeafDuration = r.LeafDuration
	p := &pause{step: r.Step, stop: func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }}
	p.into(&o)
	armed := make(chan os.Signal, 1)
	signal.Notify(armed, syscall.SIGUSR1)
	go func() { <-armed; p.arm() }()
	source, err := certs.NewSelfManaged(o)
	if err != nil {
		return err
	}
	_, address, err := handshakes(source)
	if err != nil {
		return err
	}
	fmt.Println(address)
	go func() {
		for source.Ready() != nil {
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Println("ready")
	}()
	return source.Run(context.Background())
}

// start starts the replica and returns once it is ready.
func (r replicaProcess) start(t *testing.T, s *site) (*server, *os.Process) {
	t.Helper()
	r.Kubeconfig, r.Namespace, r.Configuration = api.Kubeconfig, s.namespace, s.configuration
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), replicaEnv+"="+string(text))
	log := &logBuffer{}
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("log of process %d: %s", cmd.Process.Pid, log)
		}
	})
	lines := bufio.NewScanner(out)
	lines.Scan()
	address := lines.Text()
	if lines.Scan(); lines.Text() != "ready" {
		t.Fatalf("the replica did not start: %s", log)
	}
	return &server{address: address}, cmd.Process
}

// stopped tells whether a process is stopped by a signal.
func stopped(t *testing.T, p *os.Process) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "T")
}

// TestGateOfStoppedProcess stops the whole process of one of two replicas for 10 s at steps of a rotation, and
// for longer than its leaf is valid: when it goes on, it serves nothing that does not verify.
func TestGateOfStoppedProcess(t *testing.T) {
	t.Parallel()
	for _, step := range []string{
		"log Detected change in CA secret data",
		"before GET secrets 1",
		"before PATCH mutatingwebhookconfigurations",
		"after PATCH mutatingwebhookconfigurations",
		"after GET validatingwebhookconfigurations 2",
		"log Signed new serving certificate",
		"log Updated cert-manager TLS certificate",
		"log certificate in use",
	} {
		t.Run(strings.ReplaceAll(step, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, true)
			a, process := replicaProcess{Step: step}.start(t, s)
			b, _ := replicaProcess{Step: "none"}.start(t, s)
			ca := s.storedCA(t)
			c := s.call(t, a, b)
			c.awaitServed(t, ca, 10*time.Second)
			time.Sleep(lag)
			if err := process.Signal(syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) // it is armed
			// The other one may be first to publish, and nothing is left to do for this one: then once more.
			for attempt := 1; !stopped(t, process); attempt++ {
				if attempt > 10 {
					t.Fatal("the replica never came by this step")
				}
				s.setSecret(t, nil)
				ca = s.rotated(t, ca, 25*time.Second)
				Await(t.Context(), 8*time.Second, func() bool { return stopped(t, process) })
			}
			time.Sleep(10 * time.Second)
			if err := process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			c.awaitServed(t, ca, 30*time.Second)
			c.check(t, true)
		})
	}
	t.Run("until-its-leaf-expires", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, true)
		a, process := replicaProcess{Step: "none", LeafDuration: 15 * time.Second}.start(t, s)
		b, _ := replicaProcess{Step: "none", LeafDuration: 15 * time.Second}.start(t, s)
		c := s.call(t, a, b)
		c.awaitServed(t, s.storedCA(t), 10*time.Second)
		if err := process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if err := process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		c.check(t, true)
		if last := c.refused[len(c.refused)-1]; len(c.refused) < 3 {
			t.Errorf("it was not stopped: %s", last)
		}
	})
}
