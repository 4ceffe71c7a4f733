package httpx

import (
	"net/http"
	"strconv"

	"github.com/evenkeel-go/evenkeel/retry"
)

// WithBeforeAttempt calls prepare before each attempt, to sign the request, add a token or set a
// header. req is the attempt's own copy: its header and URL may be changed, and the headers that
// the Transport adds are on it. Its context is the attempt's, so that an attempt timeout bounds
// prepare as well. previous is the latest failure of the call, nil if no attempt has failed. To
// hash the body, read a copy from req.GetBody; to change the body, wrap it.
//
// A redirect is a call of its own, perhaps to a host that must not see a secret: look at
// req.URL.Host before you add one. An http.Client removes only what it was given itself.
//
// An error of prepare ends the call: a retry would not help, and the error says nothing about the
// destination. The attempt counts, although it was not sent. In a hedged call several attempts may
// call prepare at the same time. If the option is given more than once, each prepare is called, in
// order.
func WithBeforeAttempt(prepare func(req *http.Request, previous *retry.Failure) error) Option {
	must(prepare != nil, "WithBeforeAttempt: must not be nil")
	return func(o *options) { o.before = append(o.before, prepare) }
}

// Failed records a failure for WithBeforeAttempt. It implements drive.Follower.
func (c *call) Failed(f retry.Failure) {
	if c.t.before != nil {
		c.failed.Store(new(f))
	}
}

// prepare calls the hooks of WithBeforeAttempt for an attempt that is about to be sent. If one
// fails, prepare closes the attempt's body.
func (c *call) prepare(req *http.Request, attempt int) error {
	if c.t.before == nil {
		return nil
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.URL != nil {
		req.URL = new(*req.URL)
	}
	body, prepared := req.Body, false
	defer func() { // also after a panic or runtime.Goexit in a hook
		if !prepared && body != nil {
			body.Close()
		}
	}()
	for _, hook := range c.t.before {
		var previous *retry.Failure
		if f := c.failed.Load(); f != nil {
			previous = new(*f)
		}
		if err := hook(req, previous); err != nil {
			return &hookError{err, attempt}
		}
	}
	prepared = true
	return nil
}

// hookError wraps the error of a hook, which ends the call.
type hookError struct {
	err     error
	attempt int
}

func (e *hookError) Error() string {
	return e.err.Error() + " (evenkeel: before attempt " + strconv.Itoa(e.attempt) + ")"
}

func (e *hookError) Unwrap() error { return e.err }
