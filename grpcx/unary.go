package grpcx

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/evenkeel-go/evenkeel/call"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
	"github.com/evenkeel-go/evenkeel/retry"
)

// unary implements grpc.UnaryClientInterceptor.
func (c *client) unary(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker,
	opts ...grpc.CallOption,
) error {
	if layer.Nested() {
		inner, nested := layer.Begin(ctx)
		defer nested.End()
		if inner != nil {
			ctx = inner
		}
	}
	ctx = withCriticality(ctx)
	policy, r := c.rule(cc, method, opts)
	p := drive.Of(policy)
	// The first attempt needs nothing but the budget: send it without a unaryCall.
	if p.Fast && r.timeout <= 0 && !c.strict && ctx.Err() == nil && !placement.InUse() {
		first := new(firstAttempt)
		if rest, out := r.split(first.room[:0], opts); out == nil {
			sent := p.Begin()
			err := invoker(ctx, method, req, reply, cc, first.ask(rest)...)
			if err == nil {
				p.Succeed(time.Time{}, sent)
				return nil
			}
			u := &unaryCall{c: c, r: r, ctx: ctx, method: method, req: req, reply: reply, cc: cc, invoker: invoker, opts: rest}
			return u.resume(p, sent, first, err)
		}
	}
	u := &unaryCall{c: c, r: r, ctx: ctx, method: method, req: req, reply: reply, cc: cc, invoker: invoker}
	u.opts, u.out = r.split(nil, opts)
	return u.run(p)
}

// resume continues a call whose first attempt was sent without the driver, and failed. Most calls
// succeed at once, and need no unaryCall.
func (u *unaryCall) resume(p *drive.Policy, sent call.First, first *firstAttempt, err error) error {
	u.first = attempt{received: first.received, reply: u.reply}
	a := drive.Resume(u.ctx, p, u, drive.Options{Numbers: true}, sent, &u.first, err)
	return u.end(p, &a)
}

// run makes a call whose attempts are all sent by the driver.
func (u *unaryCall) run(p *drive.Policy) error {
	if u.r.timeout > 0 {
		var cancel context.CancelFunc
		u.ctx, cancel = context.WithTimeout(u.ctx, u.r.timeout)
		defer cancel()
	}
	if p.Hedges() && u.c.mayRepeat(u.ctx, u.method, u.r.hedged) {
		u.blank, u.hedge = blankReply(u.reply)
	}
	if p.Observer != nil {
		u.ctx = &rpcinfo.Context{Context: u.ctx, Info: rpcInfo(u.cc, u.method, u.opts)}
	}
	u.ctx = placement.Start(u.ctx, p.Observer, true)
	o := drive.Options{Hedge: u.hedge, Numbers: true, PauseKey: u.c.pauseKey(u.ctx, p, u.method)}
	a := drive.Run(u.ctx, p, u, o)
	return u.end(p, &a)
}

// unaryCall implements drive.Work for one unary call.
type unaryCall struct {
	c       *client
	r       *rule
	ctx     context.Context
	method  string
	req     any
	reply   any  // the caller's
	blank   any  // the model for new replies if hedge: an attempt may be writing to reply
	hedge   bool // attempts may run side by side
	written bool // a message may have been written to reply; not set if hedge
	cc      *grpc.ClientConn
	invoker grpc.UnaryInvoker
	opts    []grpc.CallOption // for every attempt
	out     *outputs          // nil: none
	first   attempt
}

// received holds the metadata of one attempt.
type received struct {
	header  metadata.MD
	trailer metadata.MD
}

// ask adds to opts the options that fill in the metadata. Servers send retry pushback in the
// trailer, so every attempt asks for it.
func (r *received) ask(opts []grpc.CallOption) []grpc.CallOption {
	opts = append(opts, grpc.Header(&r.header), grpc.Trailer(&r.trailer))
	return opts[:len(opts):len(opts)] // an interceptor's append must not write to our memory
}

// firstAttempt holds what a call that succeeds at once needs: metadata, and room for its options.
type firstAttempt struct {
	received
	room [4]grpc.CallOption
}

// attempt holds the reply and the metadata of one attempt.
type attempt struct {
	received
	reply    any
	own      bool       // reply is not the caller's
	reported bool       // gRPC has called OnFinish, which only WithStrictIdempotency asks for
	peer     *peer.Peer // nil unless the caller asks
}

// resentAttempt is an attempt that is not the first, with room for its context and its options.
type resentAttempt struct {
	attempt
	ctx  resendContext
	room [4]grpc.CallOption
}

// split separates the options that every attempt of a call gets, which it adds to room, from the
// caller's outputs.
func (r *rule) split(room, opts []grpc.CallOption) ([]grpc.CallOption, *outputs) {
	if r.wait != nil {
		room = append(room, grpc.WaitForReady(*r.wait)) // before the caller's, which overrides it
	}
	return splitOptions(room, opts)
}

// Send makes one attempt.
func (u *unaryCall) Send(ctx context.Context, number int, _ bool) (*attempt, error) {
	a, opts := &u.first, u.opts[:len(u.opts):len(u.opts)]
	if number > 1 {
		resent := new(resentAttempt)
		a, ctx = &resent.attempt, resent.ctx.resend(ctx, number-1)
		opts = append(resent.room[:0], opts...)
	}
	u.setReply(a, number)
	u.out.sending()
	if u.out.wantsPeer() {
		a.peer = new(peer.Peer)
		opts = append(opts, grpc.Peer(a.peer))
	}
	if u.c.strict {
		opts = append(opts, grpc.OnFinish(func(error) { a.reported = true }))
	}
	return a, u.invoker(ctx, u.method, u.req, a.reply, u.cc, a.ask(opts)...)
}

// setReply sets the reply that an attempt writes to. The first writes to the caller's. So do the
// others if the call is not hedged, and either the reply can be reset or nothing was written to
// it. Otherwise each has a reply of its own.
func (u *unaryCall) setReply(a *attempt, n int) {
	a.reply = u.reply
	switch {
	case n == 1:
		return
	case u.hedge:
		a.reply, a.own = emptyReply(u.blank)
		return
	}
	if !u.written { // keep what the caller put into it: its codec may need that
		return
	}
	if r, ok := u.reply.(interface{ Reset() }); ok { // all generated messages, of any API version
		r.Reset()
		return
	}
	a.reply, a.own = emptyReply(u.reply)
}

// Classify returns an attempt's outcome.
func (u *unaryCall) Classify(_ context.Context, p *drive.Policy, r drive.Result[*attempt]) retry.Outcome {
	if r.Err == nil {
		return retry.Outcome{}
	}
	a := r.Value
	e := ending{err: r.Err, header: a.header, trailer: a.trailer, timedOut: r.Ended, reported: a.reported}
	if !u.c.strict {
		e.reported = u.cc != nil // a ClientConn sets the trailer, if no interceptor drops the option
	}
	if !u.hedge && !a.own && !e.messageless() {
		u.written = true
	}
	o := u.c.classify(u.ctx, p, u.method, u.r, &e)
	o.Shadow = r.Attempt > 1 && mayBeShadow(u.method, r.Err)
	return o
}

// Refused reports whether err may be a server's refusal for good.
func (u *unaryCall) Refused(err error) bool { return refused(err) }

// Status returns the attempt's status code, in words.
func (u *unaryCall) Status(_ *attempt, err error) string { return statusText(err) }

// Discard has nothing to free: gRPC has ended the attempt.
func (u *unaryCall) Discard(*attempt, error) {}

// Keep releases the attempt's context: its answer is complete.
func (u *unaryCall) Keep(a *attempt, cancel context.CancelFunc) *attempt {
	cancel()
	return a
}

// end fills the caller's outputs and reply, and returns the call's error. The driver has joined
// all attempts, so no other goroutine writes to the reply.
func (u *unaryCall) end(p *drive.Policy, answer *drive.Answer[*attempt]) error {
	a := answer.Value
	if a == nil {
		u.out.publish(nil)
	} else {
		u.out.publish(a)
	}
	err := answer.Err
	if answer.Stopped != nil {
		err = failure(p, answer.Stopped)
	} else if a.own {
		copyReply(u.reply, a.reply)
	}
	u.out.finished(err)
	return err
}
