package httpx

import (
	"net/http"
	"strings"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

const (
	headerShouldRetry = "X-Should-Retry"
	// statusOverloaded is used by Anthropic and Amazon Bedrock, and registered nowhere.
	statusOverloaded = 529
	// maxWait bounds what a server can ask for, before retry.Config.MaxHint does, so that no
	// arithmetic overflows.
	maxWait = 365 * 24 * time.Hour
	// maxAge is the greatest Age that counts (RFC 9111, section 1.2.2).
	maxAge = 1 << 31 * time.Second
	// maxHeader is the longest header value that is read, in bytes.
	maxHeader = 256
)

// hintHeader is a header that asks for a wait, in units unless its value has a unit of its own.
type hintHeader struct {
	name string
	unit time.Duration
}

// waitHeaders are read in this order, after those of WithHintHeader. The first valid one counts.
var waitHeaders = []hintHeader{
	{"Retry-After-Ms", time.Millisecond},
	{"X-Ms-Retry-After-Ms", time.Millisecond},
	{"X-Amz-Retry-After", time.Millisecond},
	{"Retry-After", time.Second},
}

// WithHintHeader reads the wait that a server asks for from another header, before those that
// [Classify] knows. Its value is a number of units, perhaps with a fraction, a Go duration
// ("1m30s"), or a date as in HTTP or RFC 3339; if unit is a second or a millisecond, it may be a
// time since 1970. A malformed one counts as absent. The header counts wherever Retry-After does:
// after each failure that may be retried, and it makes a 403 or 413 one. Of several such headers
// the one given first goes first.
//
// It panics if name is no header's, or if unit is not from a nanosecond to a day.
func WithHintHeader(name string, unit time.Duration) Option {
	must(isToken(name), "WithHintHeader: name must be a header's, not %q", name)
	must(unit > 0 && unit <= 24*time.Hour, "WithHintHeader: unit must be within 1ns and 24h, not %v", unit)
	h := hintHeader{http.CanonicalHeaderKey(name), unit}
	return func(o *options) { o.hints = append(o.hints, h) }
}

// tokenChars are the characters of a header's name (RFC 9110, section 5.6.2).
const tokenChars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// isToken reports whether a header can have the name.
func isToken(name string) bool { return name != "" && strings.Trim(name, tokenChars) == "" }

// withHints returns the outcome o of a response of 400 or above with the server's hints about
// retrying.
func withHints(o retry.Outcome, resp *http.Response, now func() time.Time) retry.Outcome {
	limited := classifyStatus(resp.StatusCode).Class == retry.Throttled ||
		resp.StatusCode == http.StatusForbidden && o.Class == retry.Throttled
	switch shouldRetry(resp.Header) {
	case "false":
		if o.Class != retry.Rejected || resp.StatusCode >= http.StatusInternalServerError {
			o.Forbidden = retry.ReasonNoRetry
			o.After = waitAsked(resp.Header, limited, now) // for a caller that makes the call again
		}
		return o
	case "true":
		if o.Class == retry.Rejected {
			o = retry.Outcome{Class: retry.Transient}
		}
	}
	if o.Class != retry.Rejected {
		o.After = waitAsked(resp.Header, limited, now)
	}
	return o
}

// shouldRetry returns the value of X-Should-Retry or, without it, of Stripe-Should-Retry, in lower
// case.
func shouldRetry(h http.Header) string {
	v := first(h, headerShouldRetry)
	if v == "" {
		v = first(h, "Stripe-Should-Retry")
	}
	return strings.ToLower(v)
}

// mayBeTemporary reports whether a refusal with a status is temporary if it asks for a wait (for
// 413 see RFC 9110, section 15.5.14).
func mayBeTemporary(code int) bool {
	return code == http.StatusForbidden || code == http.StatusRequestEntityTooLarge
}

// isTemporary reports whether a refusal is temporary: it asks for a wait or, with 403, a limit is
// used up.
func isTemporary(resp *http.Response, now func() time.Time) bool {
	if !mayBeTemporary(resp.StatusCode) {
		return false
	}
	_, asks := serverClock{resp.Header, now}.parseFirst(waitHeaders)
	return asks || resp.StatusCode == http.StatusForbidden && usedUp(resp.Header)
}

// first returns the first value of the header with a canonical name, or "" if that is absent or
// too long to mean anything. Header.Get would spell the name anew for each of a dozen look-ups.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return bounded(v[0])
	}
	return ""
}

// bounded returns a header's value without the spaces around it, or "" if it is too long.
func bounded(v string) string {
	if len(v) > maxHeader {
		return ""
	}
	return strings.TrimSpace(v)
}

// waitAsked returns how long the server asks the client to wait, or 0 if it does not, or if the
// time has passed. The headers of rate limits count only if limited.
func waitAsked(h http.Header, limited bool, now func() time.Time) time.Duration {
	clock := serverClock{h, now}
	if d, ok := clock.parseFirst(waitHeaders); ok || !limited {
		return d
	}
	return clock.limitWait()
}

// parseFirst reads the first of these headers that is valid.
func (c serverClock) parseFirst(names []hintHeader) (time.Duration, bool) {
	for _, h := range names {
		if d, ok := c.parseValue(first(c.header, h.name), h.unit, epoch); ok {
			return d, true
		}
	}
	return 0, false
}

// hinted returns the outcome o of an attempt with the wait that a header of WithHintHeader asks
// for, which makes a 403 or 413 Throttled.
func (c *call) hinted(o retry.Outcome, resp *http.Response) retry.Outcome {
	if resp == nil || o.Class == retry.Success || o.Class == retry.Canceled || len(c.t.hints) == 0 {
		return o
	}
	d, ok := serverClock{resp.Header, time.Now}.parseFirst(c.t.hints)
	if !ok {
		return o
	}
	if mayBeTemporary(resp.StatusCode) && o.Class == retry.Rejected && o.Alive && c.req.Method != http.MethodConnect &&
		shouldRetry(resp.Header) != "false" {
		o = retry.Outcome{Class: retry.Throttled}
	}
	if o.Class != retry.Rejected {
		o.After = d
	}
	return o
}
