package grpcx

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// streamAttempt is one attempt of a stream.
type streamAttempt struct {
	attempt
	retry.Attempt
	grpc.ClientStream
	ctx        context.Context
	cancel     context.CancelCauseFunc
	unfinished atomic.Bool   // it was given up before gRPC ended it: gRPC may still write its metadata
	receiving  atomic.Bool   // RecvMsg of the settled call is under way
	inDoubt    atomic.Bool   // gRPC has ended a stream of it, and an operation under way may go on with another
	fate       atomic.Int32  // a fate, or 0
	seen       metadata.MD   // its header, for the goroutine that receives
	limit      time.Duration // the attempt timeout, 0 for none
	left       time.Duration // of limit

	// Guarded by the stream's mu:
	claimed  bool          // a goroutine settles the call or replaces the attempt
	over     chan struct{} // closed when the attempt is replaced or the call settled
	reported bool          // gRPC has called OnFinish, with endErr
	ended    bool          // and the attempt has ended
	endErr   error
}

// newAttempt returns the attempt that step asks for, not yet opened. waited is the wait before
// it.
func (s *clientStream) newAttempt(step call.Step, waited time.Duration) *streamAttempt {
	a := &streamAttempt{limit: step.Timeout, left: step.Timeout, over: make(chan struct{})}
	a.Attempt = retry.Attempt{Number: step.Attempt, Kind: step.Kind, Sent: time.Now(), Waited: waited}
	ctx := s.ctx
	if step.Attempt > 1 {
		ctx = new(resendContext).resend(ctx, step.Attempt-1)
	}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	return a
}

// checkDoubt clears inDoubt if the attempt has gone on, after it was opened or has received: the
// context of its present stream has not ended.
func (a *streamAttempt) checkDoubt() {
	if a.inDoubt.Load() && a.ClientStream.Context().Err() == nil {
		a.inDoubt.Store(false)
	}
}

// header waits for an attempt's header, at most what is left of its timeout.
func (s *clientStream) header(a *streamAttempt) (header metadata.MD) {
	if !a.within(func() { header, _ = a.Header() }) {
		return nil
	}
	return header
}

// within runs f, which waits for the server, and cancels the attempt when its timeout passes. It
// reports whether f returned before the timeout; no later f does. Only such waiting counts: an
// attempt timeout is for what the server does, not for the pauses of a caller who has nothing to
// send yet.
func (a *streamAttempt) within(f func()) bool {
	if a.left <= 0 {
		f()
		return true
	}
	start := time.Now()
	timer := time.AfterFunc(a.left, a.expire)
	f()
	if !timer.Stop() {
		a.expire() // the timer's goroutine may not have done it yet
	}
	a.left = max(1, a.left-time.Since(start)) // 0 would be no limit
	return !a.timedOut()
}

// fate is the first of two things that may happen to an attempt at the same time, on different
// goroutines.
type fate int32

const (
	answered  fate = iota + 1 // the caller gets its header
	outOfTime                 // its timeout has passed
)

// meet reports whether f is an attempt's fate, and makes it so if it has none yet.
func (a *streamAttempt) meet(f fate) bool {
	a.fate.CompareAndSwap(0, int32(f))
	return a.fate.Load() == int32(f)
}

// expire cancels an attempt because its timeout has passed, unless another goroutine was first to
// give its header to the caller.
func (a *streamAttempt) expire() {
	if a.meet(outOfTime) {
		a.cancel(timeout.ErrAttempt)
	}
}

// lost returns err, or errLost for an io.EOF that the server did not send: a server that ends a
// stream well sends a header or a trailer.
func (a *streamAttempt) lost(header metadata.MD, err error) error {
	if err != io.EOF || header != nil {
		return err
	}
	if trailer := a.Trailer(); trailer != nil && len(trailer) == 0 {
		return errLost
	}
	return err
}

// late returns err, or errTooLate for an answer that arrived together with the attempt's timeout:
// its stream is canceled.
func (a *streamAttempt) late(err error) error {
	if a.timedOut() && (err == nil || err != io.EOF && isLocal(status.Convert(err))) {
		a.unfinished.Store(err == nil)
		return errTooLate
	}
	return err
}

// errTooLate is the error of an attempt whose own timeout passed, which gRPC reports as
// CANCELLED.
var errTooLate = status.Error(codes.DeadlineExceeded, context.DeadlineExceeded.Error())

// failure returns an attempt's error: that of its timeout, if that is why it failed.
func (a *streamAttempt) failure(err error, o retry.Outcome) error {
	switch {
	case !a.timedOut() || o.Class == retry.Rejected || o.Class == retry.Canceled:
		return err
	case status.Code(err) == codes.Canceled:
		err = errTooLate
	}
	return drive.TimedOut(err, a.limit)
}

func (a *streamAttempt) timedOut() bool { return context.Cause(a.ctx) == timeout.ErrAttempt }

// noStream stands for the stream of an attempt that could not be opened, once the call is over.
type noStream struct {
	grpc.ClientStream
	ctx  context.Context
	desc *grpc.StreamDesc
}

func (n noStream) Context() context.Context   { return n.ctx }
func (noStream) Header() (metadata.MD, error) { return nil, nil }
func (noStream) Trailer() metadata.MD         { return nil }
func (noStream) CloseSend() error             { return nil }

// SendMsg returns what gRPC-Go's does on a stream that has ended: RecvMsg returns the error.
func (n noStream) SendMsg(any) error {
	if n.desc.ClientStreams {
		return io.EOF
	}
	return nil
}
