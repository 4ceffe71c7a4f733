package httpx

import (
	"context"
	"io"
	"net/http"
	"reflect"
)

// ownContext holds the functions that end a context of an attempt's own. An attempt has one if
// the Transport may have to end a Read of the response's body: for a classifier, or because it
// stalls.
type ownContext struct {
	stop   context.CancelFunc      // nil: the attempt has no such context
	giveUp context.CancelCauseFunc // stop with a cause, for a body that stalls; nil: it may stall
}

// ownContext returns the context to send an attempt on, and how to end it.
func (c *call) ownContext(ctx context.Context, timed bool) (context.Context, ownContext) {
	var own ownContext
	// The context of a timed attempt, or of one in a hedged call, ends in any case.
	peeks := !timed && !c.bodies.shared && len(c.t.answers.statuses) > 0 && c.t.answers.limit > 0
	switch {
	case c.t.idle > 0 && !opensTunnel(c.req.Method, c.req.Header):
		idle, giveUp := context.WithCancelCause(ctx)
		ctx, own = idle, ownContext{func() { giveUp(nil) }, giveUp}
	case peeks:
		ctx, own.stop = context.WithCancel(ctx)
	}
	if !c.bodies.shared {
		c.ownCtx, c.stop = timed || peeks, nil
		if peeks {
			c.stop = own.stop
		}
	}
	return ctx, own
}

// exchange sends an attempt to the base. A context of the attempt's own lives until the
// response's body is done.
func (c *call) exchange(req *http.Request, attempt int, own ownContext) (resp *http.Response, err error) {
	if own.stop != nil {
		defer func() { // also after a panic
			if resp == nil {
				own.stop()
			}
		}()
	}
	c.login.sending(attempt)
	if err := c.prepare(req, attempt); err != nil {
		return nil, err
	}
	if c.dropsExpect() {
		delete(req.Header, headerExpect)
	}
	c.shadows.sent.Add(1)
	resp, err = normalize(c.t.base.RoundTrip(req))
	if own.stop != nil && !c.boundIdle(resp, own.giveUp) {
		resp = keep(resp, own.stop)
	}
	return resp, err
}

// restore puts the caller's request in the place of the one that was sent for it, or of a copy of
// that: http.Transport makes one of a request with a body, and returns it over a kept HTTP/2
// connection. The copy that a RoundTripper below made to change it (oauth2 adds its token) stays,
// with the caller's context for the attempt's own. A request with another context stays as it is,
// such as that of a Transport below, which has its report there.
func restore(resp *http.Response, sent, req *http.Request) {
	if resp == nil || resp.Request == nil || sent == req {
		return
	}
	got := resp.Request
	switch {
	case got != sent && !equal(got.Context(), sent.Context()):
	case got == sent || shares(got, sent):
		resp.Request = req
	case !equal(sent.Context(), req.Context()):
		resp.Request = got.WithContext(req.Context())
	}
}

// shares reports whether got is a copy of sent that changed nothing but the body.
func shares(got, sent *http.Request) bool {
	return got.URL == sent.URL && got.Method == sent.Method &&
		reflect.ValueOf(got.Header).Pointer() == reflect.ValueOf(sent.Header).Pointer()
}

// equal reports whether two contexts are the same. It reports false for contexts of a type that
// cannot be compared.
func equal(a, b context.Context) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// keep returns resp with a body that calls cancel when it is closed or a Read of it fails. It
// calls cancel at once if there is no body.
func keep(resp *http.Response, cancel context.CancelFunc) *http.Response {
	if resp == nil || resp.Body == nil || resp.Body == http.NoBody {
		cancel()
		return resp
	}
	if p, ok := resp.Body.(*peekBody); ok && p.stop == nil {
		p.stop = cancel
	}
	held := &heldBody{resp.Body, cancel}
	resp.Body = held
	if w, ok := held.ReadCloser.(io.Writer); ok { // 101 Switching Protocols: the connection itself
		resp.Body = &heldConn{held, w}
	}
	return resp
}

// heldBody holds an attempt's context for as long as the body is in use.
type heldBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.cancel()
	}
	return n, err
}

func (b *heldBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// heldConn is a heldBody that can be written to.
type heldConn struct {
	*heldBody
	io.Writer
}

// CloseWrite closes the sending side, as net/http's own connection does.
func (c *heldConn) CloseWrite() error {
	if w, ok := c.ReadCloser.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return http.ErrNotSupported
}
