package grpcx

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// succeed settles the call: its answer has begun. err is what receiving returns from now on, nil for what the
// attempt's own stream says.
func (s *clientStream) succeed(a *streamAttempt, err error) {
	s.mu.Lock()
	defer s.unlock()
	if s.settled.Load() || s.cur != a || a.claimed {
		return
	}
	s.report(a, retry.Outcome{}, nil)
	_ = s.conclude(nil)
	s.err = err
	s.settle(a)
	if a.ended {
		s.finish(a.endErr)
	}
}

func (s *clientStream) settle(a *streamAttempt) {
	s.replay.drop()
	s.settled.Store(true)
	close(a.over)
}

// report tells the call what an attempt came to, and the observer unless the call has stopped with it; see conclude.
// It is the claimant's, or called with mu where an outcome surely stops the call.
func (s *clientStream) report(a *streamAttempt, o retry.Outcome, err error) {
	now := time.Now()
	s.call.Done(now, a.Number, o)
	a.Took, a.Outcome, a.Err = now.Sub(a.Sent), o, err
	if o.Class != retry.Success {
		s.remember(retry.Failure{Attempt: a.Number, Class: o.Class, Err: err})
	}
	if s.stopped() {
		s.untold = &a.Attempt
		return
	}
	s.p.AttemptDone(s.ctx, a.Attempt)
}

// mostFailures is how many a retry.Error remembers: the first, and the latest.
const mostFailures = 8

func (s *clientStream) remember(f retry.Failure) {
	if len(s.failures) == mostFailures {
		s.failures = slices.Delete(s.failures, 1, 2)
	}
	s.failures = append(s.failures, f)
}

func (s *clientStream) stopped() bool { return s.call.Report().Reason != retry.ReasonNone }

// conclude leaves it to unlock to tell the observer of a call that has stopped, and returns the call's error. last is
// the last attempt's. Called with mu by the claimant.
func (s *clientStream) conclude(last error) error {
	s.news = &news{s.untold, last}
	if stopped := s.p.Stopped(s.ctx, &s.call, last, s.failures); stopped != nil {
		return failure(s.p, stopped)
	}
	return nil
}

// claim makes the caller the one who deals with an attempt's failure, and reports whether it is: a sender and a
// receiver may find out at once.
func (s *clientStream) claim(a *streamAttempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled.Load() || s.cur != a || a.claimed {
		return false
	}
	a.claimed = true
	return true
}

// failed is mend unless somebody else deals with the attempt's failure.
func (s *clientStream) failed(a *streamAttempt, header metadata.MD, err error) {
	if s.claim(a) {
		s.mend(a, header, err)
	}
}

// mend puts another attempt in the place of one that failed before the call was settled, or settles it. It is the
// claimant's.
func (s *clientStream) mend(a *streamAttempt, header metadata.MD, err error) {
	settled := false
	defer func() { // a panic or runtime.Goexit in what opens the next: nobody may wait for it
		if !settled {
			s.call.Cancel(time.Now(), retry.ReasonCanceled)
			s.breakOff(a)
		}
	}()
	e := ending{err: err, header: header, trailer: metadata.MD{}, ended: a.timedOut(), heeded: s.heeded(a)}
	if !a.cut.Load() {
		e.trailer = a.Trailer()
	}
	a.cancel(nil)
	o := s.sort(a, e, s.fixed) // nobody changes fixed while a is claimed
	err = a.truth(err, o)
	s.report(a, o, err)
	next, last := s.open(err)
	settled = true
	s.replace(a, next, last)
}

// heeded reports whether gRPC has told of an attempt's end, as it was asked to.
func (s *clientStream) heeded(a *streamAttempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.ended
}

// errBroken is what a stream returns after a panic in an attempt to replace it.
var errBroken = status.Error(codes.Internal, "the stream broke in a panic")

func (s *clientStream) breakOff(a *streamAttempt) {
	s.mu.Lock()
	defer s.unlock()
	s.err = errBroken
	s.finish(s.err)
	s.settle(a)
}

// replace puts next in the place of an attempt that failed. If the call has stopped, with the error last, next is an
// attempt that could not be opened, if there is one: it came last, so that nothing of the one before is shown.
func (s *clientStream) replace(a, next *streamAttempt, last error) {
	s.mu.Lock()
	defer s.unlock()
	if s.stopped() {
		if next != nil {
			s.cur = &streamAttempt{ClientStream: noStream{ctx: s.ctx}, ctx: s.ctx, cancel: func(error) {}}
		}
		s.stop(a, last)
		return
	}
	s.cur = next
	close(a.over)
	if next.ended {
		s.abandon()
	}
}

// noStream is the stream of an attempt that could not be opened. The call is over, with an error of its own.
type noStream struct {
	grpc.ClientStream
	ctx context.Context
}

func (n noStream) Context() context.Context { return n.ctx }
func (noStream) Trailer() metadata.MD       { return nil }
func (noStream) CloseSend() error           { return nil }

// refused settles a call that the client itself ended over a message, and returns the error. It reports false if
// another attempt has taken over.
func (s *clientStream) refused(a *streamAttempt, err error) (final error, over bool) {
	if !s.claim(a) {
		return s.preceded(a, err)
	}
	a.cancel(nil)
	s.report(a, s.sort(a, ending{err: err, trailer: metadata.MD{}}, retry.ReasonCommitted), err)
	s.mu.Lock()
	defer s.unlock()
	s.stop(a, err)
	return s.err, true
}

// preceded is refused after a goroutine that receives has found the stream ended: whoever sends is told all the same
// what is wrong with the message.
func (s *clientStream) preceded(a *streamAttempt, err error) (final error, over bool) {
	switch {
	case s.current() != a:
		return nil, false
	case s.err != nil && status.Code(s.err) == status.Code(err):
		return s.err, true
	}
	return err, true
}

// stop settles a call that has stopped. Called with mu by the claimant.
func (s *clientStream) stop(a *streamAttempt, err error) {
	s.err = s.conclude(err)
	s.finish(s.err)
	s.settle(a)
}

// sort says what a failed attempt came to; fixed, if there may be no further one, why.
func (s *clientStream) sort(a *streamAttempt, e ending, fixed retry.Reason) retry.Outcome {
	if s.ctx.Err() != nil {
		return retry.Outcome{Class: retry.Canceled, Forbidden: drive.Ended(s.ctx)}
	}
	o := s.c.classify(s.ctx, s.p, s.method, s.r, &e)
	o.Shadow = a.Number > 1 && mayBeShadow(s.method, e.err)
	if fixed != retry.ReasonNone && o.Forbidden == retry.ReasonNone && o.Class != retry.Rejected {
		o.Forbidden = fixed
	}
	return o
}

// open makes attempts until one is open, waits in between, and sends on it what was sent before. before is the error
// of the attempt before, nil for the first. If the call has stopped, the attempt is the last that could not be opened,
// if any, and the error the last attempt's.
func (s *clientStream) open(before error) (a *streamAttempt, last error) {
	last = before
	returned := false
	defer func() { // a panic or runtime.Goexit in the streamer
		if !returned && a != nil {
			a.cancel(nil)
		}
	}()
	for {
		waited := s.call.Report().Waited
		step := s.next()
		if step.Op == call.Stop {
			returned = true
			return a, last
		}
		a = s.newAttempt(step, s.call.Report().Waited-waited)
		if last = s.connect(a); last == nil {
			a.within(func() { s.replay.onto(a) }) // a server that does not read holds up what fills its window
			returned = true
			return a, nil
		}
		a.cancel(nil)
		e := ending{err: last, ended: a.timedOut(), heeded: s.heeded(a)}
		o := s.sort(a, e, retry.ReasonNone)
		last = a.truth(last, o)
		s.report(a, o, last)
	}
}

// next is the next attempt to send, or the end.
func (s *clientStream) next() call.Step {
	now := time.Now()
	for {
		if s.ctx.Err() != nil {
			s.call.Cancel(now, drive.Ended(s.ctx))
		}
		step := s.call.Next(now)
		if step.Op != call.Wait {
			return step
		}
		timer := time.NewTimer(step.At.Sub(now))
		select {
		case <-s.ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		now = time.Now()
	}
}

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

// connect opens the attempt's stream.
func (s *clientStream) connect(a *streamAttempt) (err error) {
	opts := append(s.opts[:len(s.opts):len(s.opts)], grpc.OnFinish(func(err error) { s.onFinish(a, err) }))
	if s.out != nil {
		opts = append(opts, grpc.Header(&a.attempt.header), grpc.Trailer(&a.attempt.trailer))
	}
	if s.out.wantsPeer() {
		a.attempt.peer = new(peer.Peer)
		opts = append(opts, grpc.Peer(a.attempt.peer))
	}
	opts = opts[:len(opts):len(opts)] // what appends to them gets memory of its own
	inTime := a.within(func() { a.ClientStream, err = s.streamer(a.ctx, s.desc, s.cc, s.method, opts...) })
	if !inTime && err == nil {
		err = errTooLate // opened, but its context has ended
	}
	return err
}

// errTooLate is the error of an attempt whose own timeout passed. gRPC takes that for the caller's cancellation.
var errTooLate = status.Error(codes.DeadlineExceeded, context.DeadlineExceeded.Error())

// truth returns an attempt's error: its timeout, if that is why it failed.
func (a *streamAttempt) truth(err error, o retry.Outcome) error {
	switch {
	case !a.timedOut() || o.Class == retry.Rejected || o.Class == retry.Canceled:
		return err
	case status.Code(err) == codes.Canceled:
		err = errTooLate
	}
	return drive.TimedOut(err, a.limit)
}

func (a *streamAttempt) timedOut() bool { return context.Cause(a.ctx) == timeout.ErrAttempt }
