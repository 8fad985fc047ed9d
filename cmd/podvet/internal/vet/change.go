package vet

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/cmd/podvet/internal/manifest"
	"github.com/podvet/podvet/cmd/podvet/internal/report"
	"github.com/podvet/podvet/rules"
	"github.com/podvet/podvet/rules/pod"
)

// Changes works out the changes of all documents of an input, one after the other.
type Changes struct {
	Judge
	tally
	Holds bool // a Kubernetes object was among them

	// Patching says which patches may change what fixes of an object's containers stand on, "" for none.
	Patching func(doc *manifest.Document, containers []pod.Container) string
	Left     []manifest.Problem // what is not fixed for that, or is incomplete
}

// Beside are the changes of documents that are looked at while others are.
func (c *Changes) Beside() *Changes { return &Changes{Judge: c.Judge, Patching: c.Patching} }

// Add adds what else is to be said of documents that come later.
func (c *Changes) Add(later *Changes) {
	c.Holds = c.Holds || later.Holds
	c.Left = append(c.Left, later.Left...)
	for _, s := range later.Skipped {
		c.count(s)
	}
}

// Of is the change to a document that its fixes ask for; none where it is not judged, or the API server refuses it.
func (c *Changes) Of(doc *manifest.Document) (manifest.Change, *manifest.Problem) {
	c.Holds = c.Holds || !doc.Other
	judge := c.Judge
	judge.writes = true
	verdicts := judge.Of(doc)
	if len(verdicts) == 0 {
		reason, invalid := c.Aside(doc)
		switch reason {
		case report.LooksLikeAPatch, report.NoTemplate: // whoever fixes other workloads means this one too
			c.Skip(doc.Kind, "", reason)
		case report.JSONPatch, report.HelmValues:
			c.Holds = c.Holds || report.IsPatch(reason)
			c.Skip("", "", reason)
		}
		if len(invalid) > 0 {
			return manifest.Change{}, &invalid[0]
		}
		return manifest.Change{}, nil
	}
	c.Left = append(c.Left, c.incompleteIn(doc)...)
	var change manifest.Change
	for _, v := range verdicts {
		if len(v.Invalid) > 0 {
			problem := refused(doc, v.Invalid[0])
			return manifest.Change{}, &problem
		}
		change.Fixed = append(change.Fixed, v.Fixed...)
		change.Operations = append(change.Operations, v.operations()...)
	}
	if why := c.patching(doc, verdicts); why != "" {
		c.Left = append(c.Left, manifest.Problem{File: doc.File, Line: doc.Line,
			Text: fmt.Sprintf("%s: not fixed, because %s", doc.Title(), why)})
		return manifest.Change{}, nil
	}
	return change, nil
}

// patching says what keeps an object from being fixed: the fix and the patch could contradict each
// other, such as two handlers in one probe.
func (c *Changes) patching(doc *manifest.Document, verdicts []Verdict) string {
	if c.Patching == nil {
		return ""
	}
	var containers []pod.Container
	for _, v := range verdicts {
		if len(v.Fixed) > 0 {
			containers = append(containers, v.Subject.Containers...)
		}
	}
	if containers == nil {
		return ""
	}
	return c.Patching(doc, containers)
}

// OfObject is Of where a document that is not a Kubernetes object is skipped.
func (c *Changes) OfObject(doc *manifest.Document) (manifest.Change, *manifest.Problem) {
	if doc.Other {
		return manifest.Change{}, nil
	}
	return c.Of(doc)
}

// operations make of the object what its fixes make of it.
func (v Verdict) operations() []rules.Operation {
	ops := rules.Patch(v.Subject, v.Repair.Subject)
	for i := range ops {
		if probe, ok := ops[i].Value.(*corev1.Probe); ok {
			ops[i].Value = WithoutDefaults(probe)
		}
	}
	return ops
}

// WithoutDefaults leaves out of a probe what the API server fills in, as people write probes.
func WithoutDefaults(p *corev1.Probe) *corev1.Probe {
	p = p.DeepCopy()
	unset := func(field *int32, value int32) {
		if *field == value {
			*field = 0
		}
	}
	unset(&p.TimeoutSeconds, 1)
	unset(&p.PeriodSeconds, 10)
	unset(&p.SuccessThreshold, 1)
	unset(&p.FailureThreshold, 3)
	if p.HTTPGet != nil && p.HTTPGet.Scheme == corev1.URISchemeHTTP {
		p.HTTPGet.Scheme = ""
	}
	if p.GRPC != nil && p.GRPC.Service != nil && *p.GRPC.Service == "" {
		p.GRPC.Service = nil
	}
	return p
}
