package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A loop is closed, in which so many clients send the next after the last, or open: so many per second, however long
// the answers take.
type loop struct{ clients, perSecond int }

func (l loop) name() string {
	if l.perSecond > 0 {
		return fmt.Sprintf("%d per second, open loop", l.perSecond)
	}
	if l.clients == 1 {
		return "1 client, closed loop"
	}
	return fmt.Sprintf("%d clients, closed loop", l.clients)
}

// run returns how long each took: in an open loop from when it was due.
func (l loop) run(ctx context.Context, turn time.Duration, send func(context.Context) error) ([]time.Duration, error) {
	var (
		mu   sync.Mutex
		took []time.Duration
		errs error
		wait sync.WaitGroup
	)
	one := func(due time.Time) error {
		err := send(ctx)
		lasted := time.Since(due)
		mu.Lock()
		defer mu.Unlock()
		took, errs = append(took, lasted), errors.Join(errs, err)
		return err
	}
	begin := time.Now()
	for range l.clients {
		wait.Go(func() {
			for now := begin; now.Sub(begin) < turn && one(now) == nil; now = time.Now() {
			}
		})
	}
	for i := range l.perSecond * int(turn/time.Millisecond) / 1000 {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(l.perSecond))
		time.Sleep(time.Until(due))
		wait.Go(func() { _ = one(due) })
	}
	wait.Wait()
	return took, errs
}

// creations are what all turns of a way came to.
type creations struct {
	took            []time.Duration
	server, webhook time.Duration // of the processors
}

// part is the duration that a part of the creations stays below.
func (c *creations) part(of float64) time.Duration {
	slices.Sort(c.took)
	return c.took[min(len(c.took)-1, int(of*float64(len(c.took))))]
}

// print writes a line of the table.
func (c *creations) print(name string, none *creations) {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond)) }
	per := func(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*10_000/float64(len(c.took))) }
	fmt.Printf("| %s | %s | %s | %s | %s | %s | %s |\n", name, ms(c.part(0.5)), ms(c.part(0.99)), ms(c.part(0.999)),
		ms(c.part(0.5)-none.part(0.5)), per(c.server), per(c.webhook))
}

// processorTime is what a process has used of the processors; nothing for the process 0.
func processorTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // after the name
	fields := strings.Fields(rest)
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	const tick = time.Second / 100 // proc(5)
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// apiServer is the process of the API server, a child of this one; 0 where there is none.
func apiServer() int {
	processes, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range processes {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		id, rest, _ := strings.Cut(string(stat), " (kube-apiserver) ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(id)
			return pid
		}
	}
	return 0
}
