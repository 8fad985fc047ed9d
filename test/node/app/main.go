// Command app is the one program of the images that run on the node: as pause it holds a pod's namespaces, else it is
// the app of the tests. Each line that it prints starts with the time.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	if filepath.Base(os.Args[0]) == "pause" {
		pause()
	}
	boot := flag.Duration("boot", 0, "how long it takes until it serves")
	exit := flag.Duration("exit", 0, "succeed after this long, 0 for never")
	hang := flag.Duration("hang", 0, "from then on leave requests unanswered, 0 for never")
	shutdown := flag.Duration("shutdown", 0, "how long it takes to end after SIGTERM")
	address := flag.String("address", ":8080", "where it serves")
	cert := flag.String("cert", "", "certificate file: serve TLS")
	key := flag.String("key", "", "its key file")
	flag.Parse()

	say("booting")
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		say("SIGTERM, ending in %v", *shutdown)
		time.Sleep(*shutdown)
		say("ended cleanly")
		os.Exit(0)
	}()
	if *exit > 0 {
		time.AfterFunc(*exit, func() { say("done"); os.Exit(0) })
	}
	var hangs <-chan time.Time
	if *hang > 0 {
		hangs = time.After(*hang)
	}
	time.Sleep(*boot)

	http.HandleFunc("/", answer(hangs))
	http.HandleFunc("/deny", deny)
	say("serving")
	var err error
	if *cert != "" {
		err = http.ListenAndServeTLS(*address, *cert, *key, nil)
	} else {
		err = http.ListenAndServe(*address, nil)
	}
	say("%v", err)
	os.Exit(1)
}

// answer answers until the app hangs.
func answer(hangs <-chan time.Time) http.HandlerFunc {
	hung := make(chan struct{})
	go func() {
		<-hangs
		say("hanging")
		close(hung)
	}()
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hung:
			<-r.Context().Done()
		default:
			fmt.Fprintln(w, "ok")
		}
	}
}

func say(format string, args ...any) {
	fmt.Println(time.Now().Format("15:04:05.000 ") + fmt.Sprintf(format, args...))
}

// pause waits for the end and for children that lost their parent.
func pause() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			os.Exit(0)
		}
		for {
			if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
				break
			}
		}
	}
}

// deny is an admission webhook that refuses everything.
func deny(w http.ResponseWriter, r *http.Request) {
	var review struct{ Request struct{ UID string } }
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	say("asked about %s", review.Request.UID)
	json.NewEncoder(w).Encode(map[string]any{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"response": map[string]any{
			"uid": review.Request.UID, "allowed": false,
			"status": map[string]any{"message": "refused by a pod on the node"},
		}})
}
