// Package preview says what a policy would do before it is in force: in words what changes from another policy (keys,
// the levels, fixes and parameters of rules for everyone and in each scope, exemptions), who of given objects is
// affected, what it decides about an object, and whether it passes its tests. It finds a policy in a file, asks
// policies what is in force and must not decide anything itself.
package preview
