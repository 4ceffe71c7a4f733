package httpx

import (
	"cmp"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// drainBytes is how much of a failed response is read to save its connection. Setting up
	// another costs one to three round trips, about as long as reading this much.
	drainBytes = 64 << 10
	// drainTime is how long draining may take. It runs during the wait before the next attempt.
	drainTime = 100 * time.Millisecond
)

// drain drains the response of an attempt that is over. It does not wait for long: over HTTP/2 the
// Close of a response waits for a Read of the request's body, and a Read of a recorded body may go
// on until the next attempt.
func (c *call) drain(resp *http.Response) {
	abort := c.aborter(resp)
	if c.bodies.record == nil || resp.ProtoMajor < 2 {
		drain(resp, abort)
		return
	}
	inBackground(func() { drain(resp, abort) })(drainTime + readGrace)
}

// inBackground runs f on a goroutine of its own. The returned function waits for f to return, for
// no longer than d, and reports whether it has. A panic of f continues there.
func inBackground(f func()) (wait func(d time.Duration) bool) {
	var value any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { value = recover() }()
		f()
	}()
	return func(d time.Duration) bool {
		if !closedWithin(d, done) {
			return false
		}
		if value != nil {
			panic(value)
		}
		return true
	}
}

// closedWithin waits for a channel to be closed, for no longer than d, and reports whether it was.
func closedWithin(d time.Duration, c <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}

// drain reads a response's body to its end, so that its connection can be used again, and closes
// it. An endless or stalled body is given up, and its connection with it. abort ends a Read of the
// body; nil means that nothing does.
func drain(resp *http.Response, abort func()) {
	body := resp.Body
	if p, ok := body.(*peekBody); ok && p.reading() && !(p.held && closedWithin(drainTime, p.ahead)) {
		p.Close() // it has stalled
		return
	}
	switch {
	case body == nil:
	case body == http.NoBody:
		body.Close()
	case resp.Uncompressed && abort == nil:
		body.Close() // see drainCompressed
	case resp.Uncompressed:
		drainCompressed(body, abort)
	default:
		d := &draining{body: body, left: drainBytes}
		d.closing.Add(1)
		timer := time.AfterFunc(drainTime, d.giveUp)
		_, _ = io.Copy(io.Discard, d)
		if timer.Stop() {
			body.Close()
			return
		}
		d.closing.Wait()
	}
}

// draining reads up to left bytes of a body until giveUp is called.
type draining struct {
	body    io.ReadCloser
	left    int
	over    atomic.Bool    // set by giveUp
	closing sync.WaitGroup // done when giveUp is
}

// Read implements io.Reader.
func (d *draining) Read(p []byte) (int, error) {
	if d.left < 0 || d.over.Load() {
		return 0, io.EOF
	}
	n, err := d.body.Read(p[:min(len(p), d.left+1)]) // one more than left, to see the end
	d.left -= n
	return n, err
}

func (d *draining) giveUp() {
	defer d.closing.Done()
	d.over.Store(true)
	d.body.Close() // unblocks the Read
}

// drainCompressed drains a body that net/http decompresses. The body's Close waits for a Read that
// waits for the gzip header (Go 1.26), so only abort ends the Read if the server stalls there.
// Without abort such a body must not be read.
func drainCompressed(body io.ReadCloser, abort func()) {
	wait := inBackground(func() {
		_, _ = io.CopyN(io.Discard, body, drainBytes+1)
		body.Close()
	})
	if !wait(drainTime) {
		abort()
		wait(drainTime) // abort ends the Read; if it does not, the call goes on
	}
}

// aborter returns a function that ends a Read of the latest attempt's response by breaking its
// connection or ending its context, or nil if nothing does. Over HTTP/2 nothing has to, since
// Close costs no connection; attempts of a hedged call have contexts of their own.
func (c *call) aborter(resp *http.Response) func() {
	if c.stop != nil {
		return c.stop
	}
	base, ok := c.t.base.(*http.Transport)
	if !ok || resp.ProtoMajor != 1 || c.bodies.shared {
		return nil
	}
	sent := cmp.Or(c.sent, c.req)
	//lint:ignore SA1019 a context of its own would cost every attempt
	return func() { base.CancelRequest(sent) }
}
