package drive

import (
	"context"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// Work makes the attempts of one call and knows what they mean. T is what an attempt returns.
type Work[T any] interface {
	// Send makes one attempt. Attempts are numbered from 1; timed is set if ctx has a timeout of
	// the attempt's own. When the call is hedged, Send is called by several goroutines.
	Send(ctx context.Context, attempt int, timed bool) (T, error)
	// Classify returns the outcome of an attempt of the call on ctx under p. It is called at most
	// once for each attempt; after ctx has ended, only for an answer or for an error that a
	// Refuser says is one.
	Classify(ctx context.Context, p *Policy, r Result[T]) call.Outcome
	// Discard disposes of what an attempt returned that is not the call's answer. It is called
	// before the attempt's context is canceled unless the attempt lost a race.
	Discard(v T, err error)
	// Keep returns the call's answer. It takes over the attempt's context, and must have cancel
	// called when the answer no longer needs it.
	Keep(v T, cancel context.CancelFunc) T
}

// Statuser is implemented by a Work whose servers answer with a status.
type Statuser[T any] interface {
	// Status returns the status that an attempt was answered with, in words: "HTTP 503". It is
	// empty without an answer. It is called for observers and for failures.
	Status(v T, err error) string
}

// Refuser is implemented by a Work whose servers refuse with an error.
type Refuser interface {
	// Refused reports whether err may be a server's refusal for good. If Classify returns it as
	// Alive, it is the call's answer even if the caller's context has ended since.
	Refused(err error) bool
}

// Follower is implemented by a Work whose attempts depend on how earlier ones failed.
type Follower interface {
	// Failed records a failure before the next attempt is sent. It is called for one attempt at a
	// time, even if they run side by side.
	Failed(f call.Failure)
}

// Holder is implemented by a Work whose answers keep resources that other attempts may need.
type Holder[T any] interface {
	// Hold is called for the answer of a failed attempt, which is kept because the call may still
	// stop with it, whenever the call waits: for the time to send, for its budget, or for other
	// attempts. It may be called again for the same answer, and must not block.
	Hold(v T)
}

// Result holds what an attempt returned.
type Result[T any] struct {
	Attempt int
	Value   T
	Err     error
	// Ended is set if the attempt's own timeout has passed: the outcome is then no success. A
	// Value without an Err is an answer that came too late, and counts only for what it asks about
	// retrying.
	Ended bool
	// Inside records the calls made in an attempt of an operation; nil if there is no record.
	Inside *layer.Attempt
}

// Options describes how a call's attempts are made.
type Options struct {
	Hedge   bool // attempts may run side by side
	Opening bool // the attempt timeout bounds only Send, not the use of its result, and is no deadline of ctx
	// Operation is set if an attempt is an operation, which may make other calls: they do not
	// inherit what was declared of this one, and Result.Inside records them.
	Operation bool
	Numbers   bool   // Send puts a resend's number on its context itself, with a ResendContext
	PauseKey  string // as in call.Options
}

// of returns the call.Options of the call on ctx.
func (o Options) of(ctx context.Context) call.Options {
	deadline, _ := ctx.Deadline()
	return call.Options{Deadline: deadline, Hedge: o.Hedge && !layer.Sheddable(ctx), PauseKey: o.PauseKey, Reset: o.Operation}
}

// Answer holds the result of a call.
type Answer[T any] struct {
	// Value is what the attempt that ended the call returned. It is zero if the caller gave up
	// while the call waited.
	Value T
	// Err is the last attempt's error. A call that succeeded has one only if Classify counted it
	// as a success.
	Err error
	// Stopped is the error of a call that stopped without success, nil if it succeeded.
	Stopped *call.Error
}

// Error returns the call's error: the last attempt's own if the call added nothing to it.
func (a *Answer[T]) Error() error {
	if a.Stopped == nil || a.Stopped.Bare() {
		return a.Err
	}
	return a.Stopped
}
