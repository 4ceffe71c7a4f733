package httpx

import (
	"net/http"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Classify returns the outcome of an attempt by the table below. It is the default classifier;
// [WithClassifier] replaces it.
//
//	Status                       Class         Sent again?
//	1xx, 2xx, 3xx                Success       no
//	408, 425, 500, 502, 504      Transient     if the request is idempotent
//	429, 503                     Throttled     the same, after the longer backoff
//	501, 505, 506, 507, 508,     Rejected      no
//	510, 511
//	another 5xx                  Transient     as 500 (RFC 9110, section 15)
//	another 4xx                  Rejected      no
//	4xx to CONNECT               Rejected      no
//	502, 503, 504 to CONNECT     Unprocessed   yes: there is no tunnel, so nothing was sent
//
//	Error                        Class         Sent again?
//	GOAWAY above the last        Unprocessed   whatever the method, free: twice at once, and then
//	stream, REFUSED_STREAM                     with waits while other attempts succeed
//	the same, if net/http has    Unprocessed   whatever the method, and paid for: it has been
//	repeated it by itself                      sent eight times, so the server is overloaded
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
//	*retry.Error
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
// The h2 rows hold for a stream that is reset and for a GOAWAY. A reset says nothing of whether
// the request was read: net/http keeps to itself that nothing was written, and repeats such a
// request by itself on a connection that it had used before.
//
// A [Transport] also sees by httptrace whether an attempt had a connection, if the attempt has a
// timeout or a body without GetBody, or if the request is not idempotent and its scheme is https.
// One that failed without a connection was not sent, whatever the error, and is Unprocessed
// rather than Transient or Timeout: a dial that the attempt's timeout ended, a handshake that
// failed with internal_error.
//
// Of a proxy's answer to its own CONNECT, [http.Transport] returns nothing but the reason phrase,
// as the error's text. Classify knows those that servers send ("Forbidden", "Bad Gateway"); with
// another phrase the error is any other. "Bad Gateway" and the like are Transient here, because a
// RoundTripper of somebody else's may have made the text of an answer to the request itself; a
// [Transport] whose base is an http.Transport takes them as Unprocessed. To decide by the status
// instead, return an error marked by [retry.Permanent] from
// http.Transport.OnProxyConnectResponse.
//
// What the server says comes first. X-Should-Retry: false forbids another attempt after a status
// of 408, 425, 429 or 5xx; true makes a Rejected answer of 400 or above Transient. The wait it
// asks for is, in this order, Retry-After-Ms, Retry-After (seconds, also fractional, or any of
// the three dates of HTTP) and, after 429 and 503, RateLimit, RateLimit-Reset and
// X-RateLimit-Reset, as long as they do not say that there is something left. A wait of 10^9
// seconds or more is a time since 1970, in seconds or milliseconds. What is malformed or negative
// counts as absent, and no wait is longer than a year.
//
// To an attempt that is not the first, an answer may be due to another attempt of the same call.
// A [Transport] takes 409 and 425 to a request with an Idempotency-Key as Throttled then, from a
// server that works: the first is still being handled. A refusal of a request that has effects
// (404 to DELETE, 412 to PUT) does not beat an attempt under way, and is marked in the report
// (retry.Error.Shadow).
//
// req is a request of the call and may be nil; exactly one of resp and err must not be.
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

// classifyAnswer sorts a response of 400 and above by its status and by what else it says.
func classifyAnswer(req *http.Request, resp *http.Response, now func() time.Time) retry.Outcome {
	if req != nil && req.Method == http.MethodConnect {
		return withHints(classifyConnect(resp.StatusCode), resp, now)
	}
	o, said := classifyStatus(resp.StatusCode), bodySays(resp)
	switch {
	case said.spent:
		o = retry.Outcome{Class: retry.Rejected, Alive: true}
	case isForNow(resp, now):
		o = retry.Outcome{Class: retry.Throttled}
	}
	o = withHints(o, resp, now)
	if o.Class != retry.Rejected && o.After == 0 {
		o.After = said.wait
	}
	return o
}

// classifyFailure sorts an error. A mark of [retry.Permanent] or [retry.After] goes before what
// the error itself says; neither shows that the server works.
func classifyFailure(req *http.Request, err error) retry.Outcome {
	marked := retry.Classify(err)
	if marked.Class == retry.Rejected {
		return retry.Outcome{Class: retry.Rejected}
	}
	var o retry.Outcome
	if code, ok := connectStatus(req, err); ok {
		o = classifyRefusedTunnel(code)
	} else {
		o = classifyError(err)
	}
	if marked.After > 0 {
		if o.Class == retry.Rejected {
			o.Class = retry.Transient
		}
		o.Alive = false // what a live connection hands back is repeated at once
		o.After = min(marked.After, maxWait)
	}
	return o
}

// classifyStatus sorts a status of 400 and above.
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
