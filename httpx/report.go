package httpx

import (
	"cmp"
	"context"
	"net/http"

	"github.com/evenkeel-go/evenkeel/retry"
)

type reportKey struct{}

// ReportFrom returns why a call that ended with a response, but without success, stopped:
// attempts, reason and history. ctx is the context of the response's request.
//
//	resp, err := client.Do(req)
//	if err == nil {
//		if stopped, ok := httpx.ReportFrom(resp.Request.Context()); ok {
//			log.Print(stopped.Reason, " after ", stopped.Attempts)
//		}
//	}
//
// There is none after a success or a first attempt that was Rejected (a 404), where there is
// nothing to report, and none under a policy that never retries. A call that ended without a
// response has the same *retry.Error as its error. The report's Shadow is set if the response may
// be due to another attempt of the same call.
func ReportFrom(ctx context.Context) (*retry.Error, bool) {
	e, ok := ctx.Value(reportKey{}).(*retry.Error)
	return e, ok
}

// report puts e on the context of the response's request, or of sent if it has none. It replaces
// that request by a copy: the caller's is not changed.
func report(resp *http.Response, sent *http.Request, e *retry.Error) {
	sent = cmp.Or(resp.Request, sent)
	resp.Request = sent.WithContext(context.WithValue(sent.Context(), reportKey{}, e))
}

// reportBelow returns the report of a Transport below this one, which has retried already, or nil.
// A report that req itself carries is of an earlier call, from whose response req has its context.
func reportBelow(req *http.Request, resp *http.Response) *retry.Error {
	if resp.Request == nil {
		return nil
	}
	e, ok := ReportFrom(resp.Request.Context())
	if ok && req != nil {
		if earlier, _ := ReportFrom(req.Context()); earlier == e {
			return nil
		}
	}
	return e
}

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
// caller's is not changed. A number of 1 need not be stored.
func (c *call) count(resp *http.Response, n int) {
	if n <= 1 {
		return
	}
	sent := cmp.Or(resp.Request, c.req)
	a := &attempts{Context: sent.Context(), n: n}
	a.req = sent.WithContext(a)
	resp.Request = a.req
}
