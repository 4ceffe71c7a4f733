package httpx

import (
	"net/http"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/serve"
)

// defaultMaxTimeout is longer than any request should take, and short enough for a timer not to be
// a leak.
const defaultMaxTimeout = 24 * time.Hour

// HandlerOption configures a Handler. It panics if its arguments are invalid.
type HandlerOption func(*handler)

// WithMaxTimeout sets the longest deadline that a Handler accepts from a client; one that asks for
// more gets this. The default is 24 hours. Requests without a deadline get none: http.Server's
// timeouts and http.TimeoutHandler do that.
func WithMaxTimeout(d time.Duration) HandlerOption {
	must(d > 0, "WithMaxTimeout: must be positive, not %v", d)
	return func(h *handler) { h.max = d }
}

// OnAttempt calls observe with each request that comes in, before anything else happens to it, and
// with its attempt number, from 1. observe must be quick and safe for concurrent use. If the
// option is given more than once, each observe is called.
func OnAttempt(observe func(r *http.Request, attempt int)) HandlerOption {
	must(observe != nil, "OnAttempt: must not be nil")
	return func(h *handler) { h.observed = append(h.observed, observe) }
}

// WithRetryBudget charges a budget for each answer that a client would retry: status 408, 425, 429
// and 5xx, except those that [Classify] rejects. When the budget has nothing left, the answer has
// the header X-Should-Retry: false. An answer to which the handler adds that header is not
// charged.
//
// All Handlers that are given the same option value share one budget. It also limits clients that
// make one call each, whose own budgets cannot. It costs a request that succeeds about 20 ns.
//
// A handler that panics is charged as for a 500, and the header is set for an outer handler that
// recovers the panic and answers; without one, net/http closes the connection. Put
// [http.TimeoutHandler] inside the Handler, so that its 503 is charged.
func WithRetryBudget(f budget.Fleet) HandlerOption {
	b := serve.NewBudget("httpx: WithRetryBudget", f)
	return func(h *handler) { h.budget = func(*http.Request) *budget.Answers { return b } }
}

// WithRetryBudgetBy is like WithRetryBudget with one budget per key of a request, such as its
// method, tenant or route. key is called before an inner ServeMux has found the route; call
// mux.Handler in it to find the route. The Handler keeps 1,024 budgets and forgets those that were
// not used lately. Only the first 256 bytes of a key count.
func WithRetryBudgetBy(f budget.Fleet, key func(*http.Request) string) HandlerOption {
	must(key != nil, "WithRetryBudgetBy: must not be nil")
	bs := serve.NewBudgets("httpx: WithRetryBudgetBy", f)
	return func(h *handler) { h.budget = func(r *http.Request) *budget.Answers { return bs.Of(key(r)) } }
}

// WithLoadShedding refuses requests at once, with 503 Service Unavailable and X-Should-Retry:
// false, while the server has too many in flight: more than a share of limit that depends on the
// request. One that names no criticality is CRITICAL.
//
//	            CRITICAL_PLUS  CRITICAL  SHEDDABLE_PLUS  SHEDDABLE
//	first sent       100 %        80 %         70 %         60 %
//	resent            50 %        40 %         35 %         30 %
//
// So resends and hedges are refused before any first attempt, and first attempts of the least
// important calls before others (see [retry.WithCriticality]). Set limit to what the server
// handles well at a time: its capacity in requests a second times the latency that is still good.
// The limit is one for all Handlers that are given this value. CONNECT and Upgrade are not
// counted.
func WithLoadShedding(limit int) HandlerOption {
	l := serve.NewLimiter("httpx: WithLoadShedding", limit)
	return func(h *handler) { h.limiter = l }
}

// WithTrust sets which requests may be more important than CRITICAL. By default none may: a
// request marked CRITICAL_PLUS is handled as CRITICAL. Any client may lower its own.
//
// Attempt numbers need no trust. They are bounded, and a number above 1 only makes the request
// more likely to be refused. A client that hides a resend gains no more than one that sends no
// number: the request counts as a first attempt. The retry budget ignores the numbers.
func WithTrust(trusted func(*http.Request) bool) HandlerOption {
	must(trusted != nil, "WithTrust: must not be nil")
	return func(h *handler) { h.trusts = trusted }
}
