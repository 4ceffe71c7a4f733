package httpx

import (
	"context"
	"net/http"

	"github.com/evenkeel-go/evenkeel/retry"
)

type reportKey struct{}

// ReportFrom returns why a call stopped that ended with a response, but without success:
// attempts, reason and history. ctx is that of the response's request.
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

// report puts e on the context of the response's request, which is a copy: the caller's is not
// changed.
func report(resp *http.Response, sent *http.Request, e *retry.Error) {
	if resp.Request != nil {
		sent = resp.Request
	}
	resp.Request = sent.WithContext(context.WithValue(sent.Context(), reportKey{}, e))
}

// reportBelow returns the report of a Transport below this one, which has retried already, or
// nil. A report that the request came with is that of an earlier call: the request was made with
// its response's context.
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
