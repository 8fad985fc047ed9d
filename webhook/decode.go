package webhook

import "github.com/podvet/podvet/webhook/budget"

// decode reads the request of a call, and holds what that takes.
func (c *call) decode() (err error) {
	if c.request = c.plain(); c.request != nil {
		return nil
	}
	body, takes, at := budget.Weigh(c.body)
	c.body = body
	if err := c.hold.take(takes); err != nil {
		return err
	}
	c.request, err = decodeReview(c.body, at)
	return err
}

// plain reads a plain review with its pod, nil for another one or where there is little memory.
func (c *call) plain() *request {
	held := c.hold.bytes
	if c.hold.take(budget.MostPlain(len(c.body))) != nil {
		return nil
	}
	p := budget.ReadPlain(c.body)
	if p == nil || p.Kind != reviewKind || p.APIVersion != reviewAPIVersion {
		c.hold.keep(held)
		return nil
	}
	c.hold.keep(held + p.Takes)
	return &request{UID: p.UID, Kind: p.Subject, Name: p.Name, Namespace: p.Namespace, Operation: p.Operation,
		DryRun: p.DryRun, Object: p.Object.Of(c.body), room: p.Room, decoded: true}
}
