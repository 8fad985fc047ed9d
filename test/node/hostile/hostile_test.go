// Package hostile attacks podvet in a cgroup of the chart's default memory limit, as anyone can who reaches its port.
package hostile

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "podvet-hostile-")
	if err == nil {
		binary = filepath.Join(dir, "podvet")
		if given := os.Getenv("HOSTILE_BINARY"); given != "" {
			binary = given
		} else {
			err = build()
		}
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func build() error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/podvet") // as the image has it
	cmd.Dir, cmd.Env = "../../..", append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building podvet: %w: %s", err, said)
	}
	return nil
}

const (
	bystander = 1 // calls from 127.0.0.1, as the API server that wants its pods judged
	attackers = 8 // from 127.0.0.2 on
)

const head = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":` +
	`{"group":"","version":"v1","kind":"Pod"},"name":"p","namespace":"default","operation":"CREATE","object":`

// pod is a review of a pod with a text in its middle that is repeated up to a length.
func pod(before, repeated, after string, length int) []byte {
	before = head + `{"apiVersion":"v1","kind":"Pod",` + before
	after += `}}}`
	n := (length - len(before) - len(after)) / len(repeated)
	return []byte(before + strings.Repeat(repeated, n) + after)
}

// keyed is the same with a number in what is repeated, so that each key is another.
func keyed(before, format, after string, length int) []byte {
	var text strings.Builder
	text.WriteString(head + `{"apiVersion":"v1","kind":"Pod",` + before)
	for i := 0; text.Len() < length-len(after)-40; i++ {
		fmt.Fprintf(&text, format, i)
	}
	return []byte(strings.TrimSuffix(text.String(), ",") + after + `}}}`)
}

// bodies are reviews that take much more memory than bytes.
func bodies(length int) map[string][]byte {
	spec := func(field, element string) []byte {
		return pod(`"spec":{"`+field+`":[`, element+",", element+`]}`, length)
	}
	container := func(field, element string) []byte {
		return pod(`"spec":{"containers":[{"name":"a","`+field+`":[`, element+",", element+`]}]}`, length)
	}
	return map[string][]byte{
		"containers":           spec("containers", `{}`),
		"init containers":      spec("initContainers", `{}`),
		"ephemeral containers": spec("ephemeralContainers", `{}`),
		"named containers":     keyed(`"spec":{"containers":[`, `{"name":"c%d"},`, `]}`, length),
		"probed containers": keyed(`"spec":{"containers":[`, `{"name":"c%d","image":"i","livenessProbe":{"exec":{}},`+
			`"startupProbe":{"exec":{}},"readinessProbe":{"tcpSocket":{}}},`, `]}`, length),
		"volumes":             spec("volumes", `{}`),
		"claims":              spec("volumes", `{"ephemeral":{"volumeClaimTemplate":{"metadata":{}}}}`),
		"tolerations":         spec("tolerations", `{}`),
		"spread":              spec("topologySpreadConstraints", `{}`),
		"env":                 container("env", `{}`),
		"env from":            container("env", `{"valueFrom":{"fieldRef":{}}}`),
		"mounts":              container("volumeMounts", `{}`),
		"ports":               container("ports", `{}`),
		"arguments":           container("args", `""`),
		"limits":              keyed(`"spec":{"containers":[{"resources":{"limits":{`, `"%d":1,`, `}}}]}`, length),
		"groups":              pod(`"spec":{"securityContext":{"supplementalGroups":[`, "1,", `1]}}`, length),
		"labels":              keyed(`"metadata":{"labels":{`, `"%d":"",`, `}}`, length),
		"annotations":         keyed(`"metadata":{"annotations":{`, `"%d":"",`, `}}`, length),
		"owner references":    pod(`"metadata":{"ownerReferences":[`, `{},`, `{}]}`, length),
		"finalizers":          pod(`"metadata":{"finalizers":[`, `"",`, `""]}`, length),
		"managed fields":      pod(`"metadata":{"managedFields":[`, `{},`, `{}]}`, length),
		"statuses":            pod(`"status":{"containerStatuses":[`, `{},`, `{}]}`, length),
		"nested lists":        pod(`"spec":{"x":`, `[`, `}`, length),
		"unknown keys":        keyed(`"spec":{`, `"%d":{},`, `}`, length),
		"escapes":             pod(`"metadata":{"name":"`, `\u003c`, `"}`, length),
		"escaped arguments":   pod(`"spec":{"containers":[{"args":["`, `\u0001`, `"]}]}`, length),
		"not UTF-8 as a time": pod(`"metadata":{"creationTimestamp":"`, "\xff", `"}`, length),
		"letters as a time":   pod(`"metadata":{"creationTimestamp":"`, "é", `"}`, length),
		"not UTF-8 as a port": pod(`"spec":{"containers":[{"name":"a","livenessProbe":{"httpGet":{"port":"`, "\xff",
			`"}}}]}`, length),
		"not UTF-8 as arguments": pod(`"spec":{"containers":[{"args":["`, "\xff", `"]}]}`, length),
		"a quantity":             pod(`"spec":{"containers":[{"resources":{"limits":{"cpu":"`, "7", `"}}}]}`, length),
		"a small quantity": []byte(head + `{"spec":{"containers":[{"resources":{"limits":{"cpu":"1e-200000000"}}}]}` +
			`}}}`),
		"not UTF-8 as a UID": []byte(strings.Replace(head, `"uid":"u"`, `"uid":"`+strings.Repeat("\xff", length-400)+
			`"`, 1) + `{}}}`),
		"kind": []byte(strings.Replace(head, `"kind":"Pod"`, `"kind":"`+strings.Repeat("k", length-400)+`"`, 1) +
			`{}}}`),
		"envelope": []byte(head + `{},"x":[` + strings.Repeat(`{},`, length/3-200) + `{}]}}`),
		"old object": []byte(head + `{},"oldObject":{"spec":{"containers":[` + strings.Repeat(`{},`, length/3-200) +
			`{}]}}}}`),
	}
}

var ordinary = []byte(head + `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[` +
	`{"name":"a","image":"i","args":["` + strings.Repeat("x", 6000) + `"],"livenessProbe":{"httpGet":{"port":80}}}` +
	`]}}}}`)

// attack runs one while a bystander's ordinary reviews are answered, before, meanwhile and afterwards.
func attack(t *testing.T, v *victim, during func(ctx context.Context)) {
	t.Helper()
	client, url := v.client(bystander), "https://"+v.address+"/validate"
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		during(ctx)
	}()
	answered, more := 0, 20 // so many after the attack too
	for more > 0 {
		select {
		case <-done:
			more--
		case <-v.died:
			t.Fatalf("podvet was killed after %d ordinary reviews: %.2000s", answered, v.log)
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := post(client, url, ordinary); err != nil {
			select {
			case <-v.died:
			case <-time.After(time.Second):
				t.Errorf("after %d ordinary reviews: %v", answered, err)
				return
			}
			continue
		}
		answered++
	}
	t.Logf("%d ordinary reviews were answered, peak %d MiB", answered, peak(v.cgroup)>>20)
}

// TestBodies: no body kills podvet, sent by eight callers at once. Long ones are refused by what they would take, so
// shorter ones follow, down to eight at once of 60 KiB, until some are let in.
func TestBodies(t *testing.T) {
	v := start(t)
	lengths := []int{7 << 20, 1 << 20, 300 << 10, 60 << 10}
	kinds := map[string][][]byte{}
	for _, length := range lengths {
		for name, body := range bodies(length) {
			kinds[name] = append(kinds[name], body)
		}
	}
	for name, texts := range kinds {
		t.Run(name, func(t *testing.T) {
			var judged atomic.Int32
			attack(t, v, func(_ context.Context) {
				var sending sync.WaitGroup
				for n := range attackers {
					sending.Go(func() {
						client := v.client(bystander + 1 + n)
						defer client.CloseIdleConnections()
						url := "https://" + v.address + []string{"/validate", "/mutate", "/validate-policy"}[n%3]
						for i, text := range texts {
							var together sync.WaitGroup
							for range []int{1, 1, 2, 8}[i] {
								together.Go(func() {
									if code, _ := post(client, url, text); code == http.StatusOK {
										judged.Add(1)
									}
								})
							}
							together.Wait()
						}
					})
				}
				sending.Wait()
			})
			t.Logf("%d of them were judged", judged.Load())
		})
		if !v.lives() {
			v = start(t)
		}
	}
}

// TestConnections: neither 4,400 idle connections kill podvet, nor on each of its ports as many that send half a head.
func TestConnections(t *testing.T) {
	for name, hold := range map[string]func(v *victim, ctx context.Context, n int) (net.Conn, error){
		"idle": func(v *victim, ctx context.Context, n int) (net.Conn, error) { return v.connect(ctx, n) },
		"no handshake": func(v *victim, ctx context.Context, n int) (net.Conn, error) {
			return v.dial(ctx, n, v.address)
		},
		"half a head": func(v *victim, ctx context.Context, n int) (net.Conn, error) {
			conn, err := v.connect(ctx, n)
			if err == nil {
				_, err = fmt.Fprintf(conn, "POST /validate HTTP/1.1\r\nHost: x\r\nX: %s", strings.Repeat("x", 60_000))
			}
			return conn, err
		},
		"health": func(v *victim, ctx context.Context, n int) (net.Conn, error) {
			return v.half(ctx, n, v.health)
		},
		"metrics": func(v *victim, ctx context.Context, n int) (net.Conn, error) {
			return v.half(ctx, n, v.metrics)
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := start(t)
			attack(t, v, func(ctx context.Context) {
				var sending sync.WaitGroup
				for n := range attackers {
					sending.Go(func() {
						for range 4400 / attackers {
							conn, err := hold(v, ctx, bystander+1+n)
							if err == nil {
								defer func() { _ = conn.Close() }()
							}
							if !v.lives() {
								return
							}
						}
						time.Sleep(2 * time.Second)
					})
				}
				sending.Wait()
			})
		})
	}
}

func (v *victim) half(ctx context.Context, n int, address string) (net.Conn, error) {
	conn, err := v.dial(ctx, n, address)
	if err == nil {
		_, err = fmt.Fprintf(conn, "GET /readyz HTTP/1.1\r\nHost: x\r\nX: %s", strings.Repeat("x", 60_000))
	}
	return conn, err
}

// TestManySmallReviews: a flood of ordinary reviews, 250 streams on each of 80 connections, does not kill podvet.
func TestManySmallReviews(t *testing.T) {
	v := start(t)
	attack(t, v, func(_ context.Context) {
		var sending sync.WaitGroup
		for n := range attackers {
			for range 10 {
				client := v.client(bystander + 1 + n)
				sending.Go(func() {
					defer client.CloseIdleConnections()
					url := "https://" + v.address + "/validate"
					_, _ = post(client, url, ordinary) // then it knows that there are streams
					var together sync.WaitGroup
					for range 250 {
						together.Go(func() { _, _ = post(client, url, ordinary) })
					}
					together.Wait()
				})
			}
		}
		sending.Wait()
	})
}

// stalled is a body of which nothing but a part comes.
type stalled struct {
	part *bytes.Reader
	ctx  context.Context
}

func (s stalled) Read(p []byte) (int, error) {
	if n, err := s.part.Read(p); err == nil {
		return n, nil
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// stall sends a part of a body and waits for the end.
func stall(ctx context.Context, client *http.Client, url string, part []byte) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, stalled{bytes.NewReader(part), ctx})
	if err != nil {
		return // the attack is over
	}
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = int64(len(part)) + 1000
	if resp, err := client.Do(r); err == nil {
		_ = resp.Body.Close()
	}
}

// TestStalledStreams: 512 streams that stall in the middle of a body of an ordinary length hold up nobody else's.
func TestStalledStreams(t *testing.T) {
	for name, part := range map[string]int{"ordinary": 60_000, "long": 6_900_000} {
		t.Run(name, func(t *testing.T) {
			v := start(t)
			attack(t, v, func(ctx context.Context) {
				ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
				defer cancel()
				text := bytes.Repeat([]byte(" "), part)
				var sending sync.WaitGroup
				for n := range attackers {
					client := v.client(bystander + 1 + n)
					for range 512 / attackers {
						sending.Go(func() {
							for ctx.Err() == nil && v.lives() {
								stall(ctx, client, "https://"+v.address+"/validate", text)
								time.Sleep(50 * time.Millisecond)
							}
						})
					}
				}
				sending.Wait()
			})
		})
	}
}

// policies are texts that take much more memory than bytes.
func policies(length int) map[string]string {
	repeat := func(before, text, after string) string {
		return before + strings.Repeat(text, length/len(text)) + after
	}
	const start = "apiVersion: podvet.dev/v1alpha1\nkind: Policy\n"
	var anchors strings.Builder
	anchors.WriteString(start + "a: &a [x,x]\n")
	for c := 'b'; c < 'z'; c++ {
		_, _ = fmt.Fprintf(&anchors, "%c: &%[1]c [*%c,*%[2]c,*%[2]c]\n", c, c-1)
	}
	return map[string]string{
		"list":         repeat(start+"injectedContainers: [", "a,", "a]\n"),
		"scopes":       repeat(start+"scopes: [", "{},", "{}]\n"),
		"named scopes": repeat(start+"scopes:\n", "- {name: s, match: {namespaces: [a]}}\n", ""),
		"exemptions":   repeat(start+"exemptions:\n", "- {rules: [bare-pod], match: {images: [a]}, reason: r}\n", ""),
		"nested":       repeat(start+"scopes: ", "[", "\n"),
		"anchors":      anchors.String() + "injectedContainers: *y\n",
		"duplicates":   repeat(start, "mode: warn\n", ""),
		"comments":     repeat(start, "#\n", ""),
		"documents":    repeat(start, "---\n", ""),
		"unknown keys": repeat(start, "? {}\n", ""),
	}
}

// TestPolicies: neither a policy kills podvet nor do many at once, and none takes a review's place.
func TestPolicies(t *testing.T) {
	v := start(t)
	texts := map[string][][]byte{}
	for _, length := range []int{1 << 20, 700 << 10, 300 << 10, 100 << 10} {
		for name, text := range policies(length) {
			texts[name] = append(texts[name], []byte(strings.Replace(head, `"kind":"Pod"`, `"kind":"ConfigMap"`, 1)+
				`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"p"},"data":{"policy.yaml":`+
				fmt.Sprintf("%q", text)+`}}}}`))
		}
	}
	for name, bodies := range texts {
		t.Run(name, func(t *testing.T) {
			var judged atomic.Int32
			attack(t, v, func(_ context.Context) {
				var sending sync.WaitGroup
				for n := range attackers {
					for range 2 {
						sending.Go(func() {
							client := v.client(bystander + 1 + n)
							defer client.CloseIdleConnections()
							url := "https://" + v.address + "/validate-policy"
							for _, body := range bodies {
								if code, _ := post(client, url, body); code == http.StatusOK {
									judged.Add(1)
								}
							}
						})
					}
				}
				sending.Wait()
			})
			t.Logf("%d of them were judged", judged.Load())
		})
		if !v.lives() {
			v = start(t)
		}
	}
}
