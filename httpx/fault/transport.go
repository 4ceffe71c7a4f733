package fault

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Transport returns a RoundTripper that puts the faults of a plan in front of base, or of
// http.DefaultTransport if base is nil. It panics if plan is nil.
func Transport(base http.RoundTripper, plan Plan) http.RoundTripper {
	if plan == nil {
		panic("fault: Transport: nil plan")
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{base, plan}
}

type transport struct {
	base http.RoundTripper
	plan Plan
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	f := t.plan(req)
	if f.Refuse {
		closeBody(req)
		return nil, broken("dial", "connect", syscall.ECONNREFUSED)
	}
	if err := sleep(req.Context(), f.Latency); err != nil {
		closeBody(req)
		return nil, err
	}
	switch {
	case f.Reset:
		readBody(req)
		return nil, broken("read", "read", syscall.ECONNRESET)
	case f.Status != 0:
		readBody(req)
		return f.cut(req, f.answer(req)), nil
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return f.cut(req, resp), nil
}

// CloseIdleConnections calls the base's CloseIdleConnections, if it has that method.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// broken returns the error that package net makes for a broken connection.
func broken(op, call string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(call, errno)}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

func readBody(req *http.Request) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		req.Body.Close()
	}
}

// sleep waits for d, or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answer returns the fault's own response.
func (f *Fault) answer(req *http.Request) *http.Response {
	header := f.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Length", strconv.Itoa(len(f.Body)))
	body := io.NopCloser(strings.NewReader(f.Body))
	if req.Method == http.MethodHead {
		body = http.NoBody
	}
	return &http.Response{
		Status: strconv.Itoa(f.Status) + " " + http.StatusText(f.Status), StatusCode: f.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, ContentLength: int64(len(f.Body)),
		Body: body, Request: req,
	}
}

// cut returns resp with a body that breaks off if Partial is set.
func (f *Fault) cut(req *http.Request, resp *http.Response) *http.Response {
	none := resp.Body == nil || req.Method == http.MethodHead || resp.StatusCode == http.StatusSwitchingProtocols
	if f.Partial != 0 && !none {
		resp.Body = &partialBody{resp.Body, max(f.Partial, 0)}
	}
	return resp
}

// partialBody ends with an error after left bytes.
type partialBody struct {
	io.ReadCloser
	left int
}

func (b *partialBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
