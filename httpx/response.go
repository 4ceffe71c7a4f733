package httpx

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// drainBytes is how much of a failed response is read to save its connection; setting up another costs a
	// round trip or three, the time it takes to read about so much.
	drainBytes = 64 << 10
	// drainTime is how long that may take. It runs during the wait before the next attempt.
	drainTime = 100 * time.Millisecond
)

// drain reads a response's body to its end, so that its connection can be used again, and closes it. An endless or
// stalled body is given up, and its connection with it.
func drain(resp *http.Response) {
	body := resp.Body
	switch {
	case body == nil:
	case body == http.NoBody:
		body.Close()
	case resp.Uncompressed:
		drainAside(body)
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

// draining is a body that is being drained, all in one piece.
type draining struct {
	body    io.ReadCloser
	left    int
	over    atomic.Bool
	closing sync.WaitGroup // giveUp, once it has begun
}

// Read implements io.Reader.
func (d *draining) Read(p []byte) (int, error) {
	if d.left < 0 || d.over.Load() {
		return 0, io.EOF
	}
	n, err := d.body.Read(p[:min(len(p), d.left+1)]) // one more, to see that there is no more
	d.left -= n
	return n, err
}

func (d *draining) giveUp() {
	defer d.closing.Done()
	d.over.Store(true)
	d.body.Close() // unblocks the Read
}

// drainAside is drain for a body that net/http decompresses. Its Close waits for a Read that waits for the gzip header
// (Go 1.26), so a server that stalls there can only be left to itself: the Read ends with its context or connection.
func drainAside(body io.ReadCloser) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.CopyN(io.Discard, body, drainBytes+1)
		body.Close()
	}()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
		go body.Close()
	}
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
