package httpx

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// drainBytes is how much of a failed response is read to save its connection; setting up another costs a
	// round trip or three, the time it takes to read about so much.
	drainBytes = 64 << 10
	// drainTime is how long that may take. It runs during the wait before the next attempt.
	drainTime = 100 * time.Millisecond
)

// drain reads a body to its end, so that its connection can be used again, and closes it. An endless or stalled body
// is given up, and its connection with it.
func drain(body io.ReadCloser) {
	if body == nil {
		return
	}
	if body == http.NoBody {
		body.Close()
		return
	}
	d := &draining{body: body, LimitedReader: io.LimitedReader{R: body, N: drainBytes + 1}}
	d.closing.Add(1)
	timer := time.AfterFunc(drainTime, d.giveUp)
	_, _ = io.Copy(io.Discard, d)
	if timer.Stop() {
		body.Close()
		return
	}
	d.closing.Wait()
}

// draining is a body that is being drained, all in one piece.
type draining struct {
	io.LimitedReader
	body    io.Closer
	closing sync.WaitGroup // giveUp, once it has begun
}

func (d *draining) giveUp() {
	defer d.closing.Done()
	d.body.Close() // unblocks the Read
}

// keep hands the context of the attempt that answers to its response: it ends when the body is closed or read to its
// end, and not before.
func keep(resp *http.Response, cancel context.CancelFunc) *http.Response {
	if resp == nil || resp.Body == nil || resp.Body == http.NoBody {
		cancel()
		return resp
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

// CloseWrite is what net/http's own has as well.
func (c *heldConn) CloseWrite() error {
	if w, ok := c.ReadCloser.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return http.ErrNotSupported
}
