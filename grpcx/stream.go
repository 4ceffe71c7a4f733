package grpcx

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
	"github.com/evenkeel-go/evenkeel/retry"
)

// clientStream is a stream whose beginning may be sent more than once. Every operation of the
// caller runs in withRetry, which repeats it on the attempt that replaces a failed one, and what
// was sent is recorded for that attempt. The call is settled when its first message has arrived
// (or its header, if the caller sends a stream or has asked for the header), or when there is no
// attempt left. From then on operations go straight to the attempt's own stream.
//
// One goroutine may send while another receives. An attempt's failure shows on the receiving side,
// so one goroutine at a time has the right to receive. The goroutine that finds the failure claims
// the attempt and replaces it; the others wait. A sender whose stream broke takes the right to
// receive if no goroutine has it.
type clientStream struct {
	c        *client
	p        *drive.Policy
	r        *rule
	ctx      context.Context    // the caller's, with the rule's timeout
	rpc      rpcinfo.Context    // ctx points to it
	release  context.CancelFunc // of the rule's timeout
	desc     *grpc.StreamDesc
	cc       *grpc.ClientConn
	method   string
	streamer grpc.Streamer
	opts     []grpc.CallOption // for every attempt
	out      *outputs          // nil: none

	// receiving is a lock. It is a channel because its holder may wait for a backoff to pass: in
	// a test, synctest lets time pass while goroutines wait for a channel, but not while they
	// wait for a mutex.
	receiving chan struct{}
	settled   atomic.Bool // cur and err are final
	err       error       // what RecvMsg returns once settled; nil: what cur's own stream returns
	late      bool        // there may be something to receive before err, see receiveLate
	received  bool        // receiveLate has received a message; only the caller's receiver uses it

	// mu is never held across a call of a stream or of the caller's code; see unlock.
	mu      sync.Mutex
	cur     *streamAttempt
	fixed   retry.Reason // why there may be no further attempt; ReasonNone: there may
	replay  replayBuffer
	ops     int           // operations of the caller under way
	pending *observations // for the observer, once mu is released
	done    bool          // the call is over, with doneErr
	called  bool          // unlock has called, or is calling, the caller's OnFinish options
	doneErr error

	// Only the goroutine that has claimed cur uses these.
	call     call.Call
	unseen   *retry.Attempt // the last attempt, if the observer has not seen it
	failures drive.History  // of the attempts so far
}

// stream implements grpc.StreamClientInterceptor.
func (c *client) stream(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
	opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if layer.Nested() {
		inner, nested := layer.Begin(ctx)
		defer nested.End()
		if inner != nil {
			ctx = inner
		}
	}
	ctx = withCriticality(ctx)
	policy, r := c.rule(cc, method, opts)
	s := &clientStream{
		c: c, p: drive.Of(policy), r: r, ctx: ctx, release: func() {}, desc: desc, cc: cc, method: method, streamer: streamer,
		receiving: make(chan struct{}, 1), replay: replayBuffer{limit: c.replay},
		ops: 1, // begin
	}
	s.opts, s.out = r.split(nil, opts)
	s.replay.configure(s.opts)
	if s.r.timeout > 0 {
		s.ctx, s.release = context.WithTimeout(ctx, s.r.timeout)
	}
	s.ctx = placement.Start(s.ctx, s.p.Observer, false)
	s.rpc = rpcinfo.Context{Context: s.ctx, Info: rpcInfo(cc, method, s.opts)}
	s.ctx = &s.rpc
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

// begin opens the first attempt that can be opened.
func (s *clientStream) begin() error {
	opened := false
	defer func() { // a panic or runtime.Goexit in the streamer, or in other code of the user's
		if !opened {
			defer s.release() // Cancel may panic, too
			s.call.Cancel(time.Now(), retry.ReasonCanceled)
		}
	}()
	deadline, _ := s.ctx.Deadline()
	s.call = s.p.Start(time.Now(), call.Options{Deadline: deadline, PauseKey: s.c.pauseKey(s.ctx, s.p, s.method)})
	a, last := s.open(nil)
	opened = true
	if s.stopped() {
		s.mu.Lock()
		defer s.unlock()
		err := s.conclude(last)
		s.finish(err)
		return err
	}
	s.mu.Lock()
	s.cur = a
	s.mu.Unlock()
	s.leave() // the caller's context may have ended in the meantime
	return nil
}

// SendMsg sends a message, and records a copy as long as it may have to be sent again.
func (s *clientStream) SendMsg(m any) error {
	if !s.settled.Load() {
		s.enter()
		defer s.leave()
		done, err := s.withRetry(func(a *streamAttempt) (verdict, error) { return s.send(a, m) })
		if done {
			return err
		}
	}
	err := s.cur.SendMsg(m) // once the stream has ended, what is wrong with the message, or io.EOF
	if err != nil && err != io.EOF {
		s.endedBySender(err)
	}
	return err
}

// send sends a message on an attempt of a call that is not settled.
func (s *clientStream) send(a *streamAttempt, m any) (verdict, error) {
	err := a.SendMsg(m)
	switch {
	case err == nil:
		return s.recordMessage(a, m), nil
	case err == io.EOF || status.Code(err) == codes.Unavailable || a.timedOut():
		// The receiving side knows why. UNAVAILABLE: no connection for gRPC's transparent retry.
		return s.diagnose(a)
	}
	return s.refuse(a, err) // the message's fault: gRPC has ended the stream
}

// CloseSend closes the sending side.
func (s *clientStream) CloseSend() error {
	if !s.settled.Load() {
		s.enter()
		defer s.leave()
		done, err := s.withRetry(func(a *streamAttempt) (verdict, error) {
			if err := a.CloseSend(); err != nil {
				return opDone, err
			}
			return s.record(a, grpc.ClientStream.CloseSend, 0), nil
		})
		if done {
			return err
		}
	}
	return s.cur.CloseSend()
}

// RecvMsg receives a message. The first may take any number of attempts.
func (s *clientStream) RecvMsg(m any) error {
	if !s.settled.Load() {
		s.enter()
		defer s.leave()
		s.receiving <- struct{}{}
		defer func() { <-s.receiving }()
		done, err := s.withRetry(func(a *streamAttempt) (verdict, error) { return s.receive(a, m) })
		if done {
			return err
		}
	}
	err := s.err
	switch {
	case s.late:
		err = s.receiveLate(m)
	case err == nil:
		err = s.receiveNext(m)
	}
	s.ended(err)
	return err
}

// receiveNext receives a message on the attempt of a settled call.
func (s *clientStream) receiveNext(m any) (err error) {
	a := s.cur
	a.receiving.Store(true)
	defer func() {
		a.receiving.Store(false)
		if err == nil && a.inDoubt.Load() { // also after a panic or runtime.Goexit
			s.enter()
			s.leave()
		}
	}()
	err = a.RecvMsg(m)
	if err == nil {
		a.checkDoubt()
	}
	return err
}

// receive receives the first message on an attempt of a call that is not settled.
func (s *clientStream) receive(a *streamAttempt, m any) (verdict, error) {
	a.seen = s.header(a)
	if a.seen != nil && s.desc.ClientStreams {
		s.succeed(a, nil)
		return opAgain, nil
	}
	err := a.late(a.lost(a.seen, a.RecvMsg(m)))
	if err == nil || err == io.EOF {
		a.checkDoubt()
		s.succeed(a, err)
		s.ended(err)
		return opDone, err
	}
	if s.claim(a) {
		return opFailed, err
	}
	if cur, settled := s.wait(); settled && s.err == nil && cur == a { // Header settled the call on a
		s.ended(err)
		return opDone, err
	}
	return opAgain, nil
}

// ended releases what the stream of a settled call holds, once the caller has seen its end: an
// error, or the only message of a server that does not stream.
func (s *clientStream) ended(err error) {
	if err == nil && s.desc.ServerStreams {
		return
	}
	s.cur.cancel(nil)
	if err == io.EOF {
		err = nil
	}
	s.mu.Lock()
	defer s.unlock()
	s.finish(err)
}

// endedBySender releases what the stream of a settled call holds, if gRPC has ended it because of
// what the sender did. Otherwise an interceptor below has refused a message, and the stream goes
// on.
func (s *clientStream) endedBySender(err error) {
	if s.attemptEnded(s.cur) || s.cur.ClientStream.Context().Err() != nil {
		s.ended(err)
	}
}

// Header waits for the header. Once the caller has seen one, the call is not sent again.
func (s *clientStream) Header() (header metadata.MD, _ error) {
	if !s.settled.Load() {
		s.enter()
		defer s.leave()
		if s.takeReceiving() {
			defer func() { <-s.receiving }()
		}
		done, _ := s.withRetry(func(a *streamAttempt) (verdict, error) {
			if header = s.header(a); header != nil {
				s.succeed(a, nil)
				return opDone, nil
			}
			return s.headless(a)
		})
		if done {
			return header, nil
		}
	}
	return s.cur.Header() // nil without an error if there is none: RecvMsg returns the error
}

// Trailer returns the final attempt's trailer. The call is not sent again.
func (s *clientStream) Trailer() metadata.MD {
	a := s.commit()
	if a.unfinished.Load() {
		return nil
	}
	return a.Trailer()
}

// Context returns the attempt's own context, which ties the caller to that attempt: the call is
// not sent again, as with gRPC-Go.
func (s *clientStream) Context() context.Context { return s.commit().ClientStream.Context() }

// commit makes the present attempt the last, if the call is not settled, and returns it.
func (s *clientStream) commit() (a *streamAttempt) {
	done, _ := s.withRetry(func(present *streamAttempt) (verdict, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.holds(present) {
			return opAgain, nil
		}
		a = present
		s.fix(retry.ReasonCommitted)
		return opDone, nil
	})
	if !done {
		a = s.cur
	}
	return a
}
