package grpcx

import (
	"io"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/retry"
)

// observations holds what unlock passes to the policy's observer at the end of a call: the call
// is settled first, so that the observer may use the stream.
type observations struct {
	attempt *retry.Attempt // the last, nil if the observer has seen it
	err     error          // its error
}

// enter marks that an operation of the caller is under way.
func (s *clientStream) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops++
}

// leave marks the end of an operation. The last one leaves no attempt in doubt: if none has found
// out what became of it, because of a panic for example, it has ended.
func (s *clientStream) leave() {
	s.mu.Lock()
	s.ops--
	a := s.cur
	doubtful := s.ops == 0 && a.inDoubt.Load() && !a.receiving.Load()
	a.ended = a.ended || doubtful
	if doubtful && s.settled.Load() {
		s.finish(a.endErr)
	}
	idle := s.claimIdle()
	s.unlock()
	if doubtful {
		a.cancel(nil)
	}
	s.abandon(idle)
}

// onFinish is called by gRPC when a stream of an attempt has ended, perhaps because the caller's
// context ended or the connection was closed. If a stream fails while the caller waits for it, the
// attempt may go on: an interceptor after ours may open another stream, such as one that retries.
// The operation under way then returns whether it did.
func (s *clientStream) onFinish(a *streamAttempt, err error) {
	s.mu.Lock()
	a.reported, a.endErr = true, err
	goesOn := err != nil && (s.ops > 0 || a.receiving.Load()) && a.ctx.Err() == nil && !s.closed()
	a.inDoubt.Store(goesOn)
	s.mu.Unlock()
	if goesOn {
		return
	}
	a.cancel(nil)
	s.mu.Lock()
	a.ended = true
	if s.cur == a && s.settled.Load() {
		s.finish(err)
	}
	idle := s.claimIdle()
	s.unlock()
	s.abandon(idle)
}

// closed reports whether the caller has closed the connection.
func (s *clientStream) closed() bool {
	return s.cc != nil && s.cc.GetState() == connectivity.Shutdown
}

// claimIdle claims an attempt that has ended while no operation of the caller would find out, and
// returns it; nil if there is none. It requires that s.mu is held.
func (s *clientStream) claimIdle() *streamAttempt {
	a := s.cur
	if a == nil || !a.ended || s.ops > 0 || a.claimed || s.settled.Load() {
		return nil
	}
	a.claimed = true
	return a
}

// abandon settles the call of an attempt that claimIdle returned.
func (s *clientStream) abandon(a *streamAttempt) {
	if a == nil {
		return
	}
	defer s.settleAfterPanic(a)
	s.mu.Lock()
	err := a.endErr
	s.mu.Unlock()
	s.report(a, retry.Outcome{Class: retry.Canceled}, err)
	s.mu.Lock()
	defer s.unlock()
	s.late = true
	s.stop(a, err)
}

// receiveLate receives on a stream that ended on the caller's side: its context ended while no
// operation was under way, or it sent what cannot be sent. As with gRPC-Go, the caller gets what
// arrived before: messages, the server's refusal, a good end. Until there was a message, any other
// error is s.err.
func (s *clientStream) receiveLate(m any) error {
	header, _ := s.cur.Header()
	err := s.cur.lost(header, s.cur.RecvMsg(m))
	switch {
	case err == nil:
		s.received = true
	case err == io.EOF, s.received, refused(err):
	default:
		err = s.err
	}
	return err
}

// succeed settles the call: its answer has begun. Receiving returns err from now on or, if it is
// nil, the results of the attempt's own stream. If another goroutine has claimed the attempt,
// succeed waits for it.
func (s *clientStream) succeed(a *streamAttempt, err error) {
	if !s.claim(a) {
		s.wait()
		return
	}
	defer s.settleAfterPanic(a)
	s.report(a, retry.Outcome{}, nil)
	s.mu.Lock()
	defer s.unlock()
	_ = s.conclude(nil)
	s.err = err
	s.settle(a)
	switch {
	case err == io.EOF: // whatever gRPC reported, if the attempt's context ended as well
		s.finish(nil)
	case a.ended:
		s.finish(a.endErr)
	}
}

// stop settles a call that has stopped without success. It requires that s.mu is held, and that
// the caller has claimed a.
func (s *clientStream) stop(a *streamAttempt, err error) {
	s.err = s.conclude(err)
	s.finish(s.err)
	s.settle(a)
}

// settleAfterPanic settles the call unless the claimant of a has settled it or replaced a: after
// a panic or runtime.Goexit in a user's code, other goroutines would wait for that forever.
func (s *clientStream) settleAfterPanic(a *streamAttempt) {
	select {
	case <-a.over:
		return
	default:
	}
	a.cancel(nil)  // the answer may have begun
	defer func() { // Cancel may panic, too
		s.mu.Lock()
		defer s.unlock()
		if !a.ended {
			a.unfinished.Store(true)
		}
		s.err = errBroken
		s.finish(s.err)
		s.settle(a)
	}()
	s.call.Cancel(time.Now(), retry.ReasonCanceled)
}

// settle makes cur and err final, and wakes the goroutines that wait for a. It requires that s.mu
// is held, and that the caller has claimed a.
func (s *clientStream) settle(a *streamAttempt) {
	s.replay.drop()
	s.settled.Store(true)
	close(a.over)
}

// report passes the end of an attempt to the call, and to the observer unless the call has stopped
// with it; see conclude. It requires that the caller has claimed a.
func (s *clientStream) report(a *streamAttempt, o retry.Outcome, err error) {
	now := time.Now()
	s.call.Done(now, a.Number, o)
	a.Took, a.Outcome, a.Status, a.Err = now.Sub(a.Sent), o, statusText(err), err
	a.Delay, a.Retrying = s.call.Planned()
	if o.Class != retry.Success {
		s.failures.Add(call.Failure{Attempt: a.Number, Class: o.Class, Status: a.Status, Err: err})
	}
	if s.stopped() {
		s.unseen = &a.Attempt
		return
	}
	s.p.AttemptDone(s.ctx, a.Attempt)
}

func (s *clientStream) stopped() bool { return s.call.Report().Reason != retry.ReasonNone }

// conclude returns the error of a call that has stopped, and leaves its observations to unlock.
// last is the last attempt's error. It requires that s.mu is held.
func (s *clientStream) conclude(last error) error {
	s.pending = &observations{s.unseen, last}
	if stopped := s.p.Stopped(s.ctx, &s.call, last, s.failures.Failures()); stopped != nil {
		return failure(s.p, stopped)
	}
	return nil
}

// finish ends the call with err, unless it is over, and fills the caller's outputs from the final
// attempt. A goroutine that has seen the end of the stream has called finish, or waited for mu,
// and so finds them filled. It requires that s.mu is held.
func (s *clientStream) finish(err error) {
	if s.done {
		return
	}
	s.done, s.doneErr = true, err
	if a := s.cur; a != nil && !a.unfinished.Load() {
		s.out.publish(&a.attempt)
	} else {
		s.out.publish(nil)
	}
}

// unlock releases mu, and then calls the observer and, if the call is over, the caller's OnFinish
// options.
func (s *clientStream) unlock() {
	over := s.done && !s.called
	s.called = s.done
	seen := s.pending
	s.pending = nil
	s.mu.Unlock()
	if over {
		defer s.release()
		defer func() { s.out.finished(s.doneErr) }() // also after a panic of the observer
	}
	if seen == nil {
		return
	}
	if seen.attempt != nil {
		s.p.AttemptDone(s.ctx, *seen.attempt)
	}
	r := s.call.Report()
	r.Err = seen.err
	s.p.CallDone(s.ctx, r)
}
