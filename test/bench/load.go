package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
)

// A result is what one turn came to.
type result struct {
	PerSecond float64
	P50, P99  time.Duration
	Answers   int           // with those before it was measured
	server    time.Duration // of a processor, for one answer
}

// measure lets a second process send a case's body to a handler for a while.
func measure(ctx context.Context, c benchCase, h handler, turn time.Duration) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	cmd := exec.CommandContext(ctx, self, "load", "-url", h.url, "-ca", h.ca, "-body", c.file,
		"-clients", strconv.Itoa(c.clients), "-time", turn.String(),
		"-http2="+strconv.FormatBool(c.http2), "-title", c.title, "-of", h.name)
	cmd.Stderr = os.Stderr
	before, err := processorTime(h.process.Pid)
	if err != nil {
		return result{}, err
	}
	out, err := cmd.Output()
	if err != nil {
		return result{}, err
	}
	after, err := processorTime(h.process.Pid)
	if err != nil {
		return result{}, err
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return result{}, err
	}
	r.server = (after - before) / time.Duration(r.Answers)
	return r, nil
}

// A caller sends one body again and again.
type caller struct {
	client *http.Client
	url    string
	body   []byte
	answer []byte // the first one, which was looked at: all others must be the same
}

// load is the process that sends. It prints a result as JSON, and fails at the first answer that is not right. It knows
// what is right from answersFile.
func load(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	to := flags.String("url", "", "")
	ca := flags.String("ca", "", "")
	body := flags.String("body", "", "")
	clients := flags.Int("clients", 1, "")
	turn := flags.Duration("time", time.Second, "")
	http2 := flags.Bool("http2", false, "")
	title := flags.String("title", "", "")
	of := flags.String("of", "", "")
	_ = flags.Parse(args)
	c, err := newCaller(*to, *ca, *body, *clients, *http2)
	if err != nil {
		return err
	}
	got, err := c.first(ctx)
	if err != nil {
		return err
	}
	if err := got.right(benchCase{title: *title}, *of); err != nil {
		return err
	}
	before, err := c.sendFor(ctx, *clients, *turn/5) // connections are made, pools are filled
	if err != nil {
		return err
	}
	began := time.Now()
	took, err := c.sendFor(ctx, *clients, *turn)
	if err != nil {
		return err
	}
	lasted := time.Since(began)
	slices.Sort(took)
	return json.NewEncoder(os.Stdout).Encode(result{PerSecond: float64(len(took)) / lasted.Seconds(),
		P50: took[len(took)/2], P99: took[len(took)*99/100], Answers: 1 + len(before) + len(took)})
}

func newCaller(to, ca, body string, clients int, http2 bool) (*caller, error) {
	text, err := os.ReadFile(body)
	if err != nil {
		return nil, err
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &review); err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: protocols,
		MaxIdleConnsPerHost: clients}
	return &caller{client: &http.Client{Transport: transport}, body: text,
		url: to + "?" + url.Values{"uid": {string(review.Request.UID)}}.Encode()}, nil
}

// first looks at an answer: it is of this review, and allows it.
func (c *caller) first(ctx context.Context) (answer, error) {
	text, err := c.send(ctx)
	if err != nil {
		return answer{}, err
	}
	var sent, got admissionv1.AdmissionReview
	if err := errors.Join(json.Unmarshal(c.body, &sent), json.Unmarshal(text, &got)); err != nil {
		return answer{}, err
	}
	r := got.Response
	if r == nil || r.UID != sent.Request.UID || !r.Allowed {
		return answer{}, fmt.Errorf("answered %.200s", text)
	}
	c.answer = text
	return answer{string(r.Patch), r.AuditAnnotations["findings"], r.AuditAnnotations["fixed"], r.Warnings}, nil
}

func (c *caller) send(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", response.Status, answer)
	}
	return answer, err
}

// sendFor has clients send, each the next after the last, and returns how long each answer took.
func (c *caller) sendFor(ctx context.Context, clients int, turn time.Duration) ([]time.Duration, error) {
	end := time.Now().Add(turn)
	var (
		mu   sync.Mutex
		all  []time.Duration
		errs error
		wait sync.WaitGroup
	)
	for range clients {
		wait.Go(func() {
			var took []time.Duration
			var err error
			for begin := time.Now(); err == nil && begin.Before(end); {
				var answer []byte
				if answer, err = c.send(ctx); err == nil && !bytes.Equal(answer, c.answer) {
					err = fmt.Errorf("answered %.200s, and before %.200s", answer, c.answer)
				}
				now := time.Now()
				took, begin = append(took, now.Sub(begin)), now
			}
			mu.Lock()
			defer mu.Unlock()
			all, errs = append(all, took...), errors.Join(errs, err)
		})
	}
	wait.Wait()
	return all, errs
}
