package httpx

import (
	"context"
	"net/http"

	"github.com/evenkeel-go/evenkeel/retry"
)

type reportKey struct{}

// ReportFrom has why a call stopped that ended with a response, but without success: attempts, reason and history.
//
//	resp, err := client.Do(req)
//	if err == nil {
//		if stopped, ok := httpx.ReportFrom(resp.Request.Context()); ok {
//			log.Print(stopped.Reason, " after ", stopped.Attempts)
//		}
//	}
//
// There is none after a success or a first attempt that was Rejected (a 404), where there is nothing to tell, and none
// under a policy that never retries. A call that ended without a response has the same *retry.Error as its error.
func ReportFrom(ctx context.Context) (*retry.Error, bool) {
	e, ok := ctx.Value(reportKey{}).(*retry.Error)
	return e, ok
}

// report leaves what became of the call in the response's request, which is a copy: the caller's is not touched.
func report(resp *http.Response, sent *http.Request, e *retry.Error) {
	if resp.Request != nil {
		sent = resp.Request
	}
	resp.Request = sent.WithContext(context.WithValue(sent.Context(), reportKey{}, e))
}
