// Package rules is the engine: it runs the checks of rules on a pod or a pod template, lets a policy say how loud each
// finding is, and applies the fixes that a policy turns on. It knows what a rule is and knows no rule: these are in
// rules/catalogue, and what Kubernetes does with a pod is in rules/pod. It is pure: no clients, no I/O, no clock.
package rules
