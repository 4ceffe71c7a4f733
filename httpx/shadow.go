package httpx

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// A second copy of a request that has effects may be refused because of the first: a DELETE whose
// first answer was lost is answered 404, because the first attempt did delete, and a POST with an
// Idempotency-Key 409, because the first is still being handled. Such an answer is the shadow of
// another attempt of the same call. It says nothing against that one, so it does not beat it
// while it is under way, and the call's report says what it may be (retry.Error.Shadow).

// mayBeShadow reports whether resp may refuse a second copy of req because the first had its
// effect:
//
//	409, 412, 423, 428   to any method that has effects
//	404, 410             to DELETE, MOVE, REBIND, UNBIND, UNLINK, UNLOCK, and without a key to
//	                     methods that may remove as well as do anything else (POST, PATCH,
//	                     those that are not registered)
//	403, 405             to MKCOL, MKCALENDAR, MKACTIVITY, MKWORKSPACE, MKREDIRECTREF
func mayBeShadow(req *http.Request, resp *http.Response) bool {
	if isSafe(req.Method) {
		return false
	}
	switch resp.StatusCode {
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusLocked, http.StatusPreconditionRequired:
		return true
	case http.StatusNotFound, http.StatusGone:
		return removes(req)
	case http.StatusForbidden, http.StatusMethodNotAllowed: // RFC 4918, section 9.3.1; RFC 3253, section 1.6
		switch req.Method {
		case "MKCOL", "MKCALENDAR", "MKACTIVITY", "MKWORKSPACE", "MKREDIRECTREF":
			return true
		}
	}
	return false
}

// removes reports whether what a request names may be gone after it.
func removes(req *http.Request) bool {
	switch req.Method {
	case http.MethodDelete, "MOVE", "REBIND", "UNBIND", "UNLINK", "UNLOCK":
		return true
	}
	return !isRepeatable(req.Method) && !hasKey(req)
}

// mayBeInProgress reports whether a status may say that a request with the same Idempotency-Key
// is still being handled (draft-ietf-httpapi-idempotency-key-header, section 2.6).
func mayBeInProgress(code int) bool {
	return code == http.StatusConflict || code == http.StatusTooEarly
}

// shadows is what a call knows about its attempts to see whether an answer may be the shadow of
// one.
type shadows struct {
	sent        atomic.Int32
	unprocessed atomic.Int32 // of those, the ones that provably never reached the application
	first       atomic.Pointer[http.Response]
}

// possible reports whether resp answers an attempt that is not the first, and another may have
// had an effect.
func (s *shadows) possible(resp *http.Response) bool {
	return resp != s.first.Load() && s.sent.Load()-1 > s.unprocessed.Load()
}

// correct returns the outcome o of an attempt, corrected for what only its call knows: that a
// proxy had no tunnel for the request, and that an answer may be the shadow of another attempt.
func (c *call) correct(resp *http.Response, err error, o retry.Outcome) retry.Outcome {
	switch {
	case o.NoRetry:
	case o.Class == retry.Transient && refusedTunnel(c.t.base, c.req, err):
		o.Class = retry.Unprocessed
	case resp == nil || resp.StatusCode < http.StatusBadRequest || !c.shadows.possible(resp):
	case o.Class != retry.Transient && (o.Class != retry.Rejected || !o.Alive):
	case c.keyed() && mayBeInProgress(resp.StatusCode): // from a server that works
		return withHints(retry.Outcome{Class: retry.Throttled, Alive: true}, resp, time.Now)
	case o.Class == retry.Rejected && mayBeShadow(c.req, resp):
		o.Alive = false // only the application's own refusal of this call ends it with an attempt under way
	}
	if o.Class == retry.Unprocessed {
		c.shadows.unprocessed.Add(1)
	}
	return o
}

// isShadow reports whether the call's answer may be the shadow of another attempt.
func (c *call) isShadow(resp *http.Response) bool {
	return c.shadows.possible(resp) &&
		(c.keyed() && mayBeInProgress(resp.StatusCode) || mayBeShadow(c.req, resp))
}

// keyed reports whether the call's attempts have an Idempotency-Key.
func (c *call) keyed() bool { return c.key != "" || hasKey(c.req) }
