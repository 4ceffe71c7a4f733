package httpx

import (
	"fmt"
	"net/http"
	"time"

	"github.com/evenkeel-go/evenkeel/retry"
)

// Option configures a Transport. The function that makes it, or NewTransport, panics if its
// arguments are invalid.
type Option func(*options)

type options struct {
	choose      func(*http.Request) *retry.Policy
	destination func(*http.Request) string
	classify    func(*http.Request, *http.Response, error) retry.Outcome // nil: Classify
	before      []func(*http.Request, *retry.Failure) error
	credentials *credentials // nil: a 401 is not renewed
	hintKey     func(*http.Request) string
	paths       paths         // declared idempotent
	idle        time.Duration // limits a Read of a response's body; 0: no limit
	idleStreams []string      // the event streams that idle is for
	buffer      int           // bytes of a request body without GetBody that are kept
	addsKey     bool          // add an Idempotency-Key
	quiet       bool          // add no other header
	hints       []hintHeader  // read before waitHeaders
	answers     peekRules
}

// must panics with a formatted text unless a condition on an argument is true.
func must(ok bool, format string, args ...any) {
	if !ok {
		text := fmt.Sprintf("httpx: "+format, args...)
		panic(text)
	}
}

// WithPolicyFunc makes choose pick the policy of each request, by method or path for example, or
// to swap policies in a running program: keep the current one in an atomic.Pointer and make the
// next with Policy.Reload, which keeps budgets and latencies. If choose returns nil, the policy of
// NewTransport is used. Each policy has the state of its destinations, so choose must return the
// same policy for the same rules, not a new one for each request. It is called once per call, and
// must be safe for concurrent use.
func WithPolicyFunc(choose func(*http.Request) *retry.Policy) Option {
	must(choose != nil, "WithPolicyFunc: must not be nil")
	return func(o *options) { o.choose = choose }
}

// WithDestination chooses the key of a request's budget and latency estimate; without it the key
// is the host and port in the URL. The policy limits the number of keys
// (retry.WithMaxDestinations), so do not return whole URLs. The empty key is the policy's own
// destination. name is called once per call, and must be safe for concurrent use.
func WithDestination(name func(*http.Request) string) Option {
	must(name != nil, "WithDestination: must not be nil")
	return func(o *options) { o.destination = name }
}

// WithClassifier replaces [Classify]. classify is called once for each attempt that returns a
// response, or an error that is not due to the caller's context, the attempt's timeout, a body or
// a hook. It must be safe for concurrent use, and must neither read nor close the body, but see
// [WithBodyPeek]. Call Classify in it to change only some rows of the table, and to keep the marks
// of [retry.Permanent] and [retry.After] on errors. (retry.WithClassifier, which classifies the
// errors of Do, has no effect here.)
//
// Whatever it returns, a request that is not idempotent is repeated only if it was Unprocessed,
// and never if its body cannot be replayed. If it returns Rejected and Alive, or Transient, for a
// 4xx, the answer may still count as due to another attempt of the call, as Classify's doc
// explains, or as temporary because of a header of [WithHintHeader].
func WithClassifier(classify func(*http.Request, *http.Response, error) retry.Outcome) Option {
	must(classify != nil, "WithClassifier: must not be nil")
	return func(o *options) { o.classify = classify }
}

// WithBodyBuffer keeps up to limit bytes of a request body that has no GetBody, so that it can be
// replayed. A longer body is streamed, and cannot be replayed once more than limit bytes were read
// of it. Bodies with GetBody are not buffered. Without this option (limit 0) a body without
// GetBody is replayed only if nothing was read of it, as when the connection was refused. Requests
// with such a body are not hedged.
func WithBodyBuffer(limit int) Option {
	must(limit >= 0, "WithBodyBuffer: must not be negative, not %d", limit)
	return func(o *options) { o.buffer = limit }
}

// WithIdempotencyKey adds an Idempotency-Key to each POST and PATCH that has none, which makes
// them idempotent: the same random UUID on every attempt of a call, and a new one for the next
// call. Use it for servers that honor the header (draft-ietf-httpapi-idempotency-key-header);
// with others it would repeat effects. A resend that is answered 409 or 425, because the server
// is still handling the first attempt, is sent again later. Requests declared retry.NotIdempotent
// get none. A redirect is a call of its own, so with a key of its own.
func WithIdempotencyKey() Option { return func(o *options) { o.addsKey = true } }

// WithoutHeaders sends no Request-Timeout, X-Retry-Attempt or X-Criticality, for servers that
// refuse headers that they do not know.
func WithoutHeaders() Option { return func(o *options) { o.quiet = true } }

// WithHintKey limits a server's wait to the requests with the same key, such as a tenant or an API
// key, if the policy's HintScope is "destination": a 429 to one tenant does not delay the others.
// key is called once per call whose policy has that scope, and must be safe for concurrent use.
// The number of keys is limited together with that of destinations (retry.WithMaxDestinations).
//
// NewTransport panics if its policy's HintScope is "call", unless WithPolicyFunc chooses another.
func WithHintKey(key func(*http.Request) string) Option {
	must(key != nil, "WithHintKey: must not be nil")
	return func(o *options) { o.hintKey = key }
}
