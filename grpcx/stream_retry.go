package grpcx

import (
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
)

// verdict is the result of an operation on one attempt.
type verdict uint8

const (
	opDone   verdict = iota // done: the caller gets its error
	opFailed                // the attempt failed with the error, and this goroutine has claimed it: replace it
	opAgain                 // the attempt is no longer the call's, or the call is settled
)

// withRetry runs op on the call's attempt and, when an attempt is replaced, on the next. It
// reports false if the call is settled before op is done: then the operation belongs on s.cur,
// whose error the caller gets. No lock is held while op runs.
func (s *clientStream) withRetry(op func(a *streamAttempt) (verdict, error)) (done bool, _ error) {
	for a, settled := s.wait(); !settled; a, settled = s.wait() {
		switch v, err := op(a); v {
		case opDone:
			return true, err
		case opFailed:
			s.retry(a, err)
		}
	}
	return false, nil
}

// wait returns the call's attempt, once no goroutine is replacing it.
func (s *clientStream) wait() (a *streamAttempt, settled bool) {
	for {
		s.mu.Lock()
		a, settled = s.cur, s.settled.Load()
		replaced := a.claimed && !settled
		s.mu.Unlock()
		if !replaced {
			return a, settled
		}
		<-a.over
	}
}

// claim makes the caller the one that ends or replaces an attempt, and reports whether it is: a
// sender and a receiver may see a failure at the same time. Whoever has claimed an attempt must
// settle the call or replace the attempt.
func (s *clientStream) claim(a *streamAttempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled.Load() || s.cur != a || a.claimed {
		return false
	}
	a.claimed = true
	return true
}

// holds reports whether a is still the call's attempt. It requires that s.mu is held.
func (s *clientStream) holds(a *streamAttempt) bool {
	return s.cur == a && (!a.claimed || s.settled.Load())
}

// takeReceiving waits for the right to receive. It reports false if the call is settled first:
// while another goroutine has the right, waiting for the first message, a header settles the call.
func (s *clientStream) takeReceiving() bool {
	taken, _ := s.withRetry(func(a *streamAttempt) (verdict, error) {
		select {
		case s.receiving <- struct{}{}:
			return opDone, nil
		default:
		}
		if header, _ := a.ClientStream.Header(); header != nil && a.meet(answered) {
			s.succeed(a, nil)
			return opAgain, nil
		}
		select {
		case s.receiving <- struct{}{}:
			return opDone, nil
		case <-a.over: // the other goroutine has replaced it
			return opAgain, nil
		}
	})
	return taken
}

// diagnose returns why an attempt takes no more messages. The right to receive is given back
// before another attempt is there: a goroutine that finds it taken relies on its holder to bound
// that attempt by its timeout, which a sender does not.
func (s *clientStream) diagnose(a *streamAttempt) (verdict, error) {
	select {
	case <-a.over:
		return opAgain, nil
	case s.receiving <- struct{}{}:
	}
	defer func() { <-s.receiving }()
	if cur, settled := s.wait(); settled || cur != a {
		return opAgain, nil
	}
	if s.header(a) != nil {
		s.succeed(a, nil)
		return opAgain, nil
	}
	return s.headless(a)
}

// headless handles an attempt that ended without a header, and so without a message. It settles
// the call if the attempt ended well; otherwise it claims the attempt and returns its error.
func (s *clientStream) headless(a *streamAttempt) (verdict, error) {
	err := a.late(a.lost(nil, a.RecvMsg(&struct{}{})))
	if err != nil && err != io.EOF {
		if s.claim(a) {
			return opFailed, err
		}
		return opAgain, nil
	}
	s.succeed(a, io.EOF)
	s.ended(io.EOF)
	return opAgain, nil
}

// refuse settles a call whose stream the client itself ended because of a message. The sender
// returns err, what is wrong with the message, even if a receiving goroutine has found the stream
// ended before.
func (s *clientStream) refuse(a *streamAttempt, err error) (verdict, error) {
	if !s.claim(a) {
		cur, _ := s.wait()
		switch {
		case cur != a:
			return opAgain, nil
		case s.err != nil && status.Code(s.err) == status.Code(err):
			err = s.err
		}
		s.endedBySender(err)
		return opDone, err
	}
	defer s.settleAfterPanic(a)
	a.cancel(nil)
	s.report(a, s.outcome(a, ending{err: err, trailer: metadata.MD{}}, retry.ReasonCommitted), err)
	s.mu.Lock()
	defer s.unlock()
	s.late = true
	s.stop(a, err)
	return opDone, s.err
}

// retry puts another attempt in the place of one that failed and that the caller has claimed, or
// settles the call.
func (s *clientStream) retry(a *streamAttempt, err error) {
	defer s.settleAfterPanic(a)
	e := ending{err: err, header: a.seen, trailer: metadata.MD{}, timedOut: a.timedOut(), reported: s.attemptEnded(a)}
	if !a.unfinished.Load() {
		e.trailer = a.Trailer()
	}
	a.cancel(nil)
	o := s.outcome(a, e, s.fixed) // which does not change while a is claimed
	err = a.failure(err, o)
	s.report(a, o, err)
	next, last := s.open(err)
	s.replace(a, next, last)
}

// replace puts next in the place of an attempt that failed. If the call has stopped, last is its
// last error, and a next that is not nil is an attempt that could not be opened: as the last one,
// it hides the metadata of a.
func (s *clientStream) replace(a, next *streamAttempt, last error) {
	s.mu.Lock()
	defer s.unlock()
	if s.stopped() {
		if next != nil {
			s.cur = &streamAttempt{ClientStream: noStream{ctx: s.ctx, desc: s.desc}, ctx: s.ctx, cancel: func(error) {}}
		}
		s.stop(a, last)
		return
	}
	s.cur = next
	close(a.over)
}

// attemptEnded reports whether gRPC has called an attempt's OnFinish option.
func (s *clientStream) attemptEnded(a *streamAttempt) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.reported
}

// outcome returns the outcome of a failed attempt. Once the caller has given up, only a server's
// refusal counts. fixed is the reason why no other attempt may follow, or ReasonNone.
func (s *clientStream) outcome(a *streamAttempt, e ending, fixed retry.Reason) retry.Outcome {
	gaveUp := s.ctx.Err() != nil
	var o retry.Outcome
	if !gaveUp || refused(e.err) {
		o = s.c.classify(s.ctx, s.p, s.method, s.r, &e)
	}
	if gaveUp && (o.Class != retry.Rejected || !o.Alive) {
		return retry.Outcome{Class: retry.Canceled, Forbidden: drive.Ended(s.ctx)}
	}
	o.Shadow = a.Number > 1 && mayBeShadow(s.method, e.err)
	if fixed != retry.ReasonNone && o.Forbidden == retry.ReasonNone && o.Class != retry.Rejected {
		o.Forbidden = fixed
	}
	return o
}

// open makes attempts, with waits in between, until one is open, and replays on it what was sent
// before. before is the error of the previous attempt, nil for the first: the call may stop with
// it. If the call has stopped, open returns the last attempt that could not be opened, if any,
// and the last attempt's error.
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
			a.within(func() { s.replay.onto(a) }) // blocks if the server does not read
			returned = true
			return a, nil
		}
		a.cancel(nil)
		e := ending{err: last, timedOut: a.timedOut(), reported: s.attemptEnded(a)}
		if e.reported { // gRPC sets the trailer before: an interceptor may have had an answer
			e.trailer = a.attempt.trailer
		}
		o := s.outcome(a, e, retry.ReasonNone)
		last = a.failure(last, o)
		s.report(a, o, last)
	}
}

// next waits until an attempt is due or the call has ended, and returns the step.
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

// connect opens the attempt's stream.
func (s *clientStream) connect(a *streamAttempt) (err error) {
	s.out.sending()
	opts := append(s.opts[:len(s.opts):len(s.opts)],
		grpc.OnFinish(func(err error) { s.onFinish(a, err) }), grpc.Trailer(&a.attempt.trailer))
	if s.out != nil {
		opts = append(opts, grpc.Header(&a.attempt.header))
	}
	if s.out.wantsPeer() {
		a.attempt.peer = new(peer.Peer)
		opts = append(opts, grpc.Peer(a.attempt.peer))
	}
	opts = opts[:len(opts):len(opts)] // an interceptor's append must not write to our memory
	inTime := a.within(func() { a.ClientStream, err = s.streamer(a.ctx, s.desc, s.cc, s.method, opts...) })
	if err == nil {
		a.checkDoubt()
		a.unfinished.Store(a.inDoubt.Load()) // the report may be of another stream than the present one
	}
	if !inTime && err == nil {
		err = errTooLate // opened, but its context has ended
	}
	return err
}

// errBroken is the error of a stream after a panic in an attempt to replace it.
var errBroken = status.Error(codes.Internal, "the stream broke in a panic")
