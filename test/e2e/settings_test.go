package e2e

import (
	"bytes"
	"crypto/tls"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/podvet/podvet/test/e2e/env"
	"github.com/podvet/podvet/test/podvet"
)

// TestHeaderTables: a caller who changes the size of HTTP/2's header table with each request does not end podvet.
// Before Go 1.26.9 one caller needed less than 11 s (GO-2026-6617).
func TestHeaderTables(t *testing.T) {
	t.Parallel()
	p, err := podvet.Serve(t.Context(), env.Binary, t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	t.Cleanup(func() { _ = p.Process.Kill() })
	var connections atomic.Int64
	callers := sync.WaitGroup{}
	end := time.Now().Add(45 * time.Second)
	for range 4 {
		callers.Go(func() {
			for ; time.Now().Before(end); connections.Add(1) {
				changeTables(p.Address())
			}
		})
	}
	callers.Wait()
	select {
	case err := <-ended:
		t.Fatalf("podvet ended within %d connections: %v", connections.Load(), err)
	default:
	}
	if _, err := podvet.Fetch(p.Ready); err != nil || connections.Load() < 8 {
		t.Errorf("after %d connections: %v", connections.Load(), err)
	}
}

// changeTables sends requests on one connection, each with two changes of the table.
func changeTables(address string) {
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return // the process tells
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	go io.Copy(io.Discard, conn)
	var fields, frames bytes.Buffer
	encoder, framer := hpack.NewEncoder(&fields), http2.NewFramer(&frames, nil)
	frames.WriteString(http2.ClientPreface)
	framer.WriteSettings()
	for i := range uint32(3000) {
		fields.Reset()
		for _, f := range []hpack.HeaderField{
			{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "x"},
			{Name: ":path", Value: "/nothing"},
		} {
			encoder.WriteField(f)
		}
		framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 2*i + 1, BlockFragment: fields.Bytes(), EndStream: true, EndHeaders: true})
		framer.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: i % 3 * 100})
		framer.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 4096})
		if i%10 == 9 {
			if _, err := conn.Write(frames.Bytes()); err != nil {
				return
			}
			frames.Reset()
		}
	}
}
