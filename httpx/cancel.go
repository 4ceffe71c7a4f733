package httpx

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// This file is for the deprecated Request.Cancel, which http.Client.Timeout still works through.

// canceled reports whether the caller gave up by Request.Cancel.
func (c *call) canceled() bool {
	select {
	case <-c.req.Cancel: //lint:ignore SA1019 see above
		if c.watch != nil {
			c.watch.cancel(errCanceled) // it may not have seen it yet, and the call's error is to say so
		}
		return true
	default:
		return false
	}
}

var errCanceled = errors.New("httpx: Request.Cancel is closed")

// cancelWatch has a context end when Request.Cancel is closed.
type cancelWatch struct {
	cancel   context.CancelCauseFunc
	kept     bool
	over     chan struct{}
	watching sync.WaitGroup
}

// heedCancel is the context of a call that may wait: of Request.Cancel the base knows, but nobody
// looks at it between attempts. It is the caller's own, and there is no watch, if that has a
// deadline: which of the two is heeded is undefined then, says net/http, and calls under
// http.Client.Timeout, which sets both for the same instant, pay nothing.
func (c *call) heedCancel() (context.Context, *cancelWatch) {
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

// keep hands the watch's context to the response that answers.
func (w *cancelWatch) keep(resp *http.Response) *http.Response {
	if w == nil || resp == nil {
		return resp
	}
	w.kept = true
	return keep(resp, func() { w.cancel(nil) })
}

// end is called when the call is over.
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

// cancelGrace is how long awaitCancel waits.
const cancelGrace = 10 * time.Millisecond

// awaitCancel lets http.Client say that it was its Timeout. That sets a deadline on the context
// and a timer of its own beside it, which closes Request.Cancel, and the error says
// "Client.Timeout exceeded" only if the timer came first. Both are due at the same instant.
func (c *call) awaitCancel() {
	cancel := c.req.Cancel //lint:ignore SA1019 see above
	if cancel == nil || c.req.Context().Err() != context.DeadlineExceeded {
		return
	}
	timer := time.NewTimer(cancelGrace)
	defer timer.Stop()
	select {
	case <-cancel:
	case <-timer.C:
	}
}
