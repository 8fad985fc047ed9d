// Package manifest reads the documents of a stream into Kubernetes objects, with the place of every field, and splices
// given operations into their text. It knows which kinds podvet vets, but no rule and no policy: it judges nothing. It
// opens no file: it also runs in a browser.
package manifest
