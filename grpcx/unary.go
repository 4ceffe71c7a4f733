package grpcx

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/evenkeel-go/evenkeel/internal/rpcinfo"
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
		t := c.last.Load()
		if t == nil || t.name != targetOf(cc) {
			t = c.target(cc)
		}
		p, r := t.base.policy, &t.base
		if !t.plain || len(opts) > 0 {
			var plain bool
			if p, r, plain = t.look(cc, method, opts); !plain {
				return newUnary(c, p, r, ctx, method, req, reply, cc, invoker, opts).run()
			}
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
		return newUnary(c, p, r, ctx, method, req, reply, cc, invoker, opts).resume(f, got, err)
	}
}

// look finds what applies to a call of a method with options, and reports whether its first attempt is plain.
func (t *target) look(cc *grpc.ClientConn, method string, opts []grpc.CallOption) (*retry.Policy, *rule, bool) {
	r := t.rule(method)
	p, plain := r.policy, !r.custom
	if len(opts) > 0 {
		found := scan(opts)
		if found.policy != nil {
			p, r, plain = found.policy.For(targetOf(cc)), &byTable, true
		}
		plain = plain && !found.finish
	}
	return p, r, plain && p.Plain()
}

// byTable is the rule of a call with a policy of its own.
var byTable rule

// unaryCall is a unary call that needs more than one plain attempt, or may.
type unaryCall struct {
	c       *client
	p       *retry.Policy
	r       *rule
	ctx     context.Context
	rpc     rpcinfo.Context // ctx, if an observer may be told
	method  string
	req     any
	reply   any // the caller's
	blank   any // what new replies are made of, if attempts run side by side: the caller's is being written to
	cc      *grpc.ClientConn
	invoker grpc.UnaryInvoker
	opts    []grpc.CallOption // for every attempt
	out     *outputs          // nil: none
	passed  bool              // the first attempt wrote to out by itself
	work    retry.Work[*attempt]
	first   attempt
	second  attempt
	inline  [4]grpc.CallOption // room for the second's options
}

// attempt is what one attempt got.
type attempt struct {
	reply   any
	own     bool // reply is not the caller's
	header  metadata.MD
	trailer metadata.MD
	peer    *peer.Peer // nil unless the caller asks
}

func newUnary(
	c *client, p *retry.Policy, r *rule, ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoker grpc.UnaryInvoker, opts []grpc.CallOption,
) *unaryCall {
	u := &unaryCall{c: c, p: p, r: r, ctx: ctx, method: method, req: req, reply: reply, cc: cc, invoker: invoker}
	if r.wait != nil {
		u.opts = append(u.opts, grpc.WaitForReady(*r.wait)) // before the caller's, which overrides it
	}
	u.opts, u.out = take(u.opts, opts)
	u.work.Send, u.work.Classify = u.send, u.classify
	return u
}

// resume goes on after a plain first attempt that failed.
func (u *unaryCall) resume(f retry.First, got arrived, err error) error {
	u.passed = true
	u.first = attempt{reply: u.reply, header: got.header, trailer: got.trailer}
	return u.end(retry.Continue(u.ctx, u.p, &u.work, f, &u.first, err))
}

// run makes the whole call.
func (u *unaryCall) run() error {
	if u.r.timeout > 0 {
		var cancel context.CancelFunc
		u.ctx, cancel = context.WithTimeout(u.ctx, u.r.timeout)
		defer cancel()
	}
	if u.p.Hedges() && u.c.mayRepeat(u.ctx, u.method, u.r.hedged) {
		u.blank, u.work.Hedge = blankReply(u.reply)
	}
	u.rpc = rpcContext(u.ctx, u.cc, u.method, u.opts)
	u.ctx = &u.rpc
	return u.end(retry.Run(u.ctx, u.p, &u.work))
}

// send makes one attempt.
func (u *unaryCall) send(ctx context.Context, s retry.Step) (*attempt, error) {
	a := u.attempt(s.Attempt)
	if s.Attempt > 1 {
		ctx = resendContext(ctx, s.Attempt-1)
	}
	opts := u.inline[:0:0]
	if s.Attempt == 2 { // nobody else sends the second
		opts = u.inline[:0]
	}
	opts = append(append(opts, u.opts...), grpc.Header(&a.header), grpc.Trailer(&a.trailer))
	if u.out.wantsPeer() {
		a.peer = new(peer.Peer)
		opts = append(opts, grpc.Peer(a.peer))
	}
	opts = opts[:len(opts):len(opts)] // what appends to them gets memory of its own
	return a, u.invoker(ctx, u.method, u.req, a.reply, u.cc, opts...)
}

// attempt is a new attempt with the reply it may write to. The first writes to the caller's, as do all of a call that
// is not hedged if it can be emptied in between. Others have one of their own.
func (u *unaryCall) attempt(n int) *attempt {
	a := &u.second
	switch {
	case n == 1:
		u.first.reply = u.reply
		return &u.first
	case n > 2:
		a = new(attempt)
	}
	if u.work.Hedge {
		a.reply, a.own = emptyReply(u.blank)
		return a
	}
	if r, ok := u.reply.(interface{ Reset() }); ok { // all generated messages, of any API version
		r.Reset()
		a.reply = u.reply
		return a
	}
	a.reply, a.own = emptyReply(u.reply)
	return a
}

func (u *unaryCall) classify(a *attempt, err error, ended bool) retry.Outcome {
	if err == nil {
		return retry.Outcome{}
	}
	return u.c.classify(u.ctx, u.method, u.r, ending{err: err, header: a.header, trailer: a.trailer, ended: ended})
}

// end hands the answer over. Run has joined all attempts, so that nobody else writes to the caller's reply any more.
func (u *unaryCall) end(a *attempt, err error) error {
	if a != &u.first || !u.passed {
		u.out.publish(a)
	}
	if err != nil {
		err = failure(u.p, err)
	} else if a.own {
		copyReply(u.reply, a.reply)
	}
	u.out.finished(err)
	return err
}
