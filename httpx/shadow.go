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
// another attempt of the same call. It does not end the call while the other attempt is under way,
// and the call's report marks it (retry.Error.Shadow).

// mayBeShadow reports whether resp may refuse a second copy of req because the first had its
// effect:
//
//	409, 412, 423, 428   to any method that has effects
//	404, 410             to DELETE, MOVE, REBIND, UNBIND, UNLINK, UNLOCK, and without a key to
//	                     methods that may do anything (POST, PATCH, unregistered ones)
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

// removes reports whether a request may remove what it names.
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

// shadows counts a call's attempts, to decide whether an answer may be the shadow of one.
type shadows struct {
	sent        atomic.Int32
	unprocessed atomic.Int32 // those of sent that provably never reached the application
}

// possible reports whether an attempt is a resend and another attempt may have had an effect.
func (s *shadows) possible(attempt int) bool {
	return attempt > 1 && s.sent.Load()-1 > s.unprocessed.Load()
}

// correct returns the outcome o of an attempt, corrected for what only its call knows: whether a
// proxy had no tunnel for the request, whether a server refused nothing but its Expect, and
// whether an answer may be the shadow of another attempt.
func (c *call) correct(attempt int, resp *http.Response, err error, o retry.Outcome) retry.Outcome {
	switch {
	case o.Forbidden != retry.ReasonNone:
	case o.Class == retry.Transient && refusedTunnel(c.t.base, c.req, err):
		o.Class = retry.Unprocessed
	case c.expectRefused(attempt, resp, o):
		o = retry.Outcome{Class: retry.Unprocessed, Alive: true}
	case resp == nil || resp.StatusCode < http.StatusBadRequest || !c.shadows.possible(attempt):
	case o.Class != retry.Transient && (o.Class != retry.Rejected || !o.Alive):
	case c.keyed() && mayBeInProgress(resp.StatusCode): // the first attempt is still being handled
		return withHints(retry.Outcome{Class: retry.Throttled, Alive: true, Shadow: true}, resp, time.Now)
	default:
		o.Shadow = mayBeShadow(c.req, resp)
	}
	if o.Class == retry.Unprocessed {
		c.shadows.unprocessed.Add(1)
	}
	return o
}

// keyed reports whether the call's attempts have an Idempotency-Key.
func (c *call) keyed() bool { return c.key != "" || hasKey(c.req) }
