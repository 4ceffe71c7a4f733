package retry

import (
	"context"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// Class groups the outcomes of attempts by whether another attempt may help; see [call.Class].
type Class = call.Class

// The classes of outcomes, the reasons why calls stop, the idempotency of requests, and the
// criticality of calls.
const (
	Success     = call.Success
	Rejected    = call.Rejected    // do not retry: the request is wrong, or was refused for good
	Transient   = call.Transient   // it failed, and another attempt may succeed
	Throttled   = call.Throttled   // the server says that it is overloaded
	Timeout     = call.Timeout     // no answer came within the attempt's own timeout
	Unprocessed = call.Unprocessed // it provably never reached the application: any request is safe to repeat
	Canceled    = call.Canceled    // the caller gave up, which says nothing about the server

	// Why calls stop:
	ReasonNone          = call.ReasonNone          // it has not stopped
	ReasonSuccess       = call.ReasonSuccess       // an attempt succeeded
	ReasonRejected      = call.ReasonRejected      // an attempt's outcome was Rejected
	ReasonMaxAttempts   = call.ReasonMaxAttempts   // Config.MaxAttempts were sent, or a backoff.Stateful wanted no more
	ReasonBudget        = call.ReasonBudget        // the destination's budget had nothing left for this call
	ReasonDeadline      = call.ReasonDeadline      // the deadline has passed, or the next attempt could not make it
	ReasonNoRetry       = call.ReasonNoRetry       // the server said "do not retry"
	ReasonHint          = call.ReasonHint          // the server asked for a longer wait than Config.MaxHint
	ReasonNotIdempotent = call.ReasonNotIdempotent // it may have had its effect, and nothing declares that it may have it twice
	ReasonNotReplayable = call.ReasonNotReplayable // the request's body or messages cannot be sent a second time
	ReasonCanceled      = call.ReasonCanceled      // the caller gave up
	ReasonCommitted     = call.ReasonCommitted     // part of the answer has reached the caller
	ReasonGate          = call.ReasonGate          // the budget refused even the first attempt (budget.ClientThrottle)
	ReasonDisabled      = call.ReasonDisabled      // WithSwitch switched retries off
	ReasonPaused        = call.ReasonPaused        // a server asked other calls to wait for longer than this one can
	ReasonMaxElapsed    = call.ReasonMaxElapsed    // another attempt would begin later than Config.MaxElapsed allows

	// Whether a request may have its effect twice, for WithIdempotency:

	// Undeclared leaves the decision to the transport's convention: the method and the
	// Idempotency-Key header for HTTP, the method's idempotency_level for gRPC. An operation of Do
	// is idempotent by convention, because passing it to Do asks for it to be repeated.
	Undeclared = Idempotency(0)
	// Idempotent requests may be sent again after any failure that a retry may overcome, and
	// hedged.
	Idempotent = Idempotency(1)
	// NotIdempotent requests are sent again only if they were provably unprocessed, and never
	// hedged.
	NotIdempotent = Idempotency(2)

	// How important a call is, for WithCriticality:

	Sheddable     = call.Sheddable     // frequent partial, occasional full unavailability is fine
	SheddablePlus = call.SheddablePlus // partial unavailability is fine: batch jobs
	Critical      = call.Critical      // users notice a failure; the default
	CriticalPlus  = call.CriticalPlus  // users notice a failure at once
)

// Outcome is the result of one attempt, as a classifier describes it; see [call.Outcome].
type Outcome = call.Outcome

// Reason names the rule that stopped a call. The set is closed, and the same in errors, logs,
// metrics and traces.
type Reason = call.Reason

// PanicError holds the Value and the Stack of a panic in a hedge on a goroutine of its own.
// DoValue panics with it, so that the panic continues where the caller can recover it.
type PanicError = drive.PanicError

// AttemptNumber returns the number of the attempt that ctx belongs to, from 1, and 1 outside a
// call. Only resends set it, so the first attempt of a call made inside a resend has the number of
// that resend.
func AttemptNumber(ctx context.Context) int { return drive.AttemptNumber(ctx) }

// WithCriticality sets the importance of the calls made under the context: an overloaded server
// refuses the least important first. The value travels with each request, over HTTP and gRPC, and
// from a server's handler to the calls that it makes. A call that is less than [Critical] is never
// hedged.
func WithCriticality(ctx context.Context, c call.Criticality) context.Context {
	return layer.WithCriticality(ctx, min(max(c, Sheddable), CriticalPlus))
}
