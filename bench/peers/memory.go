package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// memory is a RoundTripper that answers at once. One goroutine at a time.
type memory struct {
	n      int
	failed bool // every other request gets a 503
	got    int64
	same   *http.Response // if set, the answer to all: it costs no garbage where nothing is measured
}

var (
	noHeader = http.Header{}
	oops     = "the server is busy, try again\n"
)

// RoundTrip keeps what the interface asks for: it reads and closes the body, and a response is a
// new one.
func (m *memory) RoundTrip(req *http.Request) (*http.Response, error) {
	m.n++
	if req.Body != nil {
		n, _ := io.Copy(io.Discard, req.Body)
		m.got += n
		_ = req.Body.Close()
	}
	if m.same != nil {
		return m.same, nil
	}
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: noHeader, Request: req}
	if m.failed && m.n&1 == 1 {
		resp.StatusCode, resp.Body = http.StatusServiceUnavailable, io.NopCloser(strings.NewReader(oops))
	}
	return resp, nil
}

func (m *memory) sent() int { return m.n }

// asked is a request that is sent again and again.
type asked struct {
	req  *http.Request
	data *bytes.Reader
	body io.ReadCloser
	size int64
}

const memoryURL = "http://memory.test/"

// newAsked makes a GET, or a POST of that many bytes if there are any. The Idempotency-Key says to
// all that care that the POST may be repeated.
func newAsked(size int) *asked {
	if size == 0 {
		req, err := http.NewRequest(http.MethodGet, memoryURL, nil)
		if err != nil {
			panic(err)
		}
		return &asked{req: req}
	}
	a := askedWith(http.MethodPost, size)
	a.req.Header.Set("Idempotency-Key", "4711")
	return a
}

// askedWith makes a request with a body.
func askedWith(method string, size int) *asked {
	a := &asked{data: bytes.NewReader(make([]byte, size)), size: int64(size)}
	req, err := http.NewRequest(method, memoryURL, a.data)
	if err != nil {
		panic(err)
	}
	a.req, a.body = req, req.Body
	return a
}

// again returns the request with its body, which some wrappers replace, rewound.
func (a *asked) again() *http.Request {
	if a.data != nil {
		_, _ = a.data.Seek(0, io.SeekStart)
		a.req.Body = a.body
	}
	return a.req
}

// trip makes one round trip through rt.
func (a *asked) trip(rt http.RoundTripper) {
	resp, err := rt.RoundTrip(a.again())
	if err == nil {
		_ = resp.Body.Close()
	}
}
