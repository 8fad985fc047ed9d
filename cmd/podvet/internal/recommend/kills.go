package recommend

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podvet/podvet/rules/pod"
)

// kill is a start that a probe ended.
type kill struct {
	Span
	probe  pod.ProbeKind
	asks   string // what the probe asks
	answer string // what an app that serves said to it, "" where nobody knows
}

// killed are the starts before the present one that a probe ended, maybe in the middle of a boot, which then took
// longer than seen.
func (o one) killed(k clock) (kills []kill) {
	last := o.status.LastTerminationState.Terminated
	if last == nil || !k.killed {
		return nil
	}
	lived := secondsBetween(last.StartedAt.Time, last.FinishedAt.Time)
	if last.ExitCode == sigkilled { // it had its grace period
		lived -= k.grace(o.subject)
	}
	byStartup := o.told.killed > 0
	bySignal := last.Reason != "OOMKilled" && (last.ExitCode == sigkilled || last.ExitCode == sigtermed ||
		last.ExitCode == 0 && !o.endedByItself(last))
	atItsTime := k.kills.Guaranteed()-1 <= lived && lived <= k.kills.Worst()+rounding+quickStop
	byLiveness := k.kills.Kind == pod.Startup && o.told.byProbe // after the boot
	if !byStartup && (!bySignal || !atItsTime || byLiveness) {
		return nil
	}
	over := max(min(lived, k.kills.Worst()), k.kills.Guaranteed()-1)
	for range max(o.told.killed, 1) {
		kills = append(kills, kill{Span{over, unseen}, k.kills.Kind, k.asks(), o.told.answers[k.kills.Kind]})
	}
	return kills
}

// endedByItself tells whether events would tell of a kill, and do not.
func (o one) endedByItself(last *corev1.ContainerStateTerminated) bool {
	const kept = 50 * time.Minute // they are, by default for an hour
	return o.told.heard && !o.told.byProbe && o.now.Sub(last.FinishedAt.Time) < kept
}

// asks tells probes of old and new pods of an owner apart.
func (k clock) asks() string {
	if !k.killed {
		return ""
	}
	return k.kills.ProbeHandler.String()
}

// grace is how long the container has between SIGTERM and SIGKILL where a probe ends it.
func (k clock) grace(s *pod.Subject) int64 {
	if k.killed && k.kills.TerminationGracePeriodSeconds != nil {
		return *k.kills.TerminationGracePeriodSeconds
	}
	return s.Grace()
}

// proves tells whether the probe that could have ended the present start did succeed.
func (o one) proves(k clock) bool {
	running := o.status.State.Running
	if running == nil || !k.killed || !o.status.Ready {
		return false
	}
	return k.kills.Kind == pod.Startup ||
		secondsBetween(running.StartedAt.Time, o.now) > k.kills.Worst()+rounding+k.grace(o.subject)
}

// asked is what is known of the starts with one kind of question.
type asked struct {
	proven  bool  // one start outlived the probe that asks it
	ended   bool  // one boot was seen to end
	slowest int64 // boot that no probe ended
}

// record is what starts told of boots.
type record struct {
	spans []Span // of starts that no probe ended
	kills []kill
	asked map[string]*asked // by what the probe that can end a start asks
}

// note notes a start that no probe ended.
func (s *record) note(k clock, span Span, proven bool) {
	s.spans = append(s.spans, span)
	about := s.about(k.asks())
	about.proven = about.proven || proven
	if span.AtMost == unseen {
		about.slowest = max(about.slowest, span.Over)
		return
	}
	about.ended, about.slowest = true, max(about.slowest, span.AtMost)
}

func (s *record) about(question string) *asked {
	if s.asked[question] == nil {
		if s.asked == nil {
			s.asked = map[string]*asked{}
		}
		s.asked[question] = &asked{}
	}
	return s.asked[question]
}

// wrong tells whether a kill shows that the probe is wrong, and not that a boot was long. No start outlived the probe,
// and either the app answered it, or each boot that was seen was over long before the probe ends one.
func (s *record) wrong(k kill) bool {
	about := s.about(k.asks)
	if about.proven {
		return false
	}
	const wellBelow = 0.75
	return k.answer != "" || about.ended && float64(about.slowest) <= wellBelow*float64(k.Over)
}

// boots are the starts that tell how long a boot takes, and those that only show that a probe is wrong.
func (s *record) boots() (spans []Span, wrong []kill) {
	for _, k := range s.kills {
		if s.wrong(k) {
			wrong = append(wrong, k)
		} else {
			spans = append(spans, k.Span)
		}
	}
	return append(spans, s.spans...), wrong
}
