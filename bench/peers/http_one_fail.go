package main

import "net/http"

func httpOneFail(name, what string, size int) *work {
	w := &work{name: name, what: what, attempts: 2}
	for _, l := range libraries() {
		if l.http == nil || l.client != nil {
			continue
		}
		w.cells = append(w.cells, failingTransport(l.name, size, func(base http.RoundTripper) http.RoundTripper {
			return l.http(thrice, base)
		}))
	}
	byHand := failingTransport("bare", size, func(base http.RoundTripper) http.RoundTripper { return byHand{base} })
	byHand.bare = true
	w.cells = append(w.cells, retryableCell(size, true), byHand)
	return w
}

func failingTransport(library string, size int, wrap func(http.RoundTripper) http.RoundTripper) cell {
	return cell{library: library, budget: library == evenkeel, setup: func() rig {
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

func httpOneFailGet() *work {
	return httpOneFail("http/one-fail-get", "a GET that gets a 503 and then a 200", 0)
}

func httpOneFailPost() *work {
	return httpOneFail("http/one-fail-post", "a POST of 1 KiB that gets a 503 and then a 200", 1<<10)
}
