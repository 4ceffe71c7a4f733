package drive

import (
	"context"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/layer"
)

// Work makes the attempts of one call and knows what they mean. T is what an attempt returns.
type Work[T any] interface {
	// Send makes one attempt. Its number is from 1; timed says that ctx has a timeout of the
	// attempt's own. When the call is hedged, attempts run on several goroutines at a time.
	Send(ctx context.Context, attempt int, timed bool) (T, error)
	// Classify returns the outcome of an attempt of the call on ctx under p. It is called once an
	// attempt, and only while that context goes on.
	Classify(ctx context.Context, p *Policy, r Result[T]) call.Outcome
	// Discard disposes of what an attempt returned that is not the call's answer. It is called
	// before the attempt's context is canceled unless the attempt lost a race.
	Discard(v T, err error)
	// Keep takes over the context of the attempt that answers: cancel must be called in the end.
	Keep(v T, cancel context.CancelFunc) T
}

// Statuser is implemented by a Work whose servers answer with a status.
type Statuser[T any] interface {
	// Status returns the status that an attempt was answered with, in words: "HTTP 503". It is
	// empty without an answer. It is called for observers and for failures.
	Status(v T, err error) string
}

// Follower is implemented by a Work whose attempts depend on how the ones before them failed.
type Follower interface {
	// Failed notes a failure before the next attempt is sent. Attempts that run side by side end
	// side by side, but Failed is called for one at a time.
	Failed(f call.Failure)
}

// Result holds what an attempt returned.
type Result[T any] struct {
	Attempt int
	Value   T
	Err     error
	// Ended says that the attempt's own timeout has passed: the outcome is then no success. A
	// Value without an Err is an answer that came too late, of which only what it says about
	// retrying counts.
	Ended bool
	// Inside knows of the calls made in an attempt of an operation; nil where nothing is known.
	Inside *layer.Attempt
}

// Options say how a call's attempts are made.
type Options struct {
	Hedge   bool // attempts may run side by side
	Opening bool // the attempt timeout bounds only Send and not the use of its result; it is then no deadline of ctx
	// Operation says that an attempt is an operation in which other calls may be made: what was
	// declared of the call is not of these, and Result.Inside knows of them.
	Operation bool
	Numbers   bool // Send puts the number of a resend on its context by itself, as a ResendContext
	PauseKey  string
}

// of returns the options of the call on ctx.
func (o Options) of(ctx context.Context) call.Options {
	deadline, _ := ctx.Deadline()
	return call.Options{Deadline: deadline, Hedge: o.Hedge && !layer.Sheddable(ctx), PauseKey: o.PauseKey, Reset: o.Operation}
}

// Answer holds the result of a call.
type Answer[T any] struct {
	// Value is what the attempt returned that ended the call. It is zero if the caller gave up
	// while the call waited.
	Value T
	// Err is the last attempt's error. A call that succeeded has one only if Classify took it for
	// a success.
	Err error
	// Stopped is why the call stopped without success, nil if it succeeded.
	Stopped *call.Error
}

// Error returns the call's error: the last attempt's own if the call added nothing to it.
func (a *Answer[T]) Error() error {
	if a.Stopped == nil || a.Stopped.Bare() {
		return a.Err
	}
	return a.Stopped
}
