package httpx

import (
	"net/http"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Classify returns the outcome of an attempt by the table below. It is the default classifier;
// [WithClassifier] replaces it.
//
//	Status                       Class         Sent again?
//	1xx, 2xx, 3xx                Success       no
//	408, 425, 500, 502, 504      Transient     if the request is idempotent
//	429, 503, 529                Throttled     the same, after Config.ThrottledBackoff
//	429 with a used-up quota     Rejected      no
//	in its body
//	403 that asks for a wait,    Throttled     as 429
//	or has a used-up limit
//	413 that asks for a wait     Throttled     as 429
//	417                          Rejected      once, without its Expect (see below)
//	501, 505, 506, 507, 508,     Rejected      no
//	510, 511
//	another 5xx                  Transient     as 500 (RFC 9110, section 15)
//	another 4xx                  Rejected      no
//	4xx to CONNECT               Rejected      no
//	502, 503, 504 to CONNECT     Unprocessed   yes: there is no tunnel, so nothing was sent
//	504 to Cache-Control:        Rejected      no: the cache has no answer (RFC 9111, section
//	only-if-cached                             5.2.1.7)
//
//	Error                        Class         Sent again?
//	GOAWAY above the last        Unprocessed   whatever the method, at no cost to the budget: twice
//	stream, REFUSED_STREAM                     at once, and then with waits while others succeed
//	the same, if net/http has    Unprocessed   whatever the method, at the budget's cost: it has
//	repeated it by itself                      been sent eight times: the server is overloaded
//	no connection was had:       Unprocessed   whatever the method
//	refused, unreachable (the
//	proxy as well), DNS trouble,
//	handshake timeout
//	h2 ENHANCE_YOUR_CALM         Throttled     if the request is idempotent
//	h2 INADEQUATE_SECURITY,      Rejected      no
//	HTTP_1_1_REQUIRED
//	certificate not trusted, TLS Rejected      no
//	alert about certificates,
//	versions or names, unknown
//	host, scheme, URL or header
//	that net/http refuses,
//	*retry.Error,
//	http.ErrSkipAltProtocol
//	http.Transport.CancelRequest Canceled      no
//	a proxy's answer to the      as that to    see below
//	CONNECT of http.Transport    CONNECT
//	timed out                    Timeout       if the request is idempotent
//	connection lost: reset, EOF, Transient     if the request is idempotent; its Evidence is
//	h2 connection closed, TLS                  budget.Lost
//	internal_error, bad MAC
//	any other                    Transient     if the request is idempotent
//	marked by retry.Permanent    Rejected      no
//	marked by retry.After        as without    no sooner than it says
//	                             the mark
//
// The h2 rows hold for a stream that is reset and for a GOAWAY. A lost connection does not show
// whether the server read the request: net/http does not report that nothing was written. If the
// connection had been used before, it repeats such a request by itself.
//
// A [Transport] also sees by httptrace whether an attempt had a connection, if the attempt has a
// timeout or a body without GetBody, or if the request is not idempotent and its scheme is https.
// One that failed without a connection was not sent, whatever the error, and is Unprocessed
// rather than Transient or Timeout: a dial that the attempt's timeout ended, a handshake that
// failed with internal_error.
//
// Of a proxy's answer to its own CONNECT, [http.Transport] returns nothing but the reason phrase,
// as the error's text. Classify knows those that servers send ("Forbidden", "Bad Gateway"); an
// error with another phrase is in the row "any other". "Bad Gateway" and the like are Transient
// here, because another RoundTripper may have made the text from an answer to the request itself;
// a [Transport] whose base is an http.Transport takes them as Unprocessed. To decide by the status
// instead, return an error marked by [retry.Permanent] from http.Transport.OnProxyConnectResponse.
//
// Headers about retrying override the status. X-Should-Retry: false forbids another attempt after
// a status of 408, 425, 429 or 5xx, and after a 403 or 413 as in the table; true makes a Rejected
// answer of 400 or above Transient. Stripe-Should-Retry is read if there is no X-Should-Retry.
//
// The wait that the server asks for is the first valid one of Retry-After-Ms, X-Ms-Retry-After-Ms
// and X-Amz-Retry-After (milliseconds), Retry-After (seconds) and, after 429, 503, 529 and 403,
// RateLimit and the headers of rate limits: those whose name has RateLimit or Rate-Limit in it and
// ends with, or goes on after, Remaining, Reset, ResetTime, Reset-After, Retry-After or Next. Of
// several limits those that are used up count (X-RateLimit-Remaining-Tokens: 0), and of these the
// longest wait. A wait may be a number with a fraction and, outside of RateLimit, a Go duration
// (6m0s) or a date as in HTTP or RFC 3339. A number of 10^9 seconds or more is a time since 1970,
// in seconds or milliseconds; in Reset, ResetTime and Next so is a year or more. [WithHintHeader]
// adds other names. What is malformed or negative counts as absent, and no wait is longer than a
// year.
//
// Some APIs say this in the body alone. If the body of a 429, or of a status of 400 or above that
// [WithBodyPeek] lists, is JSON, Classify reads its beginning for the codes of quotas that no wait
// within a call renews (insufficient_quota) and, if no header asks for a wait, for
// google.rpc.RetryInfo, retry_after (seconds) and retry_after_ms. A classifier for another API
// gets the same bytes from [PeekBody].
//
// If a request's Expect was refused (417), a [Transport] sends the request again without it, at
// once and at no cost to the budget.
//
// The answer to a resend may be due to another attempt of the same call. A [Transport] then takes
// 409 and 425 to a request with an idempotency key as Throttled and Alive: the first attempt is
// still being handled. A refusal of a request that has effects (404 to DELETE, 412 to PUT) does
// not end the call while another attempt is under way, and is marked in the report
// (retry.Error.Shadow).
//
// req may be nil; exactly one of resp and err must be non-nil.
func Classify(req *http.Request, resp *http.Response, err error) retry.Outcome {
	if err != nil {
		return classifyFailure(req, err)
	}
	if resp.StatusCode < http.StatusBadRequest {
		return retry.Outcome{}
	}
	o := classifyAnswer(req, resp, time.Now)
	if e := reportBelow(req, resp); e != nil {
		o.Forbidden = e.Reason
	}
	return o
}

// classifyAnswer returns the outcome of a response of 400 or above by its status, headers and
// body.
func classifyAnswer(req *http.Request, resp *http.Response, now func() time.Time) retry.Outcome {
	if req != nil && req.Method == http.MethodConnect {
		return withHints(classifyConnect(resp.StatusCode), resp, now)
	}
	o, body := classifyStatus(resp.StatusCode), parseBody(resp)
	switch {
	case resp.StatusCode == http.StatusGatewayTimeout && onlyIfCached(req):
		o = retry.Outcome{Class: retry.Rejected, Alive: true}
	case body.spent == spent, body.spent == vague && body.wait == 0 && waitAsked(resp.Header, true, now) == 0:
		o = retry.Outcome{Class: retry.Rejected, Alive: true}
	case isTemporary(resp, now):
		o = retry.Outcome{Class: retry.Throttled}
	}
	o = withHints(o, resp, now)
	if o.Class != retry.Rejected && o.After == 0 {
		o.After = body.wait
	}
	return o
}

// onlyIfCached reports whether a request asks caches not to forward it.
func onlyIfCached(req *http.Request) bool {
	if req == nil {
		return false
	}
	for _, line := range req.Header["Cache-Control"] {
		for directive := range splitUnquoted(line, ',') {
			if strings.EqualFold(strings.TrimSpace(directive), "only-if-cached") {
				return true
			}
		}
	}
	return false
}

// classifyStatus returns the outcome of a status of 400 or above.
func classifyStatus(code int) retry.Outcome {
	switch code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, statusOverloaded:
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
