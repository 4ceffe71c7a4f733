package httpx

import (
	"context"
	"net/http"
)

type attemptsKey struct{}

// attempts holds the number of attempts of a call whose response names req. A request that is made
// with the context of an earlier response has that call's attempts on it, but is another request.
type attempts struct {
	context.Context
	n   int
	req *http.Request
}

// Value implements context.Context.
func (a *attempts) Value(key any) any {
	if key == (attemptsKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// AttemptsFrom returns how many attempts were sent for a response of a [Transport], hedges
// included, whether the call succeeded or not. It is 1 also for a response that a Transport did
// not return, or whose Request was replaced since. ReportFrom has more about a call that did not
// succeed.
func AttemptsFrom(resp *http.Response) int {
	if resp == nil || resp.Request == nil {
		return 1
	}
	if a, ok := resp.Request.Context().Value(attemptsKey{}).(*attempts); ok && a.req == resp.Request {
		return a.n
	}
	return 1
}

// count puts the number of attempts on the response's request, which it replaces by a copy: the
// caller's is not changed. A first attempt that answers needs none.
func (c *call) count(resp *http.Response, n int) {
	if n <= 1 {
		return
	}
	sent := c.req
	if resp.Request != nil {
		sent = resp.Request
	}
	a := &attempts{Context: sent.Context(), n: n}
	a.req = sent.WithContext(a)
	resp.Request = a.req
}
