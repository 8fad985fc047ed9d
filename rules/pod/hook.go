package pod

import corev1 "k8s.io/api/core/v1"

// HookKind is one of a container's two lifecycle hooks.
type HookKind uint8

// The kinds, in the order in which they run.
const (
	PostStart HookKind = iota
	PreStop
)

// HookKinds are all of them.
var HookKinds = [...]HookKind{PostStart, PreStop}

// String is the field's name in lifecycle.
func (k HookKind) String() string {
	if k == PostStart {
		return "postStart"
	}
	return "preStop"
}

// Hook is a lifecycle hook in its container.
type Hook struct {
	Handler
	Kind HookKind
}

// Hook returns the container's hook of a kind, and false when there is none or one without exactly one handler, which
// the API server refuses.
func (c *Container) Hook(kind HookKind) (Hook, bool) {
	if c.Lifecycle == nil {
		return Hook{}, false
	}
	h := *hookField(c.Lifecycle, kind)
	if h == nil {
		return Hook{}, false
	}
	hook := Hook{hookHandler(h, c), kind}
	return hook, hook.count() == 1
}

func hookField(l *corev1.Lifecycle, kind HookKind) **corev1.LifecycleHandler {
	if kind == PostStart {
		return &l.PostStart
	}
	return &l.PreStop
}

func hookHandler(h *corev1.LifecycleHandler, c *Container) Handler {
	return Handler{Exec: h.Exec, HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket, Sleep: h.Sleep, Container: c}
}
