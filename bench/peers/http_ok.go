package main

import (
	"fmt"
	"net/http"

	"github.com/hashicorp/go-retryablehttp"
)

// transportCell measures one request after the other through a wrapper around a memory.
func transportCell(library string, size int, wrap func(http.RoundTripper) http.RoundTripper) cell {
	return cell{library: library, bare: wrap == nil, setup: func() rig {
		m, a := new(memory), newAsked(size)
		var rt http.RoundTripper = m
		if wrap != nil {
			rt = wrap(m)
		}
		return rig{
			sent: m.sent,
			run: func(n int) {
				for range n {
					a.trip(rt)
				}
			},
			check: func() error { return m.gotAll(a) },
		}
	}}
}

// gotAll checks that every attempt brought the whole body.
func (m *memory) gotAll(a *asked) error {
	if want := int64(m.n) * a.size; m.got != want {
		return fmt.Errorf("%d bytes arrived, not %d", m.got, want)
	}
	return nil
}

func httpOK(name, what string, size int) *work {
	w := &work{name: name, what: what, attempts: 1, paired: true}
	for _, l := range libraries() {
		if l.http != nil && l.client == nil {
			w.cells = append(w.cells, transportCell(l.name, size, func(base http.RoundTripper) http.RoundTripper {
				return l.http(thrice, base)
			}))
		}
	}
	w.cells = append(w.cells, retryableCell(size, false), transportCell("bare", size, nil))
	w.cells[0].budget = true
	return w
}

// retryableCell measures go-retryablehttp by its own Client and Request, which spares it reading
// bodies beforehand.
func retryableCell(size int, failed bool) cell {
	return cell{library: "go-retryablehttp, own Client", setup: func() rig {
		m := &memory{failed: failed}
		c := retryable(thrice, m)
		method, body := http.MethodGet, any(nil)
		if size > 0 {
			method, body = http.MethodPost, make([]byte, size)
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

func httpOKGet() *work {
	return httpOK("http/ok-get", "a GET over a RoundTripper in memory", 0)
}

func httpOKPost() *work {
	return httpOK("http/ok-post", "a POST of 1 MiB, with GetBody, over a RoundTripper in memory", 1<<20)
}
