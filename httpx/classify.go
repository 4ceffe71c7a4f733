package httpx

import (
	"net/http"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Classify is the default classifier, and the table below is all of it. WithClassifier replaces it.
//
//	Status                       Class         Sent again?
//	1xx, 2xx, 3xx                Success       no
//	408, 425, 500, 502, 504      Transient     if the request is idempotent
//	429, 503                     Throttled     if the request is idempotent, after the longer backoff
//	501, 505, 506, 507, 508,     Rejected      no
//	510, 511
//	another 5xx                  Transient     as 500 (RFC 9110, section 15)
//	another 4xx                  Rejected      no
//
//	Error                        Class         Sent again?
//	GOAWAY above the last        Unprocessed   whatever the method, at once, at most twice
//	stream, REFUSED_STREAM
//	no connection was had:       Unprocessed   whatever the method
//	refused, unreachable (the
//	proxy as well), DNS trouble,
//	handshake timeout
//	h2 ENHANCE_YOUR_CALM         Throttled     if the request is idempotent
//	certificate not trusted,     Rejected      no
//	TLS alert, unknown host,
//	a proxy's 407 to CONNECT,
//	scheme, URL or header that
//	net/http refuses, *retry.Error
//	timed out                    Timeout       if the request is idempotent
//	reset, EOF, any other        Transient     if the request is idempotent
//
// A reset says nothing of whether the request was read: net/http keeps to itself that nothing was written, and
// repeats such a request by itself on a connection that it had used before.
//
// What the server says comes first. X-Should-Retry: false forbids another attempt after a status of 408, 425, 429 or
// 5xx; true makes a Rejected answer of 400 or above Transient. The wait it asks for is, in this order,
// Retry-After-Ms, Retry-After (seconds, also fractional, or any of the three dates of HTTP) and, after 429 and 503,
// RateLimit, RateLimit-Reset and X-RateLimit-Reset, as long as they do not say that there is something left.
// What is malformed or negative counts as absent, and no wait is longer than a year.
//
// req is a request of the call and may be nil; exactly one of resp and err must not be.
func Classify(req *http.Request, resp *http.Response, err error) retry.Outcome {
	if err != nil {
		return classifyError(err)
	}
	if resp.StatusCode < http.StatusBadRequest {
		return retry.Outcome{}
	}
	o := withHints(classifyStatus(resp.StatusCode), resp, time.Now)
	if e := reportBelow(req, resp); e != nil {
		o = o.Forbid(e.Reason)
	}
	return o
}

// reportBelow is the report of a Transport below this one, which has seen to retries. One that the request came with
// is that of an earlier call, whose response's request or context it was made of.
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

func classifyStatus(code int) retry.Outcome {
	switch code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return retry.Outcome{Class: retry.Throttled}
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return retry.Outcome{Class: retry.Transient}
	case http.StatusInsufficientStorage, http.StatusLoopDetected, http.StatusNetworkAuthenticationRequired:
		return retry.Outcome{Class: retry.Rejected}
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusVariantAlsoNegotiates,
		http.StatusNotExtended:
		return retry.Outcome{Class: retry.Rejected, Alive: true}
	}
	if code >= http.StatusInternalServerError {
		return retry.Outcome{Class: retry.Transient}
	}
	return retry.Outcome{Class: retry.Rejected, Alive: true}
}
