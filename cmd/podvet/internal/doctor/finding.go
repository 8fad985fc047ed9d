package doctor

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/podvet/podvet/cmd/podvet/internal/console"
)

// Results of a check.
const (
	OK      = "ok"
	Warning = "warning"
	Problem = "problem"
	Unknown = "unknown"
)

// Finding is one thing that a check found: what is, and what to do where that is not good.
type Finding struct {
	Check  string `json:"name"`
	Result string `json:"result"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

func ok(format string, args ...any) Finding {
	return Finding{Result: OK, What: fmt.Sprintf(format, args...)}
}

func warning(remedy, format string, args ...any) Finding {
	return Finding{Result: Warning, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

func problem(remedy, format string, args ...any) Finding {
	return Finding{Result: Problem, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

func unknown(remedy, format string, args ...any) Finding {
	return Finding{Result: Unknown, What: fmt.Sprintf(format, args...), Remedy: remedy}
}

// unreadable is the finding where something could not be read.
func unreadable(what string, err error) Finding {
	if right := console.MissingRight(err); right != "" {
		return unknown("ask for that right, or let someone who has it run doctor",
			"%s cannot be read because you may not %s", what, right)
	}
	if apierrors.IsNotFound(err) {
		return unknown("run doctor again", "%s is gone", what)
	}
	if errors.Is(err, errGuarded) {
		return unknown("read them yourself with a token whose holder may get /metrics",
			"%s cannot be read because %s", what, console.Reason(err))
	}
	return unknown("run doctor again, with more --timeout where time ran out",
		"%s cannot be read because %s", what, console.Reason(err))
}
