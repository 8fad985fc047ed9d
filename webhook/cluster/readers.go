package cluster

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

const (
	askTimeout   = 5 * time.Second  // for both questions about a token
	allowedFor   = time.Minute      // how long an answer of the API server holds
	staleFor     = 10 * time.Minute // how long one that allowed holds while others use up the questions
	maxToken     = 16 << 10         // bytes
	maxReaders   = 128              // tokens that are remembered
	asksPerS     = 2
	asksAtOnce   = 10
	bearerPrefix = "Bearer "
)

// readers are those who may read a page, as the API server says.
type readers struct {
	tokens authenticationclient.TokenReviewInterface
	access authorizationclient.SubjectAccessReviewInterface
	asks   flowcontrol.PassiveRateLimiter // so that nobody can have podvet flood the API server

	mu      sync.Mutex
	allowed map[[sha256.Size]byte]time.Time // when the API server last allowed a token
}

// ReadersOnly lets a handler answer only callers with a bearer token whose holder the cluster allows to get the path of
// the request, by a TokenReview and a SubjectAccessReview. The answers to others are 401 and 403, 429 where too many
// tokens are unknown, and 503 where the API server cannot be asked. The error is about config.
func ReadersOnly(config *rest.Config) (guard func(http.Handler) http.Handler, err error) {
	tokens, err := authenticationclient.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	access, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	r := &readers{tokens: tokens.TokenReviews(), access: access.SubjectAccessReviews(),
		asks:    flowcontrol.NewTokenBucketPassiveRateLimiter(asksPerS, asksAtOnce),
		allowed: map[[sha256.Size]byte]time.Time{}}
	return func(page http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			if status := r.status(request); status != http.StatusOK {
				http.Error(w, "send a bearer token whose holder may get this path", status)
				return
			}
			page.ServeHTTP(w, request)
		})
	}, nil
}

// status is 200 for who may read.
func (r *readers) status(request *http.Request) int {
	token, found := strings.CutPrefix(request.Header.Get("Authorization"), bearerPrefix)
	if !found || token == "" || len(token) > maxToken {
		return http.StatusUnauthorized
	}
	key := sha256.Sum256([]byte(token + " " + request.URL.Path))
	r.mu.Lock()
	age := time.Since(r.allowed[key])
	r.mu.Unlock()
	switch {
	case age < allowedFor:
		return http.StatusOK
	case r.asks.TryAccept():
	case age < staleFor:
		return http.StatusOK
	default:
		return http.StatusTooManyRequests
	}
	ctx, stop := context.WithTimeout(request.Context(), askTimeout)
	defer stop()
	status := r.ask(ctx, token, request.URL.Path)
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.allowed, key); status == http.StatusOK {
		if len(r.allowed) >= maxReaders {
			clear(r.allowed)
		}
		r.allowed[key] = time.Now()
	}
	return status
}

// ask asks the API server whose token it is, and whether they may get the path.
func (r *readers) ask(ctx context.Context, token, path string) int {
	review, err := r.tokens.Create(ctx,
		&authentication.TokenReview{Spec: authentication.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return http.StatusServiceUnavailable
	}
	if !review.Status.Authenticated {
		return http.StatusUnauthorized
	}
	user := review.Status.User
	extra := map[string]authorization.ExtraValue{}
	for k, v := range user.Extra {
		extra[k] = authorization.ExtraValue(v)
	}
	answer, err := r.access.Create(ctx, &authorization.SubjectAccessReview{Spec: authorization.SubjectAccessReviewSpec{
		User: user.Username, Groups: user.Groups, UID: user.UID, Extra: extra,
		NonResourceAttributes: &authorization.NonResourceAttributes{Path: path, Verb: "get"},
	}}, metav1.CreateOptions{})
	switch {
	case err != nil:
		return http.StatusServiceUnavailable
	case answer.Status.Allowed && !answer.Status.Denied:
		return http.StatusOK
	}
	return http.StatusForbidden
}
