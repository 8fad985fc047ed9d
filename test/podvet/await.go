package podvet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

var reviewCount = regexp.MustCompile(`(?m)^podvet_reviews_total\{[^}]*\} (\d+)$`)

// Reviews is how many reviews podvet has answered, -1 when it does not say.
func (p *Server) Reviews() int {
	text, err := Fetch(p.Metrics)
	if err != nil {
		return -1
	}
	sum := 0
	for _, match := range reviewCount.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(match[1])
		sum += n
	}
	return sum
}

// Fetch gets a page of podvet's side servers; an error for any status but 200 holds the text.
func Fetch(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return string(text), err
}

// Await calls condition until it is true.
func Await(ctx context.Context, limit time.Duration, condition func() bool) bool {
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if condition() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}
