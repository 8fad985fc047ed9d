// Package vet judges many objects: it has the one road from a document to a verdict, folds objects into their owners,
// and holds what check, fix, explain --for and policy diff and test share. It knows manifests and policies, and of
// the rules only the one about what is written in files. It opens no file: it also runs in a browser.
package vet
