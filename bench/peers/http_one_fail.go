package main

import (
	"net/http"
)

func httpOneFail(name, what string, size int) *work {
	w := &work{name: name, what: what, attempts: 2}
	for _, l := range libraries() {
		switch {
		case l.http == nil || l.client != nil:
		case l.name == evenkeel:
			w.cells = append(w.cells, evenkeelTransportFailing(size))
		default:
			w.cells = append(w.cells, failingTransport(l.name, size, func(base http.RoundTripper) http.RoundTripper {
				return l.http(thrice, base)
			}))
		}
	}
	byHand := failingTransport("bare", size, func(base http.RoundTripper) http.RoundTripper { return byHand{base} })
	byHand.bare = true
	w.cells = append(w.cells, retryableCell(size, true), byHand)
	return w
}

func failingTransport(library string, size int, wrap func(http.RoundTripper) http.RoundTripper) cell {
	return cell{library: library, setup: func() rig {
		m, a := &memory{failed: true}, newAsked(size)
		rt := wrap(m)
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

func evenkeelTransportFailing(size int) cell {
	return cell{library: evenkeel, budget: true, setup: func() rig {
		m, a := &memory{failed: true}, newAsked(size)
		ring := ringOf(func() http.RoundTripper { return evenkeelTransport(thrice, m) })
		earned := 0
		fine := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: noHeader, Request: a.req}
		return rig{
			limit: ringSpan,
			sent:  func() int { return m.n - earned },
			run: func(n int) {
				for i := range n {
					a.trip(ring[at(i)])
				}
			},
			earn: func() {
				before := m.n
				m.same = fine
				for _, rt := range ring {
					for range successes {
						a.trip(rt)
					}
				}
				m.same = nil
				earned += m.n - before
			},
			check: func() error { return m.gotAll(a) },
		}
	}}
}

func httpOneFailGet() *work {
	return httpOneFail("http/one-fail-get", "a GET that gets a 503 and then a 200", 0)
}

func httpOneFailPost() *work {
	return httpOneFail("http/one-fail-post", "a POST of 1 KiB that gets a 503 and then a 200", 1<<10)
}
