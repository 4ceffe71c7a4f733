package httpx

import (
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// WithBodyIdleTimeout ends the body of a response when a Read of it waits d for a byte. The error
// of Read is then a net.Error whose Timeout is true, and the connection is given up. A response
// that has begun is not sent again: neither an attempt timeout nor a retry follows its body. Only
// the time of a Read counts, not that of a caller who does not read. By default a body may stall
// until the call's deadline.
//
// The silence of an event stream means nothing, so bodies of text/event-stream and
// multipart/x-mixed-replace are left alone unless they are named in streams as well. So are
// CONNECT and upgraded connections.
//
// It panics if d is not positive, or streams has a name other than these two.
func WithBodyIdleTimeout(d time.Duration, streams ...string) Option {
	must(d > 0, "WithBodyIdleTimeout: must be positive, not %v", d)
	for _, s := range streams {
		must(slices.Contains(eventStreams, s), "WithBodyIdleTimeout: streams must be of %q, not %q", eventStreams, s)
	}
	return func(o *options) { o.idle, o.idleStreams = d, streams }
}

// eventStreams are the media types of bodies that may be silent for any time.
var eventStreams = []string{"text/event-stream", "multipart/x-mixed-replace"}

// boundIdle has giveUp end the attempt's context when the response's body stalls or is done. It
// reports false if the body has no idle timeout, as when giveUp is nil.
func (c *call) boundIdle(resp *http.Response, giveUp context.CancelCauseFunc) bool {
	if giveUp == nil || resp == nil || resp.Body == nil || resp.Body == http.NoBody ||
		resp.StatusCode == http.StatusSwitchingProtocols || c.mayBeSilent(resp) {
		return false
	}
	resp.Body = &idleBody{body: resp.Body, limit: c.t.idle, cancel: giveUp}
	return true
}

// mayBeSilent reports whether a response is an event stream that the option does not name.
func (c *call) mayBeSilent(resp *http.Response) bool {
	kind := mediaType(resp.Header)
	return slices.Contains(eventStreams, kind) && !slices.Contains(c.t.idleStreams, kind)
}

// idleBody is a body whose Read waits for a byte no longer than limit.
type idleBody struct {
	body    io.ReadCloser
	limit   time.Duration
	cancel  context.CancelCauseFunc
	stalled atomic.Bool // set by stall

	mu      sync.Mutex  // guards what follows
	timer   *time.Timer // runs stall; nil: no Read yet
	reading bool
	resting bool          // nobody waits for the Read: the timer is stopped
	since   time.Time     // when the timer was started
	left    time.Duration // until stall, at since
	closed  bool
}

func (b *idleBody) Read(p []byte) (int, error) {
	if b.stalled.Load() {
		return 0, &idleError{b.limit}
	}
	if len(p) == 0 {
		return b.body.Read(p)
	}
	b.arm()
	n, err := b.body.Read(p)
	inTime := b.disarm()
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF && !inTime:
		err = &idleError{b.limit}
	}
	b.cancel(nil)
	return n, err
}

// arm starts the timeout of a Read.
func (b *idleBody) arm() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading, b.left = true, b.limit
	b.start()
}

// start starts the timer, unless nobody waits. It requires that b.mu is held.
func (b *idleBody) start() {
	if b.resting {
		return
	}
	b.since = time.Now()
	if b.timer == nil {
		b.timer = time.AfterFunc(b.left, b.stall)
		return
	}
	b.timer.Reset(b.left)
}

// rest(true) stops the timer while nobody waits for a Read that goes on; rest(false) restarts it
// with the time that was left.
func (b *idleBody) rest(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.resting == on {
		return
	}
	b.resting = on
	switch {
	case !b.reading:
	case !on:
		b.start()
	case b.timer.Stop():
		b.left -= time.Since(b.since)
	}
}

// disarm stops the timer and reports whether the Read that armed it returned in time.
func (b *idleBody) disarm() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	return b.timer == nil || b.timer.Stop() || !b.stalled.Load()
}

// stall gives up the body. Canceling the attempt's context ends its Read, even one that waits for
// the gzip header, for which Close would wait. If the base ignores the context, Close ends the
// Read.
func (b *idleBody) stall() {
	b.stalled.Store(true)
	b.cancel(os.ErrDeadlineExceeded)
	_ = b.close()
}

func (b *idleBody) Close() error {
	err := b.close()
	b.cancel(nil)
	return err
}

func (b *idleBody) close() error {
	b.mu.Lock()
	if b.timer != nil {
		b.timer.Stop()
	}
	first := !b.closed
	b.closed = true
	b.mu.Unlock()
	if !first {
		return nil
	}
	return b.body.Close()
}

// idleError is the error of a body that stalled.
type idleError struct{ limit time.Duration }

func (e *idleError) Error() string {
	return os.ErrDeadlineExceeded.Error() + " (evenkeel: body idle timeout of " + e.limit.String() + ")"
}

// Unwrap returns the error that a connection returns whose deadline has passed.
func (*idleError) Unwrap() error { return os.ErrDeadlineExceeded }

func (*idleError) Timeout() bool   { return true }
func (*idleError) Temporary() bool { return true }
