package grpcx

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/layer"
	"github.com/evenkeel-go/evenkeel/internal/serve"
)

// WithRetryBudget charges a budget for each answer that a client would retry: any code but OK,
// CANCELLED and those that the table in the package documentation rejects. When the budget has
// nothing left, the answer has the trailer grpc-retry-pushback-ms: -1, which plain gRPC clients
// obey too. An answer after the deadline is charged as well, and so is a panic, which an outer
// interceptor may turn into an answer.
//
// All interceptors that are given the same Option value share one budget: pass it to the unary and
// the stream interceptor. It also limits clients that make one call each, whose own budgets
// cannot. It costs a call that succeeds about 20 ns. A stream has succeeded when it sends its
// header or first message, because no client repeats it after that.
func WithRetryBudget(f budget.Fleet) ServerOption {
	b := serve.NewBudget("grpcx: WithRetryBudget", f)
	return func(c *serverConfig) { c.budget = func(context.Context, string) *budget.Answers { return b } }
}

// WithRetryBudgetBy works as WithRetryBudget, with a budget for each key of a call: its method,
// or a tenant that its metadata names. The server keeps 1,024 budgets and forgets those that were
// not used lately. Only the first 256 bytes of a key count.
func WithRetryBudgetBy(f budget.Fleet, key func(ctx context.Context, fullMethod string) string) ServerOption {
	must(key != nil, "WithRetryBudgetBy: must not be nil")
	bs := serve.NewBudgets("grpcx: WithRetryBudgetBy", f)
	return func(c *serverConfig) {
		c.budget = func(ctx context.Context, method string) *budget.Answers { return bs.Of(key(ctx, method)) }
	}
}

// handling is one call that a server handles.
type handling struct {
	ctx     context.Context    // the handler's
	cancel  context.CancelFunc // of ctx; nil: WithMaxDeadline is not set
	mark    *layer.Mark
	budget  *budget.Answers // nil: none
	request int64           // the call's number in budget
	settled atomic.Bool     // budget.End was called
	limiter *serve.Limiter  // nil: none
}

// answered ends a stream for the server's budget when it sends its header or a message: no client
// repeats it from then on (gRFC A6), and it may go on for hours.
func (h *handling) answered() {
	if h.budget != nil && !h.settled.Swap(true) {
		h.budget.End(h.request, true)
	}
}

// end ends a call for the server's budget and limit, and reports whether its answer must say "do
// not retry". err is what the handler returned.
func (h *handling) end(err error) (doNotRetry bool) {
	if h.cancel != nil {
		defer h.cancel()
	}
	if h.limiter != nil {
		h.limiter.Leave()
	}
	if h.budget == nil || h.settled.Swap(true) {
		return err != nil && h.mark.Spent()
	}
	code := codeOf(err)
	retryable := code != codes.OK && code != codes.Canceled && !answers.has(code)
	switch {
	case err != nil && h.mark.Spent():
		doNotRetry = true
	case retryable && h.ctx.Err() != context.Canceled:
		doNotRetry = !h.budget.Fail()
	}
	h.budget.End(h.request, code == codes.OK || answers.has(code))
	return doNotRetry
}

// codeOf returns the code that gRPC-Go answers with for a handler's error.
func codeOf(err error) codes.Code {
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return status.FromContextError(err).Code()
}

// errPanic stands for the error of a handler that has panicked.
var errPanic = status.Error(codes.Internal, "panic")
