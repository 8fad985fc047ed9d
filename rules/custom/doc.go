// Package custom knows where custom resources hold pod templates, and what their controllers make of these: one table,
// which a policy may add to. It stands on rules/pod and knows no operator's types.
package custom
