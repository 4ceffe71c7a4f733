package drive_test

import (
	"context"
	"time"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
)

const ms = time.Millisecond

var transient = call.Outcome{Class: call.Transient}

// work is a drive.Work made of functions. Only send must be set.
type work[T any] struct {
	drive.Options
	send     func(ctx context.Context, attempt int) (T, error)
	classify func(r drive.Result[T]) call.Outcome
	discard  func(v T)
	keep     func(v T, cancel context.CancelFunc) T
}

func (w *work[T]) Send(ctx context.Context, attempt int, _ bool) (T, error) {
	return w.send(ctx, attempt)
}

func (w *work[T]) Classify(_ context.Context, _ *drive.Policy, r drive.Result[T]) call.Outcome {
	switch {
	case w.classify != nil:
		return w.classify(r)
	case r.Ended:
		return call.Outcome{Class: call.Timeout}
	case r.Err != nil:
		return transient
	}
	return call.Outcome{}
}

func (w *work[T]) Discard(v T, _ error) {
	if w.discard != nil {
		w.discard(v)
	}
}

func (w *work[T]) Keep(v T, cancel context.CancelFunc) T {
	if w.keep != nil {
		return w.keep(v, cancel)
	}
	cancel()
	return v
}

// run makes a call and returns its *call.Error even where a driver returns the attempt's.
func run[T any](ctx context.Context, p *retry.Policy, w *work[T]) (T, error) {
	a := drive.Run[T](ctx, drive.Of(p), w, w.Options)
	if a.Stopped != nil {
		return a.Value, a.Stopped
	}
	return a.Value, a.Err
}

// act describes one attempt: it answers after a time.
type act struct {
	after time.Duration
	err   error
}

// leave runs f on a goroutine of its own, and tells how it ended.
func leave(f func()) (value any, returned bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { value = recover() }()
		f()
		returned = true
	}()
	<-done
	return value, returned
}
