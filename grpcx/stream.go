package grpcx

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
	"github.com/evenkeel-go/evenkeel/retry"
	"github.com/evenkeel-go/evenkeel/timeout"
)

// clientStream is a stream whose beginning may be sent more than once. What the caller sends is kept until the call
// is settled: until its first message has come (or its header, if the caller sends a stream or has asked for it), or
// there is no attempt left. From then on all goes straight to the attempt's own stream.
//
// A goroutine that receives and one that sends share it. Receiving is what finds out that an attempt has failed, and
// one at a time may do it; it then claims the attempt, replaces it while the sender waits, and goes on. A sender
// whose stream broke takes the receiver's part if nobody else has it.
type clientStream struct {
	c        *client
	p        *drive.Policy
	r        *rule
	ctx      context.Context // the caller's, with the rule's timeout
	rpc      rpcinfo.Context // ctx
	release  context.CancelFunc
	desc     *grpc.StreamDesc
	cc       *grpc.ClientConn
	method   string
	streamer grpc.Streamer
	opts     []grpc.CallOption // for every attempt
	out      *outputs          // nil: none

	// receiving is a lock. It is a channel because a goroutine that waits for it is idle in the eyes of
	// testing/synctest, and that the one which has it may be waiting for a backoff to pass.
	receiving chan struct{}
	settled   atomic.Bool // cur is final, and so is err
	err       error       // what receiving returns after the end, if the attempt's own stream would say otherwise

	mu       sync.Mutex // never held across a call of a stream or of the caller's code; see unlock
	cur      *streamAttempt
	call     call.Call    // the claimant's alone while cur is claimed
	fixed    retry.Reason // why there may be no further attempt; ReasonNone: there may
	replay   replayBuffer
	ops      int             // calls by the caller under way
	untold   *retry.Attempt  // the last attempt, if the observer has not heard of it; the claimant's
	failures []retry.Failure // of the attempts so far; the claimant's
	news     *news
	done     bool // the call is over, with doneErr
	told     bool // those who asked to be told of it have been
	doneErr  error
}

// news is the end of a call, for its policy's observer: the call is settled first and it is told then, so that the
// observer may use the stream.
type news struct {
	attempt *retry.Attempt // the last, nil if the observer has heard of it
	err     error          // its error
}

// streamAttempt is one attempt of a stream.
type streamAttempt struct {
	attempt
	retry.Attempt
	grpc.ClientStream
	ctx    context.Context
	cancel context.CancelCauseFunc
	cut    atomic.Bool   // it was given up before gRPC had finished it, and its metadata is gRPC's to write
	limit  time.Duration // the attempt timeout, 0 for none
	left   time.Duration // of it

	// Guarded by the stream's mu:
	claimed bool          // somebody deals with its failure
	over    chan struct{} // closed when another attempt has taken its place, or none will
	ended   bool          // gRPC has finished it
	endErr  error
}

func (c *client) stream(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer,
	opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if layer.Nested() {
		inner, call := layer.Begin(ctx)
		defer call.End()
		if inner != nil {
			ctx = inner
		}
	}
	policy, r := c.rule(cc, method)
	if found := findPolicy(opts); found != nil {
		policy, r = found.For(targetOf(cc)), &byTable
	}
	s := &clientStream{
		c: c, p: drive.Of(policy), r: r, ctx: ctx, release: func() {}, desc: desc, cc: cc, method: method, streamer: streamer,
		receiving: make(chan struct{}, 1), replay: replayBuffer{limit: c.replay},
	}
	if s.r.wait != nil {
		s.opts = append(s.opts, grpc.WaitForReady(*s.r.wait))
	}
	s.opts, s.out = take(s.opts, opts)
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
	now := time.Now()
	deadline, _ := s.ctx.Deadline()
	s.call = s.p.Start(now, call.Options{Deadline: deadline})
	opened := false
	defer func() { // a panic or runtime.Goexit in what opens it
		if !opened {
			s.call.Cancel(time.Now(), retry.ReasonCanceled)
			s.release()
		}
	}()
	a, last := s.open(nil)
	opened = true
	s.mu.Lock()
	defer s.unlock()
	if s.stopped() {
		err := s.conclude(last)
		s.finish(err)
		return err
	}
	s.cur = a
	if a.ended { // the caller's context has ended in the meantime
		s.abandon()
	}
	return nil
}

// RecvMsg receives a message. Until the first it may take any number of attempts.
func (s *clientStream) RecvMsg(m any) error {
	if s.settled.Load() {
		return s.relay(m)
	}
	defer s.enter()()
	s.receiving <- struct{}{}
	defer func() { <-s.receiving }()
	for a := s.unsettled(); a != nil; a = s.unsettled() {
		header := s.header(a)
		if header != nil && s.desc.ClientStreams {
			s.succeed(a, nil)
			continue
		}
		err := a.late(a.lost(header, a.RecvMsg(m)))
		if err == nil || err == io.EOF {
			s.succeed(a, nil)
			s.ended(err)
			return err
		}
		s.failed(a, header, err)
		if s.settled.Load() && s.err == nil && s.cur == a { // by its header, in Header: this is how the call ends
			s.ended(err)
			return err
		}
	}
	return s.relay(m)
}

// relay receives from the attempt that is final.
func (s *clientStream) relay(m any) error {
	if s.err != nil {
		s.ended(s.err)
		return s.err
	}
	err := s.cur.RecvMsg(m)
	s.ended(err)
	return err
}

// ended releases what a stream holds whose end the caller has seen. With gRPC-Go onFinish has done it; streams of
// other makes may not know OnFinish.
func (s *clientStream) ended(err error) {
	if err == nil {
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

// Header waits for the header. Once the caller has seen one, the call is not sent again.
func (s *clientStream) Header() (metadata.MD, error) {
	if !s.settled.Load() {
		defer s.enter()()
		if s.receive() {
			defer func() { <-s.receiving }()
		}
	}
	for a := s.unsettled(); a != nil; a = s.unsettled() {
		if header := s.header(a); header != nil {
			s.succeed(a, nil)
			return header, nil
		}
		if err := s.headless(a); err != nil {
			s.failed(a, nil, err)
		}
	}
	if s.err != nil {
		return nil, nil // as gRPC has it: RecvMsg tells
	}
	return s.cur.Header()
}

// receive takes the right to receive, and reports whether it did. While another goroutine has it, waiting for the first
// message, a header that comes settles the call.
func (s *clientStream) receive() bool {
	for a := s.unsettled(); a != nil; a = s.unsettled() {
		select {
		case s.receiving <- struct{}{}:
			return true
		default:
		}
		if header, _ := a.ClientStream.Header(); header != nil && !a.timedOut() {
			s.succeed(a, nil)
			continue
		}
		select {
		case s.receiving <- struct{}{}:
			return true
		case <-a.over: // as the other goroutine has it
		}
	}
	return false
}

// headless deals with an attempt that has ended without a header, and so without a message, or returns why it failed.
func (s *clientStream) headless(a *streamAttempt) error {
	err := a.late(a.lost(nil, a.RecvMsg(&struct{}{})))
	if err != nil && err != io.EOF {
		return err
	}
	s.succeed(a, io.EOF)
	s.ended(io.EOF)
	return nil
}

// lost tells an end that came from nowhere. A server that ends a stream well sends a header or a trailer.
func (a *streamAttempt) lost(header metadata.MD, err error) error {
	if err != io.EOF || header != nil {
		return err
	}
	if trailer := a.Trailer(); trailer != nil && len(trailer) == 0 {
		return errLost
	}
	return err
}

// late turns an answer that came together with the attempt's timeout into what it is: its stream is cancelled.
func (a *streamAttempt) late(err error) error {
	if a.timedOut() && (err == nil || err != io.EOF && isLocal(status.Convert(err))) {
		a.cut.Store(err == nil)
		return errTooLate
	}
	return err
}

// header waits for an attempt's header, at most what is left of its timeout.
func (s *clientStream) header(a *streamAttempt) (header metadata.MD) {
	if !a.within(func() { header, _ = a.Header() }) {
		return nil
	}
	return header
}

// within runs f, which waits for the server, and cancels the attempt when its timeout passes. It reports whether
// there was time enough. Only such waiting counts: an attempt timeout is for what the server does, not for the pauses
// of a caller who has nothing to send yet.
func (a *streamAttempt) within(f func()) bool {
	if a.left <= 0 {
		f()
		return true
	}
	start := time.Now()
	timer := time.AfterFunc(a.left, func() { a.cancel(timeout.ErrAttempt) })
	f()
	inTime := timer.Stop()
	if !inTime {
		a.cancel(timeout.ErrAttempt) // the timer may still be about to
	}
	a.left = max(1, a.left-time.Since(start))
	return inTime
}

// Trailer is the final attempt's.
func (s *clientStream) Trailer() metadata.MD { return s.fix(retry.ReasonCommitted).Trailer() }

// Context is the attempt's own, which ties the caller to that attempt: the call is not sent again, as with gRPC-Go.
func (s *clientStream) Context() context.Context {
	return s.fix(retry.ReasonCommitted).ClientStream.Context()
}

// fix makes the present attempt the last.
func (s *clientStream) fix(why retry.Reason) *streamAttempt {
	for {
		a := s.current()
		s.mu.Lock()
		mine := s.holds(a)
		if mine {
			s.fixLocked(why)
		}
		s.mu.Unlock()
		if mine {
			return a
		}
	}
}

// holds reports whether a is still the attempt that the call goes by. Called with mu.
func (s *clientStream) holds(a *streamAttempt) bool {
	return s.cur == a && (!a.claimed || s.settled.Load())
}

func (s *clientStream) fixLocked(why retry.Reason) {
	if s.fixed == retry.ReasonNone {
		s.fixed = why
	}
	s.replay.drop()
}

// current is the attempt to use: while another goroutine replaces one, it waits.
func (s *clientStream) current() *streamAttempt {
	a, _ := s.look()
	return a
}

// unsettled is the attempt to use, or nil if the call is settled: of one that has just failed the attempt may be one
// without a stream.
func (s *clientStream) unsettled() *streamAttempt {
	a, settled := s.look()
	if settled {
		return nil
	}
	return a
}

func (s *clientStream) look() (a *streamAttempt, settled bool) {
	for {
		s.mu.Lock()
		a, settled = s.cur, s.settled.Load()
		wait := a.claimed && !settled
		s.mu.Unlock()
		if !wait {
			return a, settled
		}
		<-a.over
	}
}

// enter marks that the caller is doing something, and returns what marks the end of it.
func (s *clientStream) enter() (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops++
	return func() {
		s.mu.Lock()
		defer s.unlock()
		s.ops--
		if s.cur.ended {
			s.abandon()
		}
	}
}

// onFinish is told by gRPC that an attempt has ended, perhaps because the caller has left it to its context or to
// closing the connection.
func (s *clientStream) onFinish(a *streamAttempt, err error) {
	a.cancel(nil)
	s.mu.Lock()
	defer s.unlock()
	a.ended, a.endErr = true, err
	switch {
	case s.cur != a:
	case s.settled.Load():
		s.finish(err)
	default:
		s.abandon()
	}
}

// abandon settles a call whose attempt has ended while the caller does nothing that would find out. Called with mu.
func (s *clientStream) abandon() {
	a := s.cur
	if s.ops > 0 || a.claimed || s.settled.Load() {
		return
	}
	a.claimed = true
	s.report(a, retry.Outcome{Class: retry.Canceled}, a.endErr)
	s.stop(a, a.endErr)
}

// finish is the end of the call, and shows the caller what came with the final attempt: whoever has seen the end of the
// stream has been here, or waited for mu. Called with mu, before the call is settled.
func (s *clientStream) finish(err error) {
	if s.done {
		return
	}
	s.done, s.doneErr = true, err
	if a := s.cur; a != nil && !a.cut.Load() {
		s.out.publish(&a.attempt)
	} else {
		s.out.publish(nil)
	}
}

// unlock releases mu, and tells the observer and those who asked for it if the call is over.
func (s *clientStream) unlock() {
	over := s.done && !s.told
	s.told = s.done
	n := s.news
	s.news = nil
	s.mu.Unlock()
	if over {
		defer s.tell() // whatever the observer does
	}
	if n == nil {
		return
	}
	if n.attempt != nil {
		s.p.AttemptDone(s.ctx, *n.attempt)
	}
	r := s.call.Report()
	r.Err = n.err
	s.p.CallDone(s.ctx, r)
}

// tell tells those who asked that the call is over.
func (s *clientStream) tell() {
	s.out.finished(s.doneErr)
	s.release()
}
