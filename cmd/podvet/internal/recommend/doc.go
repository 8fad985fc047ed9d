// Package recommend turns pods as they are into start times, and start times into the numbers that fit: how long a
// startupProbe must wait, what an initialDelaySeconds is good for, whether the grace period is enough. It knows what
// the status and the events of a pod tell, and the formulas of rules/pod. It must not know where pods come from: it has
// no client, no file and no clock.
package recommend
