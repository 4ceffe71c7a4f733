package main

import (
	"net/http"
	"sync/atomic"
)

// httpE2E503 has one answer in ten be a 503 with a body. Wrappers send what bare does not: a tenth
// more requests.
func httpE2E503() *work {
	var n atomic.Int64
	return siteWork(&work{
		name: "http/e2e-503", what: "the same, one answer in ten a 503 with a body that is retried at once",
	}, siteKind{answer: func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%10 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(page)
	}})
}
