// Package stream reads a stream of documents, YAML and JSON, one by one, each with its place. It knows bytes, lines and
// documents, and of what they hold only lists, whose items are documents of their own. It must not know any object of
// Kubernetes. It opens no file: it also runs in a browser.
package stream
