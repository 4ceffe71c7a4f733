package grpcx

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/retry"
)

// unary makes the interceptor. A first attempt that succeeds passes the caller's own reply and options through, with a
// place for the trailer added.
//
// It is not inlined because a closure's copy in its maker's caller is compiled without inlining anything itself: that
// would cost a call that succeeds half as much again.
//
//go:noinline
func (c *client) unary() grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker,
		opts ...grpc.CallOption,
	) error {
		if layer.Nested() {
			inner, call := layer.Begin(ctx)
			defer call.End()
			if inner != nil {
				ctx = inner
			}
		}
		p, r, plain := c.look(cc, method, opts)
		if !plain {
			return runUnary(c, p, r, ctx, method, req, reply, cc, invoker, opts)
		}
		s := newSink()
		f := p.Begin()
		with := s.trailer()
		if len(opts) > 0 || c.strict {
			with = s.with(opts, c.strict)
		}
		err := invoker(ctx, method, req, reply, cc, with...)
		got := s.free(len(opts))
		if err == nil {
			p.Succeed(f)
			return nil
		}
		return resumeUnary(c, p, r, ctx, method, req, reply, cc, invoker, opts, f, got, err)
	}
}

// look finds what applies to a call of a method with options, and reports whether its first attempt is plain.
func (c *client) look(cc *grpc.ClientConn, method string, opts []grpc.CallOption) (*retry.Policy, *rule, bool) {
	p, r := c.rule(cc, method)
	plain := !r.custom
	if len(opts) > 0 {
		found := scan(opts)
		if found.policy != nil {
			p, r, plain = found.policy.For(targetOf(cc)), &byTable, true
		}
		plain = plain && !found.finish
	}
	return p, r, plain && p.Plain()
}

// unaryCall is a unary call that needs more than one plain attempt, or may. Nothing that an attempt is given points to
// it, so that after a plain first attempt it can stay on the stack.
type unaryCall struct {
	c       *client
	p       *retry.Policy
	r       *rule
	ctx     context.Context
	method  string
	req     any
	reply   any // the caller's
	blank   any // what new replies are made of, if attempts run side by side: the caller's is being written to
	hedge   bool
	written bool // a message may have been written to reply; not told if hedge
	cc      *grpc.ClientConn
	invoker grpc.UnaryInvoker
	opts    []grpc.CallOption // for every attempt
	out     *outputs          // nil: none
	got     arrived           // by the plain first attempt
}

// unaryAttempt is one attempt, with room for all it needs.
type unaryAttempt struct {
	attempt
	ctx  resendContext
	opts [3]grpc.CallOption // what generated code gives, and ours
}

// attempt is what one attempt got.
type attempt struct {
	reply   any
	own     bool // reply is not the caller's
	heeded  bool // gRPC has told of its end, if it was asked to
	header  metadata.MD
	trailer metadata.MD
	peer    *peer.Peer // nil unless the caller asks
}

// plainFirst stands for a plain first attempt, which wrote to the caller's outputs by itself.
var plainFirst = new(unaryAttempt)

// take sets the call's options apart.
func (u *unaryCall) take(opts []grpc.CallOption) {
	if u.r.wait != nil {
		u.opts = append(u.opts, grpc.WaitForReady(*u.r.wait)) // before the caller's, which overrides it
	}
	u.opts, u.out = take(u.opts, opts)
}

// resumeUnary goes on after a plain first attempt that failed.
func resumeUnary(
	c *client, p *retry.Policy, r *rule, ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoker grpc.UnaryInvoker, opts []grpc.CallOption, f retry.First, got arrived, err error,
) error {
	u := unaryCall{
		c: c, p: p, r: r, ctx: ctx, method: method, req: req, reply: reply, cc: cc, invoker: invoker, got: got,
	}
	u.take(opts)
	work := retry.Work[struct{}, *unaryAttempt]{Send: u.send, Classify: u.classify, Numbers: true}
	return u.end(retry.Continue(ctx, p, &work, f, plainFirst, err))
}

// runUnary makes a whole call.
func runUnary(
	c *client, p *retry.Policy, r *rule, ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoker grpc.UnaryInvoker, opts []grpc.CallOption,
) error {
	u := unaryCall{c: c, p: p, r: r, ctx: ctx, method: method, req: req, reply: reply, cc: cc, invoker: invoker}
	u.take(opts)
	if r.timeout > 0 {
		var cancel context.CancelFunc
		u.ctx, cancel = context.WithTimeout(ctx, r.timeout)
		defer cancel()
	}
	if p.Hedges() && c.mayRepeat(u.ctx, method, r.hedged) {
		u.blank, u.hedge = blankReply(reply)
	}
	rpc := rpcContext(u.ctx, cc, method, u.opts)
	u.ctx = &rpc
	return u.end(retry.Run(u.ctx, p, &retry.Work[struct{}, *unaryAttempt]{
		Send: u.send, Classify: u.classify, Hedge: u.hedge, Numbers: true,
	}))
}

// send makes one attempt. It and classify are method values and no expressions with u as the State: the call would move to
// the heap.
func (u *unaryCall) send(_ struct{}, ctx context.Context, attempt int, _ bool) (*unaryAttempt, error) {
	a := new(unaryAttempt)
	u.place(a, attempt)
	if attempt > 1 {
		ctx = a.ctx.resend(ctx, attempt-1)
	}
	opts := append(append(a.opts[:0], u.opts...), grpc.Header(&a.header), grpc.Trailer(&a.trailer))
	if u.out.wantsPeer() {
		a.peer = new(peer.Peer)
		opts = append(opts, grpc.Peer(a.peer))
	}
	if u.c.strict {
		opts = append(opts, grpc.OnFinish(func(error) { a.heeded = true }))
	}
	opts = opts[:len(opts):len(opts)] // what appends to them gets memory of its own
	return a, u.invoker(ctx, u.method, u.req, a.reply, u.cc, opts...)
}

// place gives an attempt the reply it may write to. The first writes to the caller's, as do all of a call that is not
// hedged as long as it can be emptied in between, or needs not. Others have one of their own.
func (u *unaryCall) place(a *unaryAttempt, n int) {
	a.reply = u.reply
	switch {
	case n == 1:
		return
	case u.hedge:
		a.reply, a.own = emptyReply(u.blank)
		return
	}
	if r, ok := u.reply.(interface{ Reset() }); ok { // all generated messages, of any API version
		r.Reset()
		return
	}
	if u.written { // else it may hold what its codec needs
		a.reply, a.own = emptyReply(u.reply)
	}
}

func (u *unaryCall) classify(_ struct{}, a *unaryAttempt, err error, ended bool) retry.Outcome {
	if err == nil {
		return retry.Outcome{}
	}
	e := ending{err: err, header: a.header, trailer: a.trailer, ended: ended, heeded: a.heeded}
	if a == plainFirst {
		e.header, e.trailer, e.heeded = u.got.header, u.got.trailer, u.got.finished
	}
	if !u.c.strict {
		e.heeded = u.cc != nil // gRPC's own ClientConn; only interceptors behind could drop options
	}
	if !u.hedge && !a.own && !e.wordless() {
		u.written = true
	}
	return u.c.classify(u.ctx, u.p, u.method, u.r, &e)
}

// end hands the answer over. Run has joined all attempts, so that nobody else writes to the caller's reply any more.
func (u *unaryCall) end(a *unaryAttempt, err error) error {
	switch a {
	case plainFirst:
	case nil:
		u.out.publish(nil)
	default:
		u.out.publish(&a.attempt)
	}
	if err != nil {
		err = failure(u.p, err)
	} else if a.own {
		copyReply(u.reply, a.reply)
	}
	u.out.finished(err)
	return err
}
