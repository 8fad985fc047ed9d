package strict

import (
	"regexp"

	"github.com/podvet/podvet/rules/pod"
)

// Kubelets is a minor version of Kubernetes or a range of them, such as 1.35-1.37.
type Kubelets string

var kubeletCharacters = regexp.MustCompile(`^1\.\d{1,3}(-1\.\d{1,3})?$`)

// Schema is that of a range.
func (Kubelets) Schema() Schema { return TextLike(kubeletCharacters) }

// Problem says what is wrong with the text, "" for nothing.
func (k Kubelets) Problem() string {
	if _, err := pod.ParseKubelets(string(k)); err != nil {
		return err.Error()
	}
	return ""
}

// Versions are those of the range, and false where it is not written.
func (k Kubelets) Versions() (versions pod.Kubelets, written bool) {
	if k == "" {
		return pod.Kubelets{}, false
	}
	versions, _ = pod.ParseKubelets(string(k)) // it was checked when it was read
	return versions, true
}
