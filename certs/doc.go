// Package certs says where the serving certificate comes from: Files reads it from a directory, SelfManaged makes it
// with a CA of podvet's own, and Local makes one for serving without a cluster. A Publisher keeps the CA bundle of
// the webhook configurations.
//
// It knows the CA Secret, the two webhook configurations and what an API server can verify. It imports nothing else
// of podvet, and must not know about reviews, rules, policies or flags: a message may name the flag that helps.
package certs
