package console

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/klog/v2"
)

func lines(log *bytes.Buffer) []string {
	defer log.Reset()
	return strings.Split(strings.TrimSpace(log.String()), "\n")
}

// TestRepeatedLines: what happens a thousand times fills no disk, and nothing is left out unsaid.
func TestRepeatedLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(Calm(slog.NewTextHandler(&out, LogOptions)))
		for i := range 1000 {
			log.Warn("cannot judge", "name", i)
			log.Info(fmt.Sprintf("http: TLS handshake error from 10.0.0.%d:%d: EOF", i%250, 1000+i))
			log.Info("findings", "name", i)
		}
		counted := map[string]int{}
		for _, line := range lines(&out) {
			for _, kind := range []string{"cannot judge", "http: TLS", "msg=findings"} {
				if strings.Contains(line, kind) {
					counted[kind]++
				}
			}
		}
		if counted["cannot judge"] != 100 || counted["http: TLS"] != 100 || counted["msg=findings"] != 1000 {
			t.Errorf("%v", counted)
		}
		time.Sleep(time.Second)
		log.With("a", "b").Warn("cannot judge", "name", "last")
		log.Warn("cannot judge", "name", "one too many")
		if got := lines(&out); len(got) != 1 || !strings.HasSuffix(got[0], "a=b name=last leftOut=900") {
			t.Errorf("%q", got)
		}
	})
}

// TestLibrariesRepeatThemselves: client-go tells of each attempt.
func TestLibrariesRepeatThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		QuietLibraries(slog.NewTextHandler(&out, LogOptions))
		defer klog.ClearLogger()
		for i := range 100 {
			err := fmt.Errorf("dial tcp 10.0.0.1:%d: connection refused", 1000+i)
			klog.ErrorS(err, "Failed to watch", "type", "*v1.Secret")
			klog.ErrorS(errors.New("forbidden"), "Failed to watch", "type", "*v1.Secret")
			klog.InfoS("Starting reflector")
			time.Sleep(time.Second)
		}
		if got := lines(&out); len(got) != 2 {
			t.Errorf("%d lines: %q", len(got), got)
		}
		time.Sleep(10 * time.Minute)
		klog.ErrorS(errors.New("forbidden"), "Failed to watch", "type", "*v1.Secret")
		if got := lines(&out); len(got) != 1 || !strings.Contains(got[0], "leftOut=99") {
			t.Errorf("%q", got)
		}
	})
}

// TestLinesAreBounded also where others choose what they say.
func TestLinesAreBounded(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, LogOptions))
	long := strings.Repeat("x\u202e", 1<<20)
	log.Error(long, "text", long, "error", errors.New(long))
	if got := out.String(); len(got) > 16<<10 || strings.Contains(got, "\u202e") || strings.Count(got, "…") != 3 {
		t.Errorf("%d bytes", len(got))
	}
}
