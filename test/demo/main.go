// Command demo shows podvet beside a real control plane: it starts both, creates the examples with kubectl and
// leaves everything running to try one's own, until `demo stop`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podvet/podvet/test/cluster"
	"github.com/podvet/podvet/test/podvet"
)

// shown is where and what to show.
type shown struct {
	home   string // folder for its files
	podvet string // binary
	port   int    // of the API server, 0 for any free one
	until  int    // process with whose end everything ends, 0 for none
}

// lockFile is locked by the process that holds everything, and has its number.
func (d shown) lockFile() string { return filepath.Join(d.home, "lock") }

// readyFile says where kubectl and its configuration are.
func (d shown) readyFile() string { return filepath.Join(d.home, "ready") }
func (d shown) logFile() string   { return filepath.Join(d.home, "log") }

func main() {
	d := shown{}
	flag.StringVar(&d.home, "home", ".podvet/demo", "`DIR` for its files")
	flag.StringVar(&d.podvet, "podvet", "bin/podvet", "`BINARY` to show")
	flag.IntVar(&d.until, "until", 0, "end everything with the process `PID`, for tests")
	flag.IntVar(&d.port, "port", 0, "`PORT` of the API server on 127.0.0.1, 0 for any free one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch flag.Arg(0) {
	case "":
		err = d.show(ctx)
	case "hold":
		err = d.hold(ctx)
	case "stop":
		err = d.end()
	default:
		err = fmt.Errorf("unknown argument %q: write nothing or stop", flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo: "+err.Error())
		stop()
		os.Exit(1)
	}
}

// show starts the demonstration and creates the examples.
func (d shown) show(ctx context.Context) error {
	if pid := d.holder(); pid != 0 {
		return fmt.Errorf("it is running already (process %d): end it with make demo-stop first", pid)
	}
	if last := d.lastWords(); last != "" {
		fmt.Println("the last demonstration ended by itself: " + last)
	}
	if _, err := cluster.Build(ctx, os.Stderr); err != nil {
		return err
	}
	if err := os.MkdirAll(d.home, 0o755); err != nil {
		return err
	}
	if err := d.startHolder(ctx); err != nil {
		return err
	}
	text, err := os.ReadFile(d.readyFile())
	if err != nil {
		return err
	}
	kubectl, kubeconfig, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	run := func(args ...string) {
		if ctx.Err() != nil {
			return
		}
		fmt.Printf("\n$ kubectl %s\n", strings.Join(args, " "))
		cmd := exec.CommandContext(ctx, kubectl, args...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
		_ = cmd.Run() // a refusal is part of the show
	}
	examples, err := filepath.Glob("examples/*.yaml")
	if err != nil {
		return err
	}
	for _, example := range examples {
		run("apply", "-f", example)
	}
	for range 100 { // until the controllers have made their pods
		cmd := exec.CommandContext(ctx, kubectl, "--kubeconfig", kubeconfig, "get", "pods", "-l", "app=web",
			"-o", "name")
		if out, err := cmd.Output(); err != nil || len(out) > 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	const columns = "POD:.metadata.name,OWNER:.metadata.ownerReferences[0].kind,FIXED:.metadata.annotations"
	run("get", "pods", "-o", "custom-columns="+columns+`.podvet\.dev/fixed`)
	if ctx.Err() != nil {
		fmt.Println("\ninterrupted")
		return d.end()
	}
	fmt.Printf(`
The control plane and podvet go on running, without nodes: pods stay Pending. Try your own:
  export KUBECONFIG=%s PATH=%s:$PATH
  kubectl apply -f FILE
podvet's log is %s. End it all with:
  make demo-stop
`, kubeconfig, filepath.Dir(kubectl), filepath.Join(d.home, "podvet.log"))
	return nil
}

// startHolder starts the process that holds everything, in a session of its own, and waits until it is ready.
func (d shown) startHolder(ctx context.Context) error {
	_ = os.Remove(d.readyFile())
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(d.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, "-home", d.home, "-podvet", d.podvet, "-port", strconv.Itoa(d.port),
		"-until", strconv.Itoa(d.until), "hold") // it outlives this process
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println("starting the control plane and podvet: a few seconds")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case <-ended:
			return errors.New(d.lastWords())
		case <-ctx.Done():
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-ended
			return errors.New("interrupted: everything has ended")
		case <-time.After(50 * time.Millisecond):
		}
		if _, err := os.Stat(d.readyFile()); err == nil {
			return nil
		}
	}
}

// hold runs the control plane and podvet until it is told to end or one of them ends by itself.
func (d shown) hold(ctx context.Context) error {
	lock, err := os.OpenFile(d.lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks it
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return errors.New("it is running already: end it with make demo-stop first")
	}
	pid := []byte(strconv.Itoa(os.Getpid()))
	if err := errors.Join(lock.Truncate(0), os.WriteFile(d.lockFile(), pid, 0o600)); err != nil {
		return err
	}
	defer os.Remove(d.readyFile())
	dir, err := filepath.Abs(filepath.Join(d.home, "cluster"))
	if err != nil {
		return err
	}
	c, err := cluster.Start(ctx, cluster.Options{Dir: dir, Port: d.port, Progress: io.Discard})
	if err != nil {
		return err
	}
	defer c.Stop()
	p, err := podvet.Serve(ctx, d.podvet, d.home, "")
	if err != nil {
		return err
	}
	defer p.Stop()
	registration := podvet.Registration{Name: "podvet", URL: p.URL, CA: p.CA, FailurePolicy: "Fail", Timeout: 3}
	if err := podvet.Register(ctx, c, registration); err != nil {
		return err
	}
	if err := p.AwaitAsked(ctx, c, "default"); err != nil {
		return err
	}
	if err := os.WriteFile(d.readyFile(), []byte(c.Binaries.Kubectl+"\n"+c.Kubeconfig+"\n"), 0o600); err != nil {
		return err
	}
	for d.until == 0 || syscall.Kill(d.until, 0) == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-c.Ended():
			return c.Err()
		case <-time.After(time.Second):
		}
	}
	return nil
}

// holder is the process that holds a demonstration, 0 for none: whoever has the lock, whatever the file says.
func (d shown) holder() int {
	lock, err := os.Open(d.lockFile())
	if err != nil {
		return 0
	}
	defer lock.Close()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return 0
	}
	text, err := io.ReadAll(lock)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(string(text))
	return pid
}

// lastWords is what the last demonstration said before it ended by itself; "" when it was ended.
func (d shown) lastWords() string {
	text, err := os.ReadFile(d.logFile())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "demo: ")
}

// end ends the demonstration and waits until it is gone.
func (d shown) end() error {
	pid := d.holder()
	if pid == 0 {
		fmt.Println("the demonstration is not running")
		if last := d.lastWords(); last != "" {
			fmt.Println("it ended by itself: " + last)
		}
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	for range 300 {
		if d.holder() == 0 {
			fmt.Println("the demonstration has ended")
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("process %d does not end: see %s", pid, d.logFile())
}
