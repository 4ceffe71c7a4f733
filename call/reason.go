package call

// Reason names the rule that stopped a call. The set is closed, and the same in errors, logs,
// metrics and traces.
type Reason uint8

const (
	ReasonNone          Reason = iota // it has not stopped
	ReasonSuccess                     // an attempt succeeded
	ReasonRejected                    // an attempt's outcome was Rejected
	ReasonMaxAttempts                 // Rules.MaxAttempts were sent, or a backoff.Stateful wanted no more
	ReasonBudget                      // the destination's budget had nothing left for this call
	ReasonDeadline                    // the caller's deadline has passed, or the next attempt could not make it
	ReasonNoRetry                     // the server said "do not retry"
	ReasonHint                        // the server asked for a longer wait than Rules.MaxHint
	ReasonNotIdempotent               // the request may have had its effect, and nothing declares that it may have it twice
	ReasonNotReplayable               // the request's body or messages cannot be sent a second time
	ReasonCanceled                    // the caller gave up
	ReasonCommitted                   // part of the answer has reached the caller
	ReasonGate                        // the budget refused even the first attempt (budget.ClientThrottle)
	ReasonDisabled                    // Rules.Off switched retries off
	ReasonMaxElapsed                  // the next attempt would be sent later than Rules.MaxElapsed after the call began
	ReasonPaused                      // nothing was sent: a server asked other calls to wait longer than this one can
)

var reasonNames = [...]string{
	"none", "success", "rejected", "max_attempts", "budget", "deadline", "no_retry", "hint_too_long",
	"not_idempotent", "not_replayable", "canceled", "committed", "gate",
	"disabled", "max_elapsed", "paused",
}

// String returns the reason's name in errors, logs, metrics and traces.
func (r Reason) String() string { return name(reasonNames[:], int(r)) }

func name(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return "unknown"
	}
	return names[i]
}
