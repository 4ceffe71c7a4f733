package httpx

import (
	"context"
	"io"
	"net/http"
)

// keep hands the context of the attempt that answers to its response: it ends when the body is
// closed or read to its end, and not before.
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

// CloseWrite closes the sending side, as that of net/http's own connection does.
func (c *heldConn) CloseWrite() error {
	if w, ok := c.ReadCloser.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return http.ErrNotSupported
}
