package grpcx

import (
	"context"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/placement"
	"github.com/evenkeel-go/evenkeel/retry"
)

// classify returns the outcome of a failed attempt of a call under p, by the table in the package
// documentation.
func (c *client) classify(ctx context.Context, p *drive.Policy, method string, r *rule, e *ending) retry.Outcome {
	o := c.outcome(ctx, method, r, e)
	if o.Class == retry.Unprocessed && o.Forbidden == retry.ReasonNone && p.MaxAttempts == 1 {
		// A resend of what a live connection handed back is a retry, too, and gRPC-Go has already
		// made its transparent one.
		o.Forbidden = retry.ReasonMaxAttempts
	}
	return o
}

// outcome classifies an ending for a policy that retries.
func (c *client) outcome(ctx context.Context, method string, r *rule, e *ending) retry.Outcome {
	st, ours := statusOf(e.err)
	marked := retry.Classify(e.err)
	if e.trailer == nil && !ours && st.Code() == codes.Unavailable && isTransportLoss(st.Message()) {
		e.reported = false // it had a stream: an interceptor after ours has dropped the options
	}
	switch {
	case ours || marked.Class == retry.Rejected && !marked.Alive:
		return retry.Outcome{Class: retry.Rejected} // a call inside this one has retried what it could
	case marked.Class == retry.Rejected: // retry.Permanent
		return retry.Outcome{Class: retry.Rejected, Alive: !e.silent()}
	case st.Code() == codes.DeadlineExceeded && !e.timedOut && passed(ctx):
		return retry.Outcome{Class: retry.Canceled} // the caller's deadline: another timer fired before ctx's
	}
	h := hintOf(st, e.trailer)
	h.noRetry = h.noRetry || placement.IsDrop(e.err)
	if marked.After > 0 { // retry.After
		h.given, h.after = true, max(h.after, marked.After)
	}
	o := statusOutcome(st, h, e)
	if marked.After > 0 && o.Class == retry.Rejected {
		o = e.again()
	}
	switch {
	case h.noRetry:
		o.Forbidden, o.After = retry.ReasonNoRetry, 0
	case o.Forbidden == retry.ReasonNone:
		o.After = h.after
	}
	listed := r.codes.has(st.Code())
	if r.codes != 0 && !h.noRetry && marked.After <= 0 && !e.local(st) {
		o = relist(o, st.Code(), h.after, listed)
	}
	if c.config.classify != nil && !h.noRetry && marked.After <= 0 && e.decidable(st, o) {
		o = c.config.classify(ctx, method, st, o)
	}
	if o.Class == retry.Transient && e.lost(st) {
		o.Evidence = budget.Lost
	}
	if drive.RequireIdempotent(o, false) == o { // nothing to allow
		return o
	}
	convention := st.Code() == codes.Unavailable && !c.strict && e.answered(st)
	byRule := listed || r.hedged || r.bounded && o.Class == retry.Timeout
	return drive.RequireIdempotent(o, c.mayRepeat(ctx, method, convention || byRule))
}

// passed reports whether a context's deadline has passed.
func passed(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// mayRepeat reports whether a call may have its effect twice. byDefault is the answer if neither
// the call nor its method is declared.
func (c *client) mayRepeat(ctx context.Context, method string, byDefault bool) bool {
	switch retry.Idempotency(layer.Declared(ctx)) {
	case retry.Idempotent:
		return true
	case retry.NotIdempotent:
		return false
	}
	return byDefault || c.declared(method) || safeLevel(method)
}

// relist applies a service config's list of codes. It leaves an attempt alone that was provably
// unprocessed or timed out.
func relist(o retry.Outcome, code codes.Code, after time.Duration, listed bool) retry.Outcome {
	switch {
	case o.Class == retry.Unprocessed || o.Class == retry.Timeout:
	case listed && (code == codes.ResourceExhausted || o.Class == retry.Throttled):
		o = retry.Outcome{Class: retry.Throttled, After: after}
	case listed:
		o = retry.Outcome{Class: retry.Transient, After: after}
	case o.Class != retry.Rejected:
		o = retry.Outcome{Class: retry.Rejected}
	}
	return o
}

// statusOutcome returns the outcome of a status, before service config and classifier apply.
func statusOutcome(st *status.Status, h hint, e *ending) retry.Outcome {
	switch code := st.Code(); {
	case e.err == io.EOF && len(e.header) == 0:
		// gRPC-Go returns io.EOF if its stream took no message, and after a transparent retry
		// does not look up why. A unary call's handler does not run without a message. After a
		// header it is the error of an interceptor, which may have had the reply.
		return retry.Outcome{Class: retry.Unprocessed, Alive: e.silent()}
	case e.local(st):
		return retry.Outcome{Class: retry.Rejected}
	case code == codes.Unavailable && e.silent() && isHandedBack(st.Message()):
		return retry.Outcome{Class: retry.Unprocessed, Alive: true}
	case e.unsent() && code == codes.Unavailable, e.cutShort(st):
		return retry.Outcome{Class: retry.Unprocessed}
	case e.timedOut && (code == codes.DeadlineExceeded || code == codes.Canceled || code == codes.Unavailable):
		return retry.Outcome{Class: retry.Timeout}
	case code == codes.Unavailable && e.askedTooMuch(st):
		return retry.Outcome{Class: retry.Throttled}
	case code == codes.ResourceExhausted && !h.given:
		return retry.Outcome{Class: retry.Throttled, Forbidden: retry.ReasonRejected}
	case code == codes.ResourceExhausted:
		return retry.Outcome{Class: retry.Throttled}
	case code == codes.Canceled || answers.has(code):
		return retry.Outcome{Class: retry.Rejected, Alive: !e.silent()}
	}
	return retry.Outcome{Class: retry.Transient}
}

// again returns the outcome of an attempt whose error has a retry.After, whatever its code.
func (e *ending) again() retry.Outcome {
	if e.unsent() {
		return retry.Outcome{Class: retry.Unprocessed}
	}
	return retry.Outcome{Class: retry.Transient}
}

// answers holds the codes by which an application, or a layer before it, refuses for good.
var answers = newCodeSet(
	codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.FailedPrecondition,
	codes.OutOfRange, codes.Unimplemented, codes.DataLoss, codes.Unauthenticated,
)

// refused reports whether err has one of these codes. gRPC-Go itself makes them of a context that
// has ended only where nothing came from the server, as when credentials were cut short.
func refused(err error) bool {
	st, ours := statusOf(err)
	return !ours && answers.has(st.Code())
}

// codeSet is a set of status codes.
type codeSet uint32

func newCodeSet(cs ...codes.Code) (s codeSet) {
	for _, c := range cs {
		s |= 1 << c
	}
	return s
}

// has reports whether c is in the set. Codes that gRPC does not define are in none.
func (s codeSet) has(c codes.Code) bool { return c < 32 && s&(1<<c) != 0 }
