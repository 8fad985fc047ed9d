package policy

import (
	"slices"

	"github.com/podvet/podvet/rules/custom"
	"github.com/podvet/podvet/rules/pod"
)

// Lenient is a place where pods of workloads are not refused in mode enforce, but warned about.
type Lenient struct {
	Scope     int  // by its index, -1 for everyone
	Mode      Mode // without the label of a namespace
	Templates bool // of new work are refused instead, in mode enforce
}

// Lenient are the places where ownedPods is warn. What several scopes say together is not known here.
func (p *Policy) Lenient() []Lenient { return p.written.lenient() }

func (w *Written) lenient() (list []Lenient) {
	places := []int{-1}
	for i := range w.Scopes {
		if s := &w.Scopes[i]; s.Match.workloads() && (s.Mode != "" || s.aboutWorkloads()) {
			places = append(places, i)
		}
	}
	for _, i := range places {
		all, own := layers(w, nil), &w.Settings
		if i >= 0 {
			all, own = layers(w, []int{i}), &w.Scopes[i].Settings
		}
		at := Lenient{i, modeOf(all, "").value, workloadsOf(all).value == WorkloadsDeny}
		known := i < 0 && at.Mode == ModeEnforce || !w.stricter(i, own)
		if ownedPodsOf(all).value == OwnedPodsWarn && (at.Templates || known) {
			list = append(list, at)
		}
	}
	return list
}

// stricter tells whether another scope may have something refused in a place: any in what that leaves open, a later one
// in all.
func (w *Written) stricter(than int, own *Settings) bool {
	for i := range w.Scopes {
		s := &w.Scopes[i]
		if i != than && s.Match.workloads() &&
			(s.Workloads == WorkloadsDeny && (i > than || own.Workloads == "") ||
				s.OwnedPods == OwnedPodsEnforce && (i > than || own.OwnedPods == "")) {
			return true
		}
	}
	return false
}

// aboutWorkloads tells whether settings say what findings do to workloads or to their pods.
func (s *Settings) aboutWorkloads() bool { return s.OwnedPods != "" || s.Workloads != "" }

// workloads tells whether pods that ownedPods is about may be meant. Those of other kinds belong to custom owners.
func (m *Match) workloads() bool {
	return len(m.Kinds) == 0 || slices.ContainsFunc(m.Kinds, func(kind custom.Owner) bool {
		return kind == pod.Rollout || kind != "Pod" && slices.Contains(pod.OwnerKinds(), string(kind))
	})
}
