package httpx

import (
	"fmt"
	"net/http"
	"time"
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
