package main

import (
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// userTimeout is the Timeout that an http.Client has in the works named http/client: what most
// users write.
const userTimeout = 5 * time.Second

// putSize is the body of a PUT.
const putSize = 1 << 10

func httpClientGet() *work {
	return httpClient("http/client-get", "a GET by an http.Client with a Timeout", http.MethodGet, false)
}

func httpClientPut() *work {
	return httpClient("http/client-put", "a PUT of 1 KiB by an http.Client with a Timeout", http.MethodPut, false)
}

func httpClientGetFail() *work {
	return httpClient("http/client-get-fail", "the GET, getting a 503 and then a 200", http.MethodGet, true)
}

func httpClientPutFail() *work {
	return httpClient("http/client-put-fail", "the PUT, getting a 503 and then a 200", http.MethodPut, true)
}

func httpClient(name, what, method string, failed bool) *work {
	w := &work{name: name, what: what, attempts: 1}
	bare := func(base http.RoundTripper) http.RoundTripper { return base }
	if failed {
		w.attempts = 2
		bare = func(base http.RoundTripper) http.RoundTripper { return byHand{base} }
	}
	for _, l := range libraries() {
		switch {
		case l.http == nil:
		case l.client != nil:
			w.cells = append(w.cells, nativeCell(l, method, failed))
		default:
			w.cells = append(w.cells, clientCell(l.name, method, failed, func(base http.RoundTripper) http.RoundTripper {
				return l.http(thrice, base)
			}))
		}
	}
	if !failed {
		byHand := clientCell(byHandName, method, false, func(base http.RoundTripper) http.RoundTripper { return stamping{base} })
		byHand.bare = true
		w.cells = append(w.cells, byHand)
	}
	w.cells[0].budget = true
	w.cells = append(w.cells, retryableClientCell(method, failed), clientCell("bare", method, failed, bare))
	w.cells[len(w.cells)-1].bare = true
	return w
}

// clientCell measures an http.Client with a Timeout over the transport that wrap returns for a
// memory.
func clientCell(library, method string, failed bool, wrap func(http.RoundTripper) http.RoundTripper) cell {
	return cell{library: library, setup: func() rig {
		m, a := &memory{failed: failed}, askedOf(method)
		c := &http.Client{Transport: wrap(m), Timeout: userTimeout}
		return rig{
			sent: m.sent,
			run: func(n int) {
				for range n {
					a.do(c)
				}
			},
			check: func() error { return m.gotAll(a) },
		}
	}}
}

// retryableClientCell measures go-retryablehttp by its own Client, whose inner client has the
// Timeout: one for each attempt, and none for the call. It is no http.Client, so that it is
// printed beside the others but is no peer.
func retryableClientCell(method string, failed bool) cell {
	return cell{library: "go-retryablehttp, own Client", inside: true, setup: func() rig {
		m, size := &memory{failed: failed}, 0
		c := retryable(thrice, m)
		c.HTTPClient.Timeout = userTimeout
		body := any(nil)
		if method == http.MethodPut {
			size = putSize
			body = make([]byte, size)
		}
		req, err := retryablehttp.NewRequest(method, memoryURL, body)
		if err != nil {
			panic(err)
		}
		return rig{
			sent: m.sent,
			run: func(n int) {
				for range n {
					if resp, err := c.Do(req); err == nil {
						_ = resp.Body.Close()
					}
				}
			},
			check: func() error { return m.gotAll(&asked{size: int64(size)}) },
		}
	}}
}

// askedOf returns a GET, or a PUT of putSize bytes.
func askedOf(method string) *asked {
	if method == http.MethodGet {
		return newAsked(0)
	}
	return askedWith(method, putSize)
}

// do sends the request by a client.
func (a *asked) do(c *http.Client) {
	if resp, err := c.Do(a.again()); err == nil {
		_ = resp.Body.Close()
	}
}
