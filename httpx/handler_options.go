package httpx

import (
	"fmt"
	"net/http"
	"time"

	"github.com/evenkeel-go/evenkeel/budget"
	"github.com/evenkeel-go/evenkeel/internal/serve"
)

// defaultMaxTimeout is far more than any request should take, and little enough for a timer not
// to be a leak.
const defaultMaxTimeout = 24 * time.Hour

// HandlerOption changes a Handler. It panics if what it was given makes no sense.
type HandlerOption func(*handler)

// WithMaxTimeout sets the longest deadline that a Handler accepts from a client; one that asks for
// more gets this. The default is 24 hours. Requests without a deadline get none: http.Server's
// timeouts and http.TimeoutHandler do that.
func WithMaxTimeout(d time.Duration) HandlerOption {
	if d <= 0 {
		panic(fmt.Sprintf("httpx: WithMaxTimeout: must be positive, not %v", d))
	}
	return func(h *handler) { h.max = d }
}

// OnAttempt calls observe with each request that comes in, before anything else happens to it,
// and which attempt of its call it is, from 1. observe must be safe for concurrent use, and
// quick. Given more than once, each is called.
func OnAttempt(observe func(r *http.Request, attempt int)) HandlerOption {
	if observe == nil {
		panic("httpx: OnAttempt: must not be nil")
	}
	return func(h *handler) { h.observed = append(h.observed, observe) }
}

// WithRetryBudget makes the server pay for the retries that its answers invite: those of status
// 408, 425, 429 and 5xx, without those that [Classify] rejects. An answer for which the budget has
// nothing left says X-Should-Retry: false. A handler that says so itself is not charged.
//
// The budget is one for all requests of all Handlers that are given this value. It helps where
// budgets of clients cannot, because each client makes one call, and costs a request that
// succeeds some 20 ns.
//
// A handler that panics has answered nothing. What recovers the panic outside the Handler answers
// with a header that says so; without that, net/http cuts the connection. [http.TimeoutHandler]
// belongs inside of the Handler, where its 503 is seen.
func WithRetryBudget(f budget.Fleet) HandlerOption {
	b := serve.NewBudgets("httpx: WithRetryBudget", f, false)
	return func(h *handler) { h.budgets = b }
}

// WithRetryBudgetBy is as WithRetryBudget with a budget for each key of a request: its method,
// tenant or route. key is called before a ServeMux inside has found the route; mux.Handler finds
// it at any time. The Handler keeps 1,024 budgets and forgets those that were not used lately; of
// a key 256 bytes count.
func WithRetryBudgetBy(f budget.Fleet, key func(*http.Request) string) HandlerOption {
	if key == nil {
		panic("httpx: WithRetryBudgetBy: must not be nil")
	}
	b := serve.NewBudgets("httpx: WithRetryBudgetBy", f, true)
	return func(h *handler) { h.budgets, h.budgetKey = b, key }
}

// WithLoadShedding refuses requests while the server has too many in flight, at once, with 503
// Service Unavailable and X-Should-Retry: false. limit is the most that may be in flight; some of
// it is kept for what matters more:
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
// Attempt numbers need no trust. They are bounded; one above 1 can only worsen the client's own
// case, and one that hides a resend makes it count as a first attempt, as those of clients that
// send no number do. The retry budget does not look at them.
func WithTrust(trusted func(*http.Request) bool) HandlerOption {
	if trusted == nil {
		panic("httpx: WithTrust: must not be nil")
	}
	return func(h *handler) { h.trusts = trusted }
}
