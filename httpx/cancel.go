package httpx

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/evenkeel-go/evenkeel/internal/drive"
	"github.com/evenkeel-go/evenkeel/retry"
)

// This file handles the deprecated Request.Cancel, which http.Client.Timeout still uses.

// canceled reports whether the caller gave up by Request.Cancel.
func (c *call) canceled() bool {
	select {
	case <-c.req.Cancel: //lint:ignore SA1019 see above
		if c.watch != nil {
			c.watch.cancel(errCanceled) // the watch may not have run yet
		}
		return true
	default:
		return false
	}
}

// errCanceled has the text of net/http's own error for a closed Request.Cancel: which of the two a
// call returns depends on whether net/http or cancelWatch sees the channel first.
var errCanceled = errors.New("net/http: request canceled")

// cancelWatch cancels a context when Request.Cancel is closed.
type cancelWatch struct {
	cancel   context.CancelCauseFunc
	kept     bool           // the response's body cancels the context
	over     chan struct{}  // closed by end
	watching sync.WaitGroup // for the goroutine
}

// watchCancel returns the context of the call, which ends when Request.Cancel is closed: the base
// watches that channel during an attempt, but nothing would between attempts. If the caller's
// context has a deadline it is returned as it is, without a watch: http.Client.Timeout sets both
// for the same instant, and net/http leaves open which of two cancellations counts.
func (c *call) watchCancel() (context.Context, *cancelWatch) {
	ctx := c.req.Context()
	cancel := c.req.Cancel //lint:ignore SA1019 see above
	if cancel == nil || c.once {
		return ctx, nil
	}
	if _, ok := ctx.Deadline(); ok {
		return ctx, nil
	}
	w := &cancelWatch{over: make(chan struct{})}
	ctx, w.cancel = context.WithCancelCause(ctx)
	c.watch = w
	w.watching.Go(func() {
		select {
		case <-cancel:
			w.cancel(errCanceled)
		case <-w.over:
		}
	})
	return ctx, w
}

// keep releases the watch's context when the body of the call's response is done.
func (w *cancelWatch) keep(resp *http.Response) *http.Response {
	if w == nil || resp == nil {
		return resp
	}
	w.kept = true
	return keep(resp, func() { w.cancel(nil) })
}

// end stops the watch. Call it when the call is over.
func (w *cancelWatch) end() {
	if w == nil {
		return
	}
	close(w.over)
	w.watching.Wait()
	if !w.kept {
		w.cancel(nil)
	}
}

// cancelGrace is how long to wait for one of the two things that http.Client.Timeout causes at
// once, when the other has happened.
const cancelGrace = 10 * time.Millisecond

// awaitCancel waits for Request.Cancel to be closed if the deadline has passed.
// http.Client.Timeout sets a deadline on the context and a timer that closes Request.Cancel at the
// same instant, and its error says "Client.Timeout exceeded" only if the timer has fired when
// RoundTrip returns.
func (c *call) awaitCancel() {
	cancel := c.req.Cancel //lint:ignore SA1019 see above
	if cancel != nil && c.req.Context().Err() == context.DeadlineExceeded {
		closedWithin(cancelGrace, cancel)
	}
}

// overdue puts the context's error in the place of net/http's error for a closed Request.Cancel,
// if the deadline has passed as well. http.Client.Timeout causes both at once, and without a
// RoundTripper in between the client returns the context's.
func (c *call) overdue(a *drive.Answer[*http.Response]) {
	cancel := c.req.Cancel //lint:ignore SA1019 see above
	if cancel == nil || a.Stopped.Reason != retry.ReasonDeadline || a.Err == nil || !textsOf(a.Err).start(canceled) {
		return
	}
	a.Err = context.DeadlineExceeded
	a.Stopped.Last = a.Err
}

// boundByClient returns resp with a body whose Reads fail as without a RoundTripper in between
// when http.Client.Timeout passes: with the context's error, once Request.Cancel is closed too.
// The body is put into room, or into a new object if room is nil.
func boundByClient(resp *http.Response, req *http.Request, room *clientBody) *http.Response {
	cancel := req.Cancel //lint:ignore SA1019 see above
	if cancel == nil || resp.Body == nil || resp.Body == http.NoBody {
		return resp
	}
	_, timed := req.Context().Deadline()
	if _, conn := resp.Body.(io.Writer); timed && !conn { // 101 Switching Protocols has a conn
		if room == nil {
			room = new(clientBody)
		}
		room.ReadCloser, room.req = resp.Body, req
		resp.Body = room
	}
	return resp
}

// clientBody is the body of a response to an http.Client with a Timeout.
type clientBody struct {
	io.ReadCloser
	req *http.Request // the caller's
}

// Read implements io.Reader. The client adds "Client.Timeout" to an error only if its own timer,
// which closes Request.Cancel, has fired by then.
func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	ctx := b.req.Context()
	deadline, _ := ctx.Deadline()
	if time.Until(deadline) > cancelGrace || !closedWithin(cancelGrace, ctx.Done()) {
		return n, err
	}
	closedWithin(cancelGrace, b.req.Cancel) //lint:ignore SA1019 see above
	if ctx.Err() == context.DeadlineExceeded && textsOf(err).start(canceled) {
		err = context.DeadlineExceeded
	}
	return n, err
}
