package httpx

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// answerRules are the options about what is read of an answer beside its status.
type answerRules struct {
	hints    []hintHeader  // go before waitHeaders
	statuses []int         // whose bodies a classifier may look at
	limit    int           // bytes of a body; 0: no body is looked at
	patience time.Duration // with a body
}

const (
	// peekBytes is how much of a body a classifier sees unless WithPeekLimits says otherwise.
	peekBytes = 64 << 10
	// peekTime is how long that may take to come.
	peekTime = 100 * time.Millisecond
	// maxPeek bounds what WithPeekLimits may ask for: it is held in memory for each answer.
	maxPeek = 16 << 20
)

// WithHintHeader reads the wait that a server asks for from a header of another name, before
// those that [Classify] knows. Its value is a number of units, perhaps with a fraction; or has a
// unit of its own, as a Go duration ("1m30s"), a date of HTTP's, or one of RFC 3339's; or, if unit
// is a second or a millisecond, is a time since 1970. A malformed one counts as absent. It counts
// wherever Retry-After would: after all that may be sent again, and it makes a 403 or 413 one of
// them. Of several such headers the one given first goes first.
//
// It panics if name is no header's, or unit is not within a nanosecond and a day.
func WithHintHeader(name string, unit time.Duration) Option {
	must(isToken(name), "WithHintHeader: name must be a header's, not %q", name)
	must(unit > 0 && unit <= 24*time.Hour, "WithHintHeader: unit must be within 1ns and 24h, not %v", unit)
	h := hintHeader{http.CanonicalHeaderKey(name), unit}
	return func(o *options) { o.answers.hints = append(o.answers.hints, h) }
}

// WithBodyPeek lets the classifier look at the beginning of the bodies of answers with these
// statuses, by [PeekBody]: of 200, for an API that says so there if it failed. The caller still
// gets the whole body. [Classify] itself looks for what it knows there: a quota that is used up,
// and google.rpc.RetryInfo. Without this option it does so in the JSON of 429 alone.
//
// The first look waits until the body has come to its end or to the limit of bytes, but no longer
// than 100 milliseconds; [WithPeekLimits] changes both. So list no status whose bodies are long or
// slow. A look that took too long goes on beside the caller, and net/http fills in the trailers as
// it reads the body's end: read Response.Trailer after that only. Event streams are never looked
// at, nor are an upgraded connection, the answer to HEAD, or 204 and 304.
//
// Each attempt gets a context of its own, which costs a few allocations: it ends a compressed body
// that does not come and is not wanted any more.
//
// It panics if there is no status, or one is not within 200 and 999, or has no body.
func WithBodyPeek(statuses ...int) Option {
	must(len(statuses) > 0, "WithBodyPeek: there must be a status")
	for _, code := range statuses {
		must(code <= 999 && hasBody(code), "WithBodyPeek: %d is no status of an answer with a body", code)
	}
	statuses = slices.Clone(statuses)
	return func(o *options) { o.answers.statuses = append(o.answers.statuses, statuses...) }
}

// WithPeekLimits sets how many bytes of a body are read before the classifier is called, counted
// before and after decompression, and how long to wait for them. The defaults are 64 KiB and 100
// milliseconds. With 0 bytes no body is read, not even that of 429.
//
// It panics if bytes is negative or above 16 MiB, or wait is not positive.
func WithPeekLimits(bytes int, wait time.Duration) Option {
	must(bytes >= 0 && bytes <= maxPeek, "WithPeekLimits: bytes must be within 0 and 16 MiB, not %d", bytes)
	must(wait > 0, "WithPeekLimits: wait must be positive, not %v", wait)
	return func(o *options) { o.answers.limit, o.answers.patience = bytes, wait }
}

// looksAt reports whether an answer's body may decide. once says that it decides nothing unasked:
// the call is never repeated.
func (r *answerRules) looksAt(req *http.Request, resp *http.Response, once bool) bool {
	if resp.StatusCode != http.StatusTooManyRequests && len(r.statuses) == 0 || r.limit == 0 {
		return false // of nearly all answers
	}
	byDefault := resp.StatusCode == http.StatusTooManyRequests && isJSON(resp.Header) && !once
	if !byDefault && !slices.Contains(r.statuses, resp.StatusCode) {
		return false
	}
	return hasBody(resp.StatusCode) && req.Method != http.MethodHead && req.Method != http.MethodConnect &&
		resp.Body != nil && resp.Body != http.NoBody && !isStream(resp)
}

// hasBody reports whether answers with a status have a body.
func hasBody(code int) bool {
	return code >= 200 && code != http.StatusNoContent && code != http.StatusNotModified
}

// tokenChars are the characters of a header's name (RFC 9110, section 5.6.2).
const tokenChars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// isToken reports whether a header can have the name.
func isToken(name string) bool { return name != "" && strings.Trim(name, tokenChars) == "" }
